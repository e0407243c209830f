/* What a session knows of a mailbox when it opens it, and what changed since: all from the UID map
 * and the logs, no message rows are scanned. For store_read: what goes on in a next call is told
 * apart from where this one began, so that the function may run again. */
#pragma once
#include "mailbox/mailbox.h"

#define UIDS_GROUPS_MAX 1024 /* rows of the UID map, or of the expunge log, in one call */

struct mailbox_uid_read {
    uint32_t mailbox;
    uint32_t from;               /* UID; 1 at first */
    struct mailbox_uids *ranges; /* out: existing UIDs, ascending, not touching */
    size_t room;                 /* at least 2 */
    size_t n;
    uint32_t next; /* out: go on from here; 0: that was all. The last range of one call and the
                      first of the next may touch. */
};
/* False: a broken row. */
bool mailbox_read_uids(struct store_view *v, struct mailbox_uid_read *r);
/* The lowest unseen UID >= from; 0: none. False: a broken row. */
bool mailbox_first_unseen(
    struct store_view *v, uint32_t mailbox, uint32_t from, uint32_t uidnext, uint32_t *uid);
/* For each bit its name (p NULL: free); slices into the view. False: a broken row. */
bool mailbox_read_keywords(
    struct store_view *v, uint32_t mailbox, struct slice names[MAILBOX_KEYWORDS]);

/* Where mailbox_read_vanished goes on. All zero at first. */
struct mailbox_vanished_at {
    bool complement; /* by UIDs that do not exist; else by the log */
    uint64_t modseq; /* the row of the log */
    uint32_t uid;
};
/* Which of the UIDs that a client knows were expunged behind `since` (RFC 7162 §3.2.5, §3.2.6).
 * From the log where it reaches back so far: exactly those, ascending within one change, changes
 * in their order. Else all known UIDs below UIDNEXT that do not exist, ascending; when the log was
 * pruned between two calls these may come behind what it gave. A session whose view still holds a
 * UID leaves it out: it tells it at its next sync point. */
struct mailbox_vanished {
    uint32_t mailbox;
    uint64_t since;
    const struct mailbox_uids *known; /* ascending, not overlapping */
    size_t known_n;
    struct mailbox_vanished_at from;
    struct mailbox_uids *ranges; /* out */
    size_t room;                 /* at least 1 */
    size_t n;
    bool more; /* out: call again with from = next */
    struct mailbox_vanished_at next;
};
/* False: no such mailbox, or a broken row. */
bool mailbox_read_vanished(struct store_view *v, struct mailbox_vanished *r);

/* Every message so far is no longer \Recent for others. Not awaited. */
void mailbox_post_recent(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uidnext);
