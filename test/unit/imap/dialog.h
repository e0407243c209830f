/* IMAP connections. */
#pragma once
#include "imap/imap.h"
#include "unit/mailbox/dialog.h"
#include "unit/pop3/speaker.h"

#define LOGIN    "0 LOGIN ann@example.org \"open sesame\"\r\n"
#define GREETING "* OK [CAPABILITY IMAP4rev1 " ANY "] mail.example.org barid ready\r\n"
#define LOGGED   "0 OK [CAPABILITY IMAP4rev1 " ANY "] Logged in\r\n"
#define IN       GREETING LOGGED
#define LOGOUT   "z LOGOUT\r\n"
#define BYE      "* BYE Until next time\r\nz OK Logged out\r\n"

extern struct imap_service dialog_service;
