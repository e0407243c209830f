/* Mail semantics over the store: everything of an account lives in its one partition
 * (store/keyspace.h).
 *
 * Functions that take a view only read; they work in store_read and inside mutations. Functions
 * that take a transaction are called from a pure store_mutate_fn: time and randomness come in
 * through their arguments. What a mutation changes it also counts, in the same write set: mailbox
 * row, account header, UID map, change log.
 *
 * MODSEQ: one counter an account, assigned inside the mutation. UIDVALIDITY: max(now, last + 1),
 * never reused. A missing account header means an account that nobody has used yet: mutations make
 * the default mailboxes first. */
#pragma once
#include "base/outcome.h"
#include "base/slice.h"
#include "store/engine.h"

#define MAILBOX_NAME_MAX     400
#define MAILBOX_LEVEL_MAX    255
#define MAILBOX_SEPARATOR    '/'
#define MAILBOX_INBOX        UINT32_C(1) /* the INBOX of every account has this id */
#define MAILBOX_COUNT_MAX    100000      /* mailboxes an account */
#define MAILBOX_BATCH        1000        /* messages in one mutation or one read */
#define MAILBOX_RENDERED_MAX 1900
/* So many arriving messages a reactor renders in so long; the rest is left to the first reader. */
#define MAILBOX_RENDERS    50
#define MAILBOX_RENDERS_IN (100 * CLOCK_MS)
#define MAILBOX_KEYWORDS   64

enum mailbox_flag {
    MAILBOX_SEEN = 1,
    MAILBOX_ANSWERED = 2,
    MAILBOX_FLAGGED = 4,
    MAILBOX_DELETED = 8,
    MAILBOX_DRAFT = 16,
};

/* RFC 6154 §2 */
enum mailbox_special {
    MAILBOX_PLAIN,
    MAILBOX_DRAFTS,
    MAILBOX_SENT,
    MAILBOX_JUNK,
    MAILBOX_TRASH,
    MAILBOX_ARCHIVE,
    MAILBOX_SPECIALS
};
/* "\\Drafts" ...; NULL for PLAIN. */
const char *mailbox_special_name(enum mailbox_special special);

struct mailbox_account {
    uint64_t modseq;      /* the highest that was assigned */
    uint32_t uidvalidity; /* the last that was given out */
    uint32_t next_mailbox;
    uint64_t bytes, messages; /* of all mailboxes: what the quota counts */
    uint32_t mailboxes, subscriptions;
    uint32_t special[MAILBOX_SPECIALS]; /* the mailbox of each special use; 0: none */
    bool removed;                       /* tombstone: nothing may be written any more */
};

struct mailbox {
    uint32_t id;
    uint32_t uidvalidity, uidnext;
    uint64_t highestmodseq;
    uint32_t recent_from; /* UIDs from here on are \Recent */
    uint64_t log_from;    /* the expunge log is whole for who knows a MODSEQ >= this one */
    uint32_t log_ranges;  /* of UIDs, in all rows of the expunge log */
    uint32_t messages, unseen;
    uint64_t bytes;
    int64_t created; /* wall, s */
    enum mailbox_special special;
    uint16_t name_n;
    char name[MAILBOX_NAME_MAX];
};

struct mailbox_message {
    uint32_t uid;
    uint8_t flags;
    int16_t zone; /* of date, minutes east */
    uint64_t keywords;
    uint64_t modseq;
    int64_t date;  /* INTERNALDATE: wall, s */
    int64_t saved; /* SAVEDATE (RFC 8514): wall, s */
    uint64_t size;
    store_blob_id blob; /* EMAILID too: same bytes, same id */
    uint64_t thread;    /* THREADID; 0: its own */
};

static inline struct slice mailbox_name(const struct mailbox *m)
{
    return slice(m->name, m->name_n);
}
store_partition mailbox_partition(uint64_t account);

/* ---- names ---- */

/* Valid UTF-8 without controls, levels of 1 to 255 bytes, 400 in all. INBOX (any case, also as
 * first level) becomes "INBOX". False: why is a short text for the client. */
bool mailbox_name_normalise(
    struct slice name, char out[MAILBOX_NAME_MAX], size_t *n, const char **why);

/* ---- reading ---- */

/* False: the account has never been used (or its row is broken: then the view is). */
bool mailbox_read_account(struct store_view *v, struct mailbox_account *a);
bool mailbox_read(struct store_view *v, uint32_t id, struct mailbox *m);
/* 0: no mailbox of this (normalised) name. */
uint32_t mailbox_find(struct store_view *v, struct slice name);
bool mailbox_read_message(
    struct store_view *v, uint32_t mailbox, uint32_t uid, struct mailbox_message *m);
/* The cached rendering; false: none. */
bool mailbox_read_rendered(
    struct store_view *v, uint32_t mailbox, uint32_t uid, struct slice *rendered);
/* All of a mailbox that there are, in order of UID. */
void mailbox_seek_rendered(
    struct store_view *v, uint32_t mailbox, uint32_t from, struct store_cursor *c);
bool mailbox_next_rendered(
    struct store_cursor *c, uint32_t mailbox, uint32_t *uid, struct slice *rendered);
/* Starts at the first mailbox with an id >= from. */
void mailbox_seek(struct store_view *v, uint32_t from, struct store_cursor *c);
bool mailbox_next(struct store_cursor *c, struct mailbox *m);
/* Starts at the first message with a UID >= from. */
void mailbox_seek_message(
    struct store_view *v, uint32_t mailbox, uint32_t from, struct store_cursor *c);
