/* Messages from elsewhere: appended, copied, moved.
 *
 * COPY is all or nothing (RFC 9051 §6.4.7). Up to MAILBOX_BATCH messages are one mutation. More go
 * in batches under a journal row that tells what was copied so far; when a batch fails, and when
 * an earlier process died in between (mailbox_sweep), those are expunged again. MOVE is a sequence
 * of batches, each of which moves its messages in one mutation: a message is always in exactly one
 * mailbox. */
#pragma once
#include "mailbox/tree.h"
#include "store/spool.h"

/* ---- append ---- */

struct mailbox_new {
    uint32_t mailbox;
    struct slice head;  /* before the body; may be empty */
    struct spool *body; /* complete; stays the caller's */
    uint8_t flags;
    const struct slice *keywords; /* names; made where missing */
    size_t keyword_n;             /* at most MAILBOX_KEYWORDS */
    int64_t date;                 /* INTERNALDATE, wall s */
    int16_t zone;
    uint64_t quota;        /* bytes of the account; 0: none */
    struct slice rendered; /* may be empty */
    /* out */
    uint32_t uid, uidvalidity;
    uint64_t modseq;
    enum mailbox_refusal refusal;
};
/* Durable when DONE. REFUSED: refusal says why; a keyword that finds no room is left out. */
TASK_FN
enum outcome mailbox_add(struct store *s, uint64_t account, struct mailbox_new *m, deadline until);

/* ---- copy and move ---- */

struct mailbox_copied {
    uint32_t from, to; /* UIDs */
};
struct mailbox_transfer {
    uint32_t from, to;    /* mailboxes; the same one is allowed for a copy, and for a move */
    const uint32_t *uids; /* ascending, any number; absent ones are passed over (unless `whole`),
                             and what comes into the mailbox behind the start */
    size_t n;
    bool move;
    bool whole;     /* of a copy: an absent message refuses it */
    uint64_t quota; /* for copies; bytes of the account, 0: none */
    /* out */
    struct mailbox_copied *pairs; /* room for n, the caller's; in order of `from`; `to` ascends */
    size_t copied;
    uint32_t uidvalidity; /* of `to` */
    uint64_t modseq;      /* move: of the last expunge; 0: none */
    enum mailbox_refusal refusal;
};
/* After a move that was not DONE, `copied` tells how many are surely at their new place. A copy
 * that was REFUSED or FAILED leaves nothing (mailbox_sweep, when it cannot be undone at once); one
 * that is UNKNOWN has left all or nothing. Flags, keywords (by name, while there is room),
 * INTERNALDATE, blob and THREADID go along, with a move the rendering too; SAVEDATE is now.
 * REFUSED: ABSENT is `to`; GONE is `from`, or the account; MISSING a message of `whole`; QUOTA;
 * LIMIT: the UIDs of `to` are used up. */
TASK_FN
enum outcome mailbox_transfer(
    struct store *s, uint64_t account, struct mailbox_transfer *t, deadline until);

/* ---- the cache of renderings ---- */

#define MAILBOX_RENDERINGS 64 /* in one mailbox_keep_rendered */

struct mailbox_rendering {
    uint32_t uid;
    struct slice row;
};
/* Keeps renderings of messages that are still there; what is empty or over MAILBOX_RENDERED_MAX is
 * passed over. REFUSED: no such mailbox. */
TASK_FN
enum outcome mailbox_keep_rendered(struct store *s, uint64_t account, uint32_t mailbox,
    const struct mailbox_rendering *list, size_t n, deadline until);
