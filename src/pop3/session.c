/* TRANSACTION (RFC 1939 §5): a mail session over a frozen list of the INBOX. */
#include "pop3/session_private.h"
#include <stdlib.h>

METRIC(active, METRIC_GAUGE, "barid_pop3_maildrops", "", "POP3 sessions that are logged in")

static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct pop3_session *s = conn_session(c);
    s->talk.conn = c;
    return pop3_talk_feed(&s->talk, in, eof, POP3_LINE, used);
}

static void complete(struct pop3_session *s)
{
    if (!lease_begin(&s->lease)) {
        pop3_talk_error(&s->talk, POP3_CODE_IN_USE,
            "Another session of yours has taken the maildrop over; nothing was deleted");
        conn_close(s->talk.conn);
        return;
    }
    if (pop3_talk_line(&s->talk))
        pop3_dispatch_after(s);
    lease_idle(&s->lease);
}

static void run(struct conn *c, enum conn_event event)
{
    struct pop3_session *s = conn_session(c);
    s->talk.conn = c;
    switch (event) {
    case CONN_COMPLETE:
        complete(s);
        break;
    case CONN_DRAINING:
        pop3_talk_error(
            &s->talk, POP3_CODE_SYS_TEMP, "The server ends this connection; nothing was deleted");
        break;
    case CONN_TIMED_OUT: /* RFC 1939 §3: without a response */
    case CONN_OPENED:
    case CONN_SECURED:
    case CONN_WOKEN:
        break;
    }
}

static void destroy(struct pop3_session *s)
{
    lease_release(&s->lease);
    auth_place_give(&s->place);
    mailbox_listing_finish(&s->list);
    free(s);
}

static void closed(struct conn *c, enum conn_end why)
{
    struct pop3_session *s = conn_session(c);
    s->talk.conn = c;
    pop3_journal_closed(s, why);
    metric_add(&active, -1);
    destroy(s);
}

static const struct conn_handler handler = {
    .protocol = "pop3",
    .input_max = POP3_INPUT,
    .class = TASK_NORMAL,
    .feed = feed,
    .run = run,
    .closed = closed,
};

/* ---- login ---- */

static struct pop3_session *create(const struct pop3_handover *h)
{
    struct pop3_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->talk = (struct pop3_talk){.service = h->service, .conn = h->conn, .bad_max = POP3_BAD};
    s->account = h->account;
    slice_to_cstr(h->address, s->address, sizeof s->address);
    return s;
}

/* RFC 2449 §8.1.2: the credentials are right, but the maildrop is not to be had. */
static bool acquire(struct pop3_session *s, struct pop3_reply *r)
{
    unsigned max = s->talk.service->connections_per_account;
    struct slice address = slice_str(conn_peer(s->talk.conn)->address);
    if (!auth_place_take(&s->place, s->account, max)) {
        pop3_reply_error(r, POP3_CODE_IN_USE, "Too many connections of this account");
        return false;
    }
    if (!lease_take(&s->lease, s->account, address)) {
        pop3_reply_error(r, POP3_CODE_IN_USE, "Another session has this maildrop open");
        return false;
    }
    return true;
}

static void note_octets(struct pop3_session *s)
{
    s->left = s->list.n;
    for (size_t i = 0; i < s->list.n; i++) {
        s->octets += s->list.entries[i].size;
        s->list.entries[i].flags &= (uint8_t)~POP3_MARKED;
        if (i % MAILBOX_BATCH == MAILBOX_BATCH - 1)
            task_yield();
    }
}

static bool load(struct pop3_session *s, struct pop3_reply *r)
{
    struct store *store = s->talk.service->store;
    enum outcome o = mailbox_open_account(store, s->account, pop3_soon());
    if (o == OUTCOME_DONE)
        o = mailbox_list_messages(store, s->account, MAILBOX_INBOX, &s->list, pop3_soon());
    if (o == OUTCOME_DONE) {
        note_octets(s);
        return true;
    }
    pop3_journal_fault(s, "maildrop cannot be opened", 0);
    if (o == OUTCOME_REFUSED)
        pop3_reply_error(r, POP3_CODE_SYS_PERM, "This account has no maildrop");
    else
        pop3_reply_error(r, POP3_CODE_SYS_TEMP, "Cannot open the maildrop, try again later");
    return false;
}

struct pop3_session *pop3_session_open(const struct pop3_handover *h, struct pop3_reply *r)
{
    struct pop3_session *s = create(h);
    int64_t timeout = h->service->timeout;
    if (!s) {
        pop3_reply_error(r, POP3_CODE_SYS_TEMP, "Out of memory, try again later");
        return NULL;
    }
    if (!acquire(s, r) || !load(s, r)) {
        destroy(s);
        return NULL;
    }
    pop3_reply_ok(
        r, "Maildrop has %zu messages (%llu octets)", s->left, (unsigned long long)s->octets);
    conn_set_handler(h->conn, &handler, s);
    conn_set_account(h->conn, s->address);
    conn_set_timeout(h->conn, timeout ? timeout : 600 * CLOCK_SEC);
    lease_idle(&s->lease);
    metric_add(&active, 1);
    pop3_journal_opened(s);
    return s;
}
