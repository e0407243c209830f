/* Quick resynchronisation at SELECT (RFC 7162 §3.2.5). */
#pragma once
#include "imap/arguments.h"
#include "imap/session_private.h"

/* After the untagged responses of SELECT: VANISHED (EARLIER), then FETCH of what changed behind the
 * client's MODSEQ. False: the connection is ending, or c says NO. */
TASK_FN
bool resync_tell(struct imap_session *s, struct imap_command *c, struct imap_select_arguments *a);
/* The UID up to which numbers and UIDs of the client fit the view: it knows of all expunges below
 * (RFC 7162 §3.2.5.2). The sets may have different ranges; 0: not even the first pair fits. */
uint32_t resync_match(
    const struct view *v, const struct imap_set *numbers, const struct imap_set *uids);
