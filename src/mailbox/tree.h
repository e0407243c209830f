/* The tree of mailboxes: rename, delete, subscribe, walk by name; and who may do what.
 *
 * Names are normalised (mailbox_name_normalise). A level that has no mailbox of its own, but one
 * below it, is no mailbox: LIST shows it as \NonExistent. Subscriptions are kept by name: DELETE
 * leaves them (RFC 9051 §6.3.7), RENAME takes them along. */
#pragma once
#include "mailbox/mailbox.h"

/* What may be done with a mailbox; letters of RFC 4314 §2.1. */
enum mailbox_right {
    MAILBOX_RIGHT_LOOKUP = 1,    /* l */
    MAILBOX_RIGHT_READ = 2,      /* r */
    MAILBOX_RIGHT_SEEN = 4,      /* s: \Seen */
    MAILBOX_RIGHT_WRITE = 8,     /* w: flags but \Seen and \Deleted */
    MAILBOX_RIGHT_INSERT = 16,   /* i: APPEND, COPY into */
    MAILBOX_RIGHT_CREATE = 32,   /* k: below it, or this name */
    MAILBOX_RIGHT_DELETE = 64,   /* x: the mailbox itself; RENAME from */
    MAILBOX_RIGHT_DELETED = 128, /* t: \Deleted */
    MAILBOX_RIGHT_EXPUNGE = 256, /* e */
    MAILBOX_RIGHTS_ALL = 511,
};

/* The one function that decides: what `actor` may do with the mailbox `name` of the account whose
 * partition v shows. 0: it must look as if there were no such mailbox. An owner may all. */
unsigned mailbox_rights(struct store_view *v, uint64_t owner, uint64_t actor, struct slice name);

/* ---- walking by name, in order of bytes ---- */

struct mailbox_name_row {
    char name[MAILBOX_NAME_MAX];
    uint16_t name_n;
    uint32_t id; /* 0: subscribed, but no mailbox */
    bool subscribed;
};
/* Mailboxes and subscriptions together, from the first name >= from. Two cursors of the view are
 * used. */
struct mailbox_walk {
    struct store_cursor names, subscriptions;
    struct mailbox_name_row name, subscription;
    bool has_name, has_subscription;
};
void mailbox_walk_start(struct store_view *v, struct slice from, struct mailbox_walk *w);
bool mailbox_walk_next(struct mailbox_walk *w, struct mailbox_name_row *row);
/* Is there a mailbox below this name? */
bool mailbox_has_children(struct store_view *v, struct slice name);
/* The mailbox with this special use; 0: none. */
uint32_t mailbox_find_special(struct store_view *v, enum mailbox_special special);

/* ---- changing: inside a store_mutate_fn ---- */

enum mailbox_refusal {
    MAILBOX_REFUSED_NOT,
    MAILBOX_REFUSED_ABSENT,  /* NO [NONEXISTENT] */
    MAILBOX_REFUSED_EXISTS,  /* NO [ALREADYEXISTS] */
    MAILBOX_REFUSED_INBOX,   /* NO [CANNOT]: INBOX cannot be deleted, nor renamed here */
    MAILBOX_REFUSED_NAME,    /* a name would become too long, or lie below itself: NO [CANNOT] */
    MAILBOX_REFUSED_LIMIT,   /* too many mailboxes or keywords: NO [LIMIT] */
    MAILBOX_REFUSED_QUOTA,   /* NO [OVERQUOTA] */
    MAILBOX_REFUSED_GONE,    /* the account is removed */
    MAILBOX_REFUSED_MISSING, /* a message no longer exists: NO [EXPUNGEISSUED] */
};

struct mailbox_rename {
    struct slice from, to; /* not INBOX */
    int64_t now;
    /* out */
    enum mailbox_refusal refusal; /* when REFUSED */
    uint32_t renamed;             /* mailboxes, with those below */
};
/* With all below it; ids, UIDVALIDITYs and subscriptions stay with them. What does not fit one
 * mutation is refused (LIMIT). INBOX is not renamed:
 * its messages are moved (RFC 9051 §6.3.6). */
enum outcome mailbox_rename(struct store_txn *t, struct mailbox_rename *r);

/* The mailbox is gone from all views and from the quota at once; its rows and blobs go in batches
 * by mailbox_sweep. Mailboxes below it stay. */
struct mailbox_remove {
    struct slice name;
    enum mailbox_refusal refusal; /* out */
};
enum outcome mailbox_remove(struct store_txn *t, struct mailbox_remove *r);

/* A name need not be a mailbox. REFUSED: more than MAILBOX_COUNT_MAX. */
enum outcome mailbox_subscribe(struct store_txn *t, struct slice name, bool on, int64_t now);

/* Changes the use of a mailbox; the one that had it loses it. */
enum outcome mailbox_set_special(
    struct store_txn *t, uint32_t mailbox, enum mailbox_special special);

/* ---- awaited ---- */

/* Finishes what a crash or a removal left: rows of removed mailboxes, copies that were not
 * completed by an earlier process (mailbox/copy.h). Cheap when there is nothing.
 * mailbox_open_account calls it. */
TASK_FN
enum outcome mailbox_sweep(struct store *s, uint64_t account, deadline until);
