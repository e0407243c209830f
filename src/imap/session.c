/* Logged in: the mail session (RFC 9051 §3.2, §3.3). */
#include "base/metrics.h"
#include "imap/session_private.h"
#include <stdlib.h>

METRIC(active, METRIC_GAUGE, "barid_imap_sessions", "", "IMAP sessions that are logged in")

/* ---- input ---- */

/* The message of APPEND goes into a spool; while IDLE lasts a literal can only be wrong. */
static bool decide(struct imap_talk *t)
{
    const struct imap_session *s = (const struct imap_session *)t;
    return s->idle || imap_append_begins(t->frame.text);
}

static bool sink(struct imap_talk *t, struct slice bytes)
{
    return imap_append_feed((struct imap_session *)t, bytes);
}

static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    static const struct imap_literals literals = {decide, sink};
    struct imap_session *s = conn_session(c);
    s->talk.conn = c;
    return imap_talk_feed(&s->talk, &literals, in, eof, used);
}

/* True: the command is over already, thrown away. */
TASK_FN
static bool literal(struct imap_session *s)
{
    struct imap_frame *f = &s->talk.frame;
    bool refused = true;
    size_t none;
    if (s->idle) {
        imap_idle_line(s, f->text);
    } else if (imap_append_begin(s, f->text, &refused)) {
        if (f->literal_sync)
            imap_put(&s->talk, S("+ Send the message\r\n"));
        imap_frame_stream(f);
        return false;
    }
    if (refused) {
        imap_frame_refuse(f);
        conn_set_rate(s->talk.conn, 0);
    } else {
        imap_talk_take(&s->talk);
    }
    /* What is too large may be said without another byte of the peer. */
    s->talk.found = imap_frame_feed(f, S(""), &none);
    return s->talk.found != IMAP_FRAMED_MORE;
}

TASK_FN
static void complete(struct imap_session *s)
{
    bool uploading = s->upload;
    if (s->talk.found == IMAP_FRAMED_LITERAL && !literal(s))
        return;
    bool whole = s->talk.found == IMAP_FRAMED_COMMAND;
    if (s->idle && s->talk.found != IMAP_FRAMED_FLOOD)
        imap_idle_line(s, whole ? s->talk.frame.text : S(""));
    else if (whole)
        imap_dispatch_after(s);
    else
        imap_talk_thrown(&s->talk);
    imap_frame_reset(&s->talk.frame);
    if (uploading) {
        imap_append_forget(s);
        conn_set_rate(s->talk.conn, 0);
    }
}

static void run(struct conn *c, enum conn_event event)
{
    struct imap_session *s = conn_session(c);
    s->talk.conn = c;
    switch (event) {
    case CONN_COMPLETE:
        complete(s);
        break;
    case CONN_DRAINING:
        imap_talk_bye(&s->talk, "UNAVAILABLE", "The server ends this connection");
        break;
    case CONN_TIMED_OUT:
        imap_talk_bye(&s->talk, "",
            s->upload ? "The message comes too slowly" : "Nothing was heard for too long");
        break;
    case CONN_WOKEN:
        imap_idle_woken(s);
        break;
    case CONN_OPENED:
    case CONN_SECURED:
        break;
    }
}

static void destroy(struct imap_session *s)
{
    imap_idle_forget(s);
    imap_append_forget(s);
    imap_select_leave(s);
    imap_frame_finish(&s->talk.frame);
    imap_fetch_forget(s);
    auth_place_give(&s->place);
    free(s->address);
    free(s);
}

static void closed(struct conn *c, enum conn_end why)
{
    struct imap_session *s = conn_session(c);
    s->talk.conn = c;
    imap_journal_closed(s, why);
    metric_add(&active, -1);
    destroy(s);
}

static const struct conn_handler handler = {
    .protocol = "imap",
    .input_max = IMAP_INPUT,
    .class = TASK_NORMAL,
    .feed = feed,
    .run = run,
    .closed = closed,
};

/* ---- login ---- */

static struct imap_session *create(const struct imap_handover *h)
{
    struct imap_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->talk = (struct imap_talk){.service = h->service, .conn = h->conn, .bad_max = IMAP_BAD};
    imap_frame_init(&s->talk.frame, &imap_frame_mail);
    s->account = h->account;
    s->address = slice_to_new(h->address);
    if (s->address)
        return s;
    free(s);
    return NULL;
}

/* The password was right, but the account is not to be had. */
TASK_FN
static bool acquire(struct imap_session *s, struct imap_command *c)
{
    if (!auth_place_take(&s->place, s->account, s->talk.service->connections_per_account)) {
        imap_reply(c, IMAP_NO, "LIMIT", "Too many connections of this account");
        return false;
    }
    enum outcome o = mailbox_open_account(imap_store(s), s->account, imap_soon());
    if (o == OUTCOME_DONE)
        return true;
    imap_journal_fault(s, "account cannot be opened", o);
    imap_reply(c, IMAP_NO, "UNAVAILABLE", "Cannot open the account, try again later");
    return false;
}

struct imap_session *imap_session_open(const struct imap_handover *h, struct imap_command *c)
{
    struct imap_session *s = create(h);
    int64_t timeout = h->service->timeout;
    if (!s) {
        imap_reply(c, IMAP_NO, "UNAVAILABLE", "Out of memory, try again later");
        return NULL;
    }
    if (!acquire(s, c)) {
        destroy(s);
        return NULL;
    }
    conn_set_handler(h->conn, &handler, s);
    conn_set_account(h->conn, s->address);
    conn_set_timeout(h->conn, timeout ? timeout : 30 * 60 * CLOCK_SEC);
    metric_add(&active, 1);
    imap_journal_opened(s);
    return s;
}
