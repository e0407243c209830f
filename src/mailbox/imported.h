/* Messages that came by import, and their exactly-once: what was imported is remembered under an
 * identity that its source gives it, in the mutation that appends it. So an import that was cut off
 * anywhere can be said again and doubles nothing.
 *
 * A row is about 40 bytes and lives for a year from its import (imported_prune, at the start of
 * each import), or until the account is removed; what its owner does with the message meanwhile
 * does not matter: a message that was deleted does not come back. */
#pragma once
#include "mailbox/mailbox.h"

#define IMPORTED_ID    16
#define IMPORTED_ASK   128 /* identities in one read */
#define IMPORTED_KEPT  ((int64_t)365 * 24 * 60 * 60)
#define IMPORTED_ROW   13
#define IMPORTED_WORDS MAILBOX_KEYWORDS

enum imported {
    IMPORTED_KEPT_NOW,
    IMPORTED_ALREADY,
    IMPORTED_OVER_QUOTA,
    IMPORTED_GONE,    /* the account or the mailbox has been removed */
    IMPORTED_FAILED,  /* not now: a later attempt may succeed */
    IMPORTED_UNKNOWN, /* the store has failed; said again, the import finds out */
};

struct imported_message {
    uint8_t id[IMPORTED_ID];
    uint64_t account;
    uint32_t mailbox;
    struct spool *body; /* complete; stays the caller's */
    uint64_t quota;     /* bytes of the account; 0: none */
    uint8_t flags;
    const struct slice *keywords; /* names; made where missing */
    size_t keyword_n;             /* at most IMPORTED_WORDS */
    int64_t date;                 /* INTERNALDATE, wall s */
    int16_t zone;
    struct slice rendered; /* for mailbox_append; may be empty */
    /* out */
    uint32_t uid;
    bool keywords_lost; /* no room for a name of the mailbox */
};

/* Durable on KEPT_NOW. */
TASK_FN
enum imported imported_add(struct store *s, struct imported_message *m, deadline until);
/* Which of n <= IMPORTED_ASK identities are remembered. */
TASK_FN
enum outcome imported_ask(struct store *s, uint64_t account, const uint8_t (*ids)[IMPORTED_ID],
    size_t n, bool *found, deadline until);
/* The mailbox of this (normalised) name, made with its parents where missing. REFUSED: too many
 * mailboxes, or the account is removed. */
TASK_FN
enum outcome imported_mailbox(
    struct store *s, uint64_t account, struct slice name, uint32_t *id, deadline until);
/* Forgets what was imported before `before` (wall, s). */
TASK_FN
enum outcome imported_prune(struct store *s, uint64_t account, int64_t before, deadline until);
/* May this be the name of a keyword: an atom (RFC 9051 §9) of at most 255 bytes? */
bool imported_keyword_valid(struct slice name);
/* Is this a row of ours? For verify. */
bool imported_row_valid(struct slice key, struct slice row);