bool mailbox_next_message(struct store_cursor *c, uint32_t mailbox, struct mailbox_message *m);
/* UIDs whose message changed (or came) behind `since`, in order of MODSEQ. */
void mailbox_seek_changed(
    struct store_view *v, uint32_t mailbox, uint64_t since, struct store_cursor *c);
bool mailbox_next_changed(
    struct store_cursor *c, uint32_t mailbox, uint64_t *modseq, uint32_t *uid);

struct mailbox_uids {
    uint32_t first, last;
};
#define MAILBOX_EXPUNGED_RANGES 128
/* UIDs expunged behind `since`, in order of MODSEQ, so many ranges at a time. */
void mailbox_seek_expunged(
    struct store_view *v, uint32_t mailbox, uint64_t since, struct store_cursor *c);
bool mailbox_next_expunged(struct store_cursor *c, uint32_t mailbox, uint64_t *modseq,
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES], size_t *n);

/* ---- changing: inside a store_mutate_fn; DONE, REFUSED or FAILED (a broken row) ---- */

/* Makes header and default mailboxes when there are none. REFUSED: the account is removed. now:
 * wall, s. */
enum outcome mailbox_ensure(struct store_txn *t, int64_t now, struct mailbox_account *a);

struct mailbox_append {
    uint32_t mailbox;
    store_blob_id blob;
    uint64_t size;
    uint8_t flags;
    uint64_t keywords;
    int64_t date;
    int16_t zone;
    int64_t now;
    uint64_t thread;
    struct slice rendered; /* empty, or over MAILBOX_RENDERED_MAX: none is kept */
    /* out */
    uint32_t uid, uidvalidity;
    uint64_t modseq;
};
/* Retains the blob. REFUSED: no such mailbox, account removed, UIDs used up. */
enum outcome mailbox_append(struct store_txn *t, struct mailbox_append *a);

struct mailbox_expunge {
    uint32_t mailbox;
    const uint32_t *uids; /* ascending, at most MAILBOX_BATCH; absent ones are passed over */
    size_t n;
    bool only_deleted; /* only those with \Deleted */
    int64_t now;
    /* out */
    uint64_t modseq; /* of this change; the mailbox's present one when nothing was expunged */
    uint32_t expunged;
};
enum outcome mailbox_expunge(struct store_txn *t, struct mailbox_expunge *e);

enum mailbox_flag_change { MAILBOX_FLAGS_ADD, MAILBOX_FLAGS_REMOVE, MAILBOX_FLAGS_REPLACE };
struct mailbox_flags {
    uint32_t mailbox;
    const uint32_t *uids; /* as above */
    size_t n;
    enum mailbox_flag_change change;
    uint8_t flags;
    uint64_t keywords;
    uint64_t unchanged_since; /* RFC 7162 §3.1.3; UINT64_MAX: no condition */
    /* out */
    uint64_t modseq;
    uint32_t changed;
    uint32_t *modified; /* NULL, or room for n UIDs that failed the condition */
    size_t modified_n;
};
enum outcome mailbox_flags(struct store_txn *t, struct mailbox_flags *f);

/* name is normalised. REFUSED: it exists, or there are too many. Parents are not made. The mailbox
 * that had the special use loses it. */
enum outcome mailbox_create(struct store_txn *t, struct slice name, enum mailbox_special special,
    int64_t now, uint32_t *id);
/* The bit of a keyword; make: give it one. -1: not known, or all 64 are taken. Case is ignored and
 * kept. */
int mailbox_keyword(struct store_txn *t, uint32_t mailbox, struct slice name, bool make);
/* As above without making. */
int mailbox_find_keyword(struct store_view *v, uint32_t mailbox, struct slice name);

/* ---- awaited ---- */

/* Makes the default mailboxes of a new account, subscribed; else mailbox_sweep where a crash or a
 * removal left something. */
TASK_FN
enum outcome mailbox_open_account(struct store *s, uint64_t account, deadline until);

struct mailbox_entry {
    uint32_t uid;
    uint8_t flags;
    uint64_t size;
    store_blob_id blob;
};
struct mailbox_listing {
    struct mailbox mailbox; /* as it was when the listing began */
    struct mailbox_entry *entries;
    size_t n;
};
/* The messages of a mailbox, by UID, read in batches; what is appended meanwhile is left out.
 * REFUSED: no such mailbox. FAILED: also when the memory budget does not allow it. Free with
 * mailbox_listing_finish. */
TASK_FN
enum outcome mailbox_list_messages(
    struct store *s, uint64_t account, uint32_t mailbox, struct mailbox_listing *l, deadline until);
void mailbox_listing_finish(struct mailbox_listing *l);
/* Expunges any number of UIDs (ascending) in batches; stops at the first that is not DONE. */
TASK_FN
enum outcome mailbox_expunge_all(struct store *s, uint64_t account, uint32_t mailbox,
    const uint32_t *uids, size_t n, deadline until);
/* Sets \Seen without waiting (implicit \Seen of RETR and FETCH). */
void mailbox_post_seen(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uid);
/* The same for n runs of UIDs, ascending, n at most MAILBOX_SEEN_RUNS, of at most MAILBOX_SEEN_EACH
 * UIDs each. */
#define MAILBOX_SEEN_RUNS 24
#define MAILBOX_SEEN_EACH 256
void mailbox_post_seen_runs(struct store *s, uint64_t account, uint32_t mailbox,
    const struct mailbox_uids *runs, uint32_t n);
/* Empties the partition of a removed account, releases its blobs and leaves a tombstone.
 * Idempotent. */
TASK_FN
enum outcome mailbox_purge(struct store *s, uint64_t account, deadline until);
