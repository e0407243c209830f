/* What a session knows of a mailbox when it opens it, and what changed since: all from the UID map
 * and the logs, no message rows are scanned. For store_read. */
#pragma once
#include "mailbox/mailbox.h"

struct mailbox_uid_read {
    uint32_t mailbox;
    uint32_t from;               /* UID; 1 at first */
    struct mailbox_uids *ranges; /* out: existing UIDs, ascending, not touching */
    size_t room;                 /* at least 2 */
    size_t n;
    uint32_t next; /* out: go on from here; 0: that was all. The last range of one call and the
                      first of the next may touch. */
};
/* False: a broken row. At most 1,024 groups of the map in one call. */
bool mailbox_read_uids(struct store_view *v, struct mailbox_uid_read *r);
/* The lowest unseen UID >= from; 0: none. False: a broken row. */
bool mailbox_first_unseen(
    struct store_view *v, uint32_t mailbox, uint32_t from, uint32_t uidnext, uint32_t *uid);
/* For each bit its name (p NULL: free); slices into the view. n: MAILBOX_KEYWORDS. */
bool mailbox_read_keywords(
    struct store_view *v, uint32_t mailbox, struct slice names[MAILBOX_KEYWORDS]);
/* Every message so far is no longer \Recent for others. Not awaited. */
void mailbox_post_recent(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uidnext);
