/* Whole POP3 connections over memory streams and a memory store in harsh mode. Everything here runs
 * on a task. */
#pragma once
#include "base/buffer.h"
#include "net/listen.h"
#include "pop3/pop3.h"
#include "unit/mailbox/fixture.h" /* its store is one a source file: the test's */
#include "unit/pop3/speaker.h"

#define LOGIN     "USER ann@example.org\r\nPASS open sesame\r\n"
#define GREETING  "+OK mail.example.org POP3 ready\r\n"
#define NAME_OK   "+OK Now the password\r\n"
#define BYE       "+OK mail.example.org POP3 signing off\r\n"
#define LEFT(n)   "+OK mail.example.org POP3 signing off (" #n " messages left)\r\n"
#define WRONG     "-ERR [AUTH] Wrong name or password\r\n"
#define LOGGED(n) "+OK Maildrop has " n "\r\n"

struct dialog {
    struct slice input;
    size_t piece;        /* bytes a read gives; 0: all */
    bool stay;           /* the client does not close when all is said */
    const char *address; /* of the client; NULL: 192.0.2.1 */
    /* Before the second read: with pieces as long as LOGIN, after login. Reactor, no task. */
    void (*after_first)(void);
    /* out */
    unsigned reads;
    struct buffer output;
    struct conn *conn;
    struct event ended;
};

extern struct pop3_service dialog_service;

/* A store with the account; messages are appended with fixture_append. */
static inline void dialog_open_store(void)
{
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    dialog_service.store = fixture_store;
}
/* Starts a connection. */
void dialog_start(struct dialog *d);
/* Until the connection is gone. */
void dialog_wait(struct dialog *d);
void dialog_finish(struct dialog *d);
/* The output holds so much, or CHECK fails after 10 s. */
void dialog_expect(struct dialog *d, size_t n);
/* All of it, with the input in pieces of several sizes: the output must be `want` each time. */
void dialog_talk(const char *input, const char *want);
/* Once, all at once. */
void dialog_say(struct slice input, const char *want);
/* Messages in the INBOX. */
size_t dialog_messages(void);
