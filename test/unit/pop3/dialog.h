/* POP3 connections. */
#pragma once
#include "pop3/pop3.h"
#include "unit/mailbox/dialog.h"
#include "unit/pop3/speaker.h"

#define LOGIN     "USER ann@example.org\r\nPASS open sesame\r\n"
#define GREETING  "+OK mail.example.org POP3 ready\r\n"
#define NAME_OK   "+OK Now the password\r\n"
#define BYE       "+OK mail.example.org POP3 signing off\r\n"
#define LEFT(n)   "+OK mail.example.org POP3 signing off (" #n " messages left)\r\n"
#define WRONG     "-ERR [AUTH] Wrong name or password\r\n"
#define LOGGED(n) "+OK Maildrop has " n "\r\n"

extern struct pop3_service dialog_service;
