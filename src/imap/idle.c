/* IDLE (RFC 2177). Between events an idling session has no stack: a watch on the account's
 * partition, or the interval, wakes it. */
#include "imap/session_private.h"
#include <stdlib.h>

#define INTERVAL (5 * 60 * CLOCK_SEC)

struct imap_idle {
    struct imap_session *session;
    struct store_watch watch;
    struct timer timer;
    bool due; /* the interval is over */
    uint16_t tag_n;
    char tag[];
};

static void changed(struct store_watch *w)
{
    struct imap_idle *i = list_entry(w, struct imap_idle, watch);
    conn_wake(i->session->talk.conn);
}

static void interval_over(struct timer *t)
{
    struct imap_idle *i = list_entry(t, struct imap_idle, timer);
    i->due = true;
    conn_wake(i->session->talk.conn);
}

static void start_timer(struct imap_idle *i)
{
    int64_t interval = i->session->talk.service->idle_interval;
    i->due = false;
    timer_start(&i->timer, deadline_in(interval ? interval : INTERVAL));
}

void imap_idle(struct imap_session *s, struct imap_command *c)
{
    if (!imap_lex_end(&c->lex)) {
        imap_reply_syntax(c);
        return;
    }
    struct imap_idle *i = malloc(sizeof *i + c->tag.n);
    if (!i) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory now");
        return;
    }
    *i = (struct imap_idle){.session = s, .tag_n = (uint16_t)c->tag.n};
    memcpy(i->tag, c->tag.p, c->tag.n);
    timer_init(&i->timer, interval_over);
    s->idle = i;
    /* The watch is there before the first look, so that nothing falls between them. */
    store_watch_start(imap_store(s), &i->watch, mailbox_partition(s->account), changed);
    start_timer(i);
    imap_fetch_forget(s);
    c->later = true;
    imap_sync(s, true);
    imap_put(&s->talk, S("+ idling\r\n"));
}

void imap_idle_line(struct imap_session *s, struct slice line)
{
    struct imap_idle *i = s->idle;
    struct imap_command c = {.tag = slice(i->tag, i->tag_n)};
    if (slice_eq_nocase(line, S("DONE"))) {
        imap_reply(&c, IMAP_OK, "", "IDLE is over");
        imap_sync(s, true);
    } else {
        imap_reply(&c, IMAP_BAD_COMMAND, "", "Only DONE ends IDLE");
    }
    imap_talk_tagged(&s->talk, &c);
    imap_idle_forget(s);
}

void imap_idle_woken(struct imap_session *s)
{
    struct imap_idle *i = s->idle;
    if (!i)
        return;
    i->watch.raised = false;
    if (!imap_sync(s, true))
        return;
    if (i->due) {
        imap_untagged(&s->talk, "OK Still here");
        start_timer(i);
    }
}

void imap_idle_forget(struct imap_session *s)
{
    struct imap_idle *i = s->idle;
    if (!i)
        return;
    timer_stop(&i->timer);
    store_watch_stop(&i->watch);
    s->idle = NULL;
    free(i);
}
