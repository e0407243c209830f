/* Lines of VANISHED, as UIDs come in (RFC 7162 §3.2.10). */
#pragma once
#include "imap/session_private.h"

struct vanished {
    struct imap_session *session;
    bool earlier, ok; /* ok: the connection is not ending */
    bool open;        /* a line was begun */
    size_t line;      /* where */
    struct mailbox_uids run;
    struct buffer out;
};

void vanished_start(struct vanished *w, struct imap_session *s, bool earlier);
/* Ascending within a line; what comes below the last one begins a new one. */
TASK_FN
void vanished_add(struct vanished *w, uint32_t first, uint32_t last);
/* Ends the line. Returns ok. */
TASK_FN
bool vanished_finish(struct vanished *w);
