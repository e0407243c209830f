/* What changed in a mailbox behind what a session has told. Pure, for store_read: one version a
 * call, and where the next one goes on.
 *
 * A call gives expunges first; while there are more of them it gives nothing else, then messages
 * that came, likewise, then changed flags. So what a later call gives may rest on what an earlier
 * one gave. */
#pragma once
#include "imap/session_private.h"
#include "mailbox/uids.h"

#define CHANGES_RANGES 500
#define CHANGES_FLAGS  MAILBOX_BATCH
#define CHANGES_NAMES  ((size_t)MAILBOX_KEYWORDS * 256) /* bytes of all names */

/* All up to this one was told: rows of one MODSEQ in order of UID. */
struct changes_mark {
    uint64_t modseq;
    uint32_t uid; /* UINT32_MAX: all of this MODSEQ */
};

/* Names of keywords, copied. */
struct changes_names {
    uint64_t used; /* bits */
    struct slice name[MAILBOX_KEYWORDS];
    char text[CHANGES_NAMES];
};

struct changes {
    uint32_t mailbox, uidvalidity;
    bool expunges, arrivals; /* which are asked for; flags always are */
    uint64_t expunged;       /* every expunge up to this MODSEQ was told */
    struct mailbox_vanished_at vanished;
    uint32_t uidnext;    /* UIDs from here on are arrivals */
    uint32_t new_from;   /* flags of UIDs from here on are no change */
    uint64_t until;      /* flags up to this MODSEQ */
    const uint64_t *own; /* MODSEQs that were told */
    uint32_t own_n;
    struct changes_mark flagged;

    /* out */
    enum changes_found { CHANGES_FOUND, CHANGES_GONE, CHANGES_BROKEN } found;
    uint64_t modseq; /* of the mailbox, in this version */
    struct mailbox_uids gone[CHANGES_RANGES];
    size_t gone_n;
    bool gone_more, waiting; /* waiting: there are expunges that were not asked for */
    struct mailbox_vanished_at vanished_next;
    struct mailbox_uids came[CHANGES_RANGES];
    size_t came_n;
    bool came_more;
    uint32_t uidnext_next;
    struct imap_flags flags[CHANGES_FLAGS];
    size_t flag_n;
    bool flags_more;
    struct changes_mark flagged_next;
    struct changes_names names;
};
void changes_read(struct store_view *v, void *arg); /* arg: struct changes */

bool changes_names(struct store_view *v, uint32_t mailbox, struct changes_names *names);

/* Is there anything at all? The cheapest question. */
struct changes_look {
    uint32_t mailbox, uidvalidity;
    bool found;
    uint64_t modseq;
};
void changes_look(struct store_view *v, void *arg);
