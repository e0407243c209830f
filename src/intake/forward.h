/* Addresses elsewhere that an alias names: what it sends on of a message under way. Each alias of a
 * transaction has an envelope of its own; all go into the queue with the local copies, in the same
 * intent. Nothing here is touched by mail that stays. */
#pragma once
#include "intake/outgoing.h"
#include "intake/session_private.h"

/* Of one transaction. */
#define INTAKE_FORWARDS_MAX 100

struct intake_forward {
    struct intake_outgoing out;            /* sender: an address of ours, or <> */
    char alias[DIRECTORY_ADDRESS_MAX + 1]; /* as it was written to: canonical */
    struct slice written;                  /* quoted where needed */
    bool utf8;                             /* that needs SMTPUTF8 */
    bool loop;                             /* the message has come by this alias before */
};

/* An address that leads elsewhere. *index: its place in t->forwards. False: *reply. */
bool intake_forward_add(struct intake_session *t, const struct smtp_path *recipient,
    const struct directory_resolution *r, uint32_t *index, struct smtp_reply *reply);
/* Forgets those from `from` on. */
void intake_forward_drop(struct intake_session *t, uint32_t from);
/* The message is complete: which aliases has it come by before? False: there is nobody else, and
 * *reply says that it is a loop. */
TASK_FN
bool intake_forward_judge(struct intake_session *t, struct smtp_reply *reply);
/* What is to be queued: linked, `list` has room for each; NULL: nothing. */
struct queue_new *intake_forward_queue(
    struct intake_session *t, int64_t now, struct queue_new *list);
