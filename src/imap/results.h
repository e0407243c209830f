/* What SEARCH found: ranges of numbers or of UIDs, and how they are told. */
#pragma once
#include "imap/criteria.h"
#include "imap/session_private.h"

/* Zeroed at first. Memory counts against the process budget. */
struct results {
    struct mailbox_uids *ranges;
    size_t n, room;
    uint32_t count;
    uint64_t first_modseq, last_modseq, modseq; /* of the first, of the last, the highest */
};

/* Ascending. False: out of memory or budget. */
bool results_add(struct results *r, uint32_t number, uint64_t modseq);
void results_finish(struct results *r);
/* "* SEARCH", or "* ESEARCH" when the criteria ask for it (RFC 4731 §3.1, RFC 7162 §3.1.6). */
TASK_FN
void results_tell(const struct results *r, struct imap_session *s, const struct imap_command *c,
    const struct imap_criteria *criteria);
