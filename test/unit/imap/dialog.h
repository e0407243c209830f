/* Whole IMAP connections over memory streams and a memory store in harsh mode. Everything here runs
 * on a task. */
#pragma once
#include "base/buffer.h"
#include "imap/imap.h"
#include "net/listen.h"
#include "unit/mailbox/fixture.h" /* its store is one a source file: the test's */
#include "unit/pop3/speaker.h"

#define ANY "\1" /* in a wanted output: any bytes up to the next one wanted, within the line */

#define LOGIN    "0 LOGIN ann@example.org \"open sesame\"\r\n"
#define GREETING "* OK [CAPABILITY IMAP4rev1 " ANY "] mail.example.org barid ready\r\n"
#define LOGGED   "0 OK [CAPABILITY IMAP4rev1 " ANY "] Logged in\r\n"
#define IN       GREETING LOGGED
#define LOGOUT   "z LOGOUT\r\n"
#define BYE      "* BYE Until next time\r\nz OK Logged out\r\n"

struct dialog {
    struct slice input;
    size_t piece;        /* bytes a read gives; 0: all */
    bool stay;           /* the client does not close when all is said */
    size_t room;         /* bytes the client takes before it reads no more; 0: 64 MiB */
    const char *address; /* of the client; NULL: 192.0.2.1 */
    /* Before the second read: with pieces as long as LOGIN, after login. Reactor, no task. */
    void (*after_first)(void);
    /* out */
    unsigned reads;
    struct buffer output;
    struct conn *conn;
    struct event ended;
};

extern struct imap_service dialog_service;

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

/* A test whose body runs on a task with the store open. */
#define DIALOG_TEST(name, around)                                                                  \
    static void name##_body(void);                                                                 \
    static void name##_task(void *arg)                                                             \
    {                                                                                              \
        around(name##_body);                                                                       \
    }                                                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        fixture_run(name##_task);                                                                  \
    }                                                                                              \
    static void name##_body(void)
