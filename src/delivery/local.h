/* Local delivery: from a message and its accounts to their mailboxes, durable when it returns.
 *
 * plan() is pure and decides; apply() runs inside the store's mutation and does. One blob serves
 * all recipients. */
#pragma once
#include "base/outcome.h"
#include "mailbox/mailbox.h"
#include "mailbox/sent.h"
#include "queue/queue.h"
#include "store/engine.h"

#define DELIVERY_ACCOUNTS_MAX (STORE_INTENT_MAX - 2) /* queue and writer beside them */

/* What is to happen with a message for one account. */
struct delivery_plan {
    uint32_t mailbox;
    uint8_t flags;
};

struct delivery_recipient {
    uint64_t account;
    /* out */
    enum outcome outcome; /* REFUSED: the account is gone */
    uint32_t uid, uidvalidity;
};

struct delivery_message {
    struct slice head;       /* trace headers, before the body; at most 64 KiB */
    struct spool *body;      /* complete */
    int64_t now;             /* wall, us: becomes INTERNALDATE */
    struct slice rendered;   /* for mailbox_append; may be empty */
    struct queue_new *queue; /* recipients elsewhere, in the same intent, linked by next; NULL:
                                none. Blob and size are set here */
    /* Recipients to be counted for the account that writes, in the same intent; NULL: none. Over
     * its limits: FAILED. */
    struct sent_add *sent;
    uint64_t sender;
    /* out */
    store_blob_id blob;
    uint64_t size;
};

/* Without rules of the account's own, mail goes to INBOX, unseen. */
void delivery_plan(const struct delivery_message *m, uint64_t account, struct delivery_plan *plan);

/* Accounts are distinct, up to DELIVERY_ACCOUNTS_MAX of them; none only when there is a queue.
 * DONE: durable in every mailbox whose account still exists, and in the queue. REFUSED: no account
 * exists any more. FAILED: nothing was stored anywhere (the queue is full, among others); UNKNOWN:
 * it may have been. A quota is never asked here: that was decided at RCPT. */
TASK_FN
enum outcome delivery_local(struct store *s, struct delivery_message *m,
    struct delivery_recipient *recipients, size_t n, deadline until);
