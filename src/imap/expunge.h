/* Expunging what has \Deleted, in chunks. */
#pragma once
#include "imap/session_private.h"

struct expunge_run {
    uint64_t modseq; /* of the last change; 0: nothing was expunged */
    uint32_t expunged;
};
/* uids: resolved, NULL: all. The views of all sessions, this one too, learn it at their sync
 * points. When it fails, c says NO; what was done stays. */
TASK_FN
void expunge_deleted(struct imap_session *s, struct imap_command *c, const struct imap_set *uids,
    struct expunge_run *run);
