/* Patterns of LIST and LSUB: * is anything, % anything but the separator (RFC 3501 §6.3.8). No
 * backtracking: the time for one name is at most its length times that of the pattern. */
#pragma once
#include "base/arena.h"
#include "base/slice.h"

struct imap_pattern {
    struct slice text;    /* in the arena; wildcards beside each other are one */
    struct slice literal; /* what stands before the first wildcard */
    bool levels;          /* ends with %: levels that are no mailboxes match too */
};

/* Reference and pattern, one behind the other; INBOX as their first level in any case. False: no
 * name can match (too long, or no room), which is no fault of the command. */
bool imap_pattern_make(
    struct slice reference, struct slice pattern, struct arena *arena, struct imap_pattern *out);
/* name: at most MAILBOX_NAME_MAX bytes. */
bool imap_pattern_match(const struct imap_pattern *p, struct slice name);
