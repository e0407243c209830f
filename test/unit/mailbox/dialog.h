/* Whole connections of a protocol over memory streams and a memory store in harsh mode. Everything
 * here runs on a task. The protocol's own dialog.c says who accepts. */
#pragma once
#include "base/buffer.h"
#include "net/listen.h"
#include "unit/mailbox/fixture.h" /* its store is one a source file: the test's */

#define ANY "\1" /* in a wanted output: any bytes up to the next one wanted, within the line */

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

/* The protocol's: sets the listener's name, handler and session. */
void dialog_accept(struct conn_options *options);
void dialog_serve(struct store *store);

/* A store with the account; messages are appended with fixture_append. */
static inline void dialog_open_store(void)
{
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    dialog_serve(fixture_store);
}
/* Starts a connection. */
void dialog_start(struct dialog *d);
/* Until the connection is gone. */
void dialog_wait(struct dialog *d);
void dialog_finish(struct dialog *d);
/* The output holds so much, or CHECK fails after 60 s. */
void dialog_expect(struct dialog *d, size_t n);
/* All of it, with the input in pieces of several sizes: the output must be `want` each time. */
void dialog_talk(const char *input, const char *want);
/* Once, all at once. */
void dialog_say(struct slice input, const char *want);
/* Messages in the INBOX of a store. */
size_t dialog_messages(struct store *store);

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
