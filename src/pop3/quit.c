/* QUIT and the UPDATE state (RFC 1939 §6). */
#include "pop3/session_private.h"
#include <stdlib.h>

void pop3_quit_before(struct pop3_preauth *s, const struct pop3_command *c)
{
    pop3_talk_ok(&s->talk, "%s POP3 signing off", s->talk.service->hostname);
    conn_close(s->talk.conn);
}

/* Expunges what is marked, a batch at a time; stops at the first that is not done. */
TASK_FN
static enum outcome expunge(struct pop3_session *s)
{
    enum outcome o = OUTCOME_DONE;
    struct store *store = s->talk.service->store;
    uint32_t *uids = malloc(MAILBOX_BATCH * sizeof *uids);
    size_t n = 0;
    if (!uids)
        return OUTCOME_FAILED;
    for (size_t i = 0; i < s->list.n && o == OUTCOME_DONE; i++) {
        if (s->list.entries[i].flags & POP3_MARKED)
            uids[n++] = s->list.entries[i].uid;
        if (n == MAILBOX_BATCH || (n && i + 1 == s->list.n)) {
            o = mailbox_expunge_all(store, s->account, MAILBOX_INBOX, uids, n, pop3_soon());
            s->deleted += o == OUTCOME_DONE ? n : 0;
            n = 0;
        }
        if (i % MAILBOX_BATCH == MAILBOX_BATCH - 1)
            task_yield();
    }
    free(uids);
    return o;
}

/* The lease ends before the reply leaves, so that whoever has read it finds the maildrop free. */
void pop3_quit_update(struct pop3_session *s, const struct pop3_command *c)
{
    size_t marked = s->list.n - s->left;
    enum outcome o = marked ? expunge(s) : OUTCOME_DONE;
    pop3_journal_update(s, marked, o);
    lease_release(&s->lease);
    switch (o) {
    case OUTCOME_DONE:
        pop3_talk_ok(&s->talk, "%s POP3 signing off (%zu messages left)", s->talk.service->hostname,
            s->left);
        break;
    case OUTCOME_REFUSED:
        pop3_talk_error(&s->talk, POP3_CODE_SYS_PERM, "Some deleted messages not removed");
        break;
    case OUTCOME_FAILED:
        pop3_talk_error(&s->talk, POP3_CODE_SYS_TEMP, "Some deleted messages not removed");
        break;
    case OUTCOME_UNKNOWN: /* neither reply would be true */
        break;
    }
    conn_close(s->talk.conn);
}
