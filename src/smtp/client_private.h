/* The client's inside, shared by its files. */
#pragma once
#include "smtp/client.h"

struct smtp_client {
    struct channel *channel;
    struct smtp_client_options options;
    char hello[256];
    struct smtp_offer offer;
    struct smtp_outcome outcome; /* the last that was not OK */
    bool dead;                   /* nothing can be said any more */
    bool dirty;                  /* a transaction was begun and left: RSET before the next */
};

/* The deadline of one wait. */
deadline smtp_client_soon(const struct smtp_client *c, enum smtp_stage stage, deadline until);
/* Notes an outcome in words of ours and gives its answer. The connection is over unless the answer
 * is UNSUPPORTED. */
enum answer smtp_client_fail(struct smtp_client *c, enum answer a, enum smtp_stage stage,
    const char *enhanced, const char *words);
/* The same for a read or write that failed. */
enum answer smtp_client_broken(struct smtp_client *c, enum channel_result r, enum smtp_stage stage);
/* May a command be said now? Not when the server has spoken without being asked, but for 421. */
enum answer smtp_client_ready(struct smtp_client *c, enum smtp_stage stage);
/* Each line of a reply as it came, behind its code. */
typedef void (*smtp_client_each)(void *arg, struct slice text);
/* Reads one reply whatever its code. */
TASK_FN
enum answer smtp_client_reply(struct smtp_client *c, enum smtp_stage stage,
    struct smtp_reply *reply, smtp_client_each each, void *arg, deadline until);
/* What a reply means where one of that class (2, 3) is wanted; noted unless it is OK. */
enum answer smtp_client_judge(
    struct smtp_client *c, enum smtp_stage stage, const struct smtp_reply *reply, unsigned class);
/* Flushes what was put and reads the reply to it. */
TASK_FN
enum answer smtp_client_ask(
    struct smtp_client *c, enum smtp_stage stage, unsigned class, deadline until);
TASK_FN
enum answer smtp_client_flush(struct smtp_client *c, enum smtp_stage stage, deadline until);

/* ---- a transaction ---- */

struct smtp_client_mail {
    struct smtp_client *c;
    const struct smtp_send *message;
    struct smtp_send_recipient *recipients;
    size_t n, accepted;
    deadline until;
};

/* Taken at RCPT, the body not decided yet. */
static inline bool smtp_client_accepted(const struct smtp_send_recipient *r)
{
    return r->outcome.answer == ANSWER_OK && r->outcome.stage == SMTP_AT_RCPT;
}
/* The message behind 354, its end, and what the server says to it: sets the outcome of those that
 * are accepted. */
TASK_FN
enum answer smtp_client_data(struct smtp_client_mail *m);
TASK_FN
enum answer smtp_client_bdat(struct smtp_client_mail *m);
/* The client's last outcome becomes that of all recipients without one of their own. */
enum answer smtp_client_spread(struct smtp_client_mail *m, enum answer a);
