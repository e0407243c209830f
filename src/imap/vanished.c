#include "imap/vanished.h"
#include "mailbox/uids.h"
#include "store/engine.h"

#define LINE_LONG ((size_t)8000) /* a longer line is ended and another one begun */
#define OUT_LONG  ((size_t)16 * 1024)
#define OUT_MAX   ((size_t)32 * 1024)
#define READ_ROOM 1000 /* ranges in one read */

void vanished_start(struct vanished *w, struct imap_session *s, bool earlier)
{
    *w = (struct vanished){.session = s, .earlier = earlier, .ok = true};
    buffer_init(&w->out, OUT_MAX);
}

static void put_run(struct vanished *w)
{
    if (!w->run.first)
        return;
    if (!w->open)
        buffer_add(&w->out, w->earlier ? S("* VANISHED (EARLIER) ") : S("* VANISHED "));
    else
        buffer_add_char(&w->out, ',');
    w->open = true;
    imap_out_uids(&w->out, &w->run, 1);
    w->run.first = 0;
}

TASK_FN
static void send_out(struct vanished *w)
{
    if (w->ok && w->out.n)
        w->ok = imap_send(&w->session->talk, buffer_slice(&w->out));
    buffer_reset(&w->out);
}

TASK_FN
static void end_line(struct vanished *w)
{
    put_run(w);
    if (w->open)
        buffer_add(&w->out, S("\r\n"));
    w->open = false;
    w->line = w->out.n;
    if (w->out.n < OUT_LONG)
        return;
    send_out(w);
    w->line = 0;
}

void vanished_add(struct vanished *w, uint32_t first, uint32_t last)
{
    if (w->run.first && w->run.last + 1 == first) {
        w->run.last = last;
        return;
    }
    bool back = w->run.first && first <= w->run.last;
    put_run(w);
    if (back || w->out.n - w->line > LINE_LONG)
        end_line(w);
    w->run = (struct mailbox_uids){first, last};
}

bool vanished_finish(struct vanished *w)
{
    end_line(w);
    send_out(w);
    buffer_finish(&w->out);
    return w->ok;
}

/* ---- VANISHED (EARLIER) ---- */

struct earlier {
    struct mailbox_vanished read;
    bool found, ok;
    struct mailbox_uids ranges[READ_ROOM];
};

static void read_earlier(struct store_view *v, void *arg)
{
    struct earlier *e = arg;
    struct mailbox m;
    e->found = mailbox_read(v, e->read.mailbox, &m);
    e->ok = e->found && mailbox_read_vanished(v, &e->read);
}

/* What the view still holds is told at the next sync point, without EARLIER. */
TASK_FN
static void add_unseen(struct vanished *w, const struct view *v, struct mailbox_uids gone)
{
    struct imap_range range = {gone.first, gone.last};
    struct imap_set set = {.ranges = &range, .n = 1};
    struct view_pick p;
    struct mailbox_uids held;
    uint32_t number, at = gone.first;
    view_pick_start(&p, v, &set, true);
    while (view_pick_next(&p, UINT32_MAX, &held, &number)) {
        if (held.first > at)
            vanished_add(w, at, held.first - 1);
        at = held.last + 1;
    }
    if (at <= gone.last)
        vanished_add(w, at, gone.last);
}

/* A set as UIDs above `above`. NULL: out of memory. */
static struct mailbox_uids *known_uids(
    struct arena *arena, const struct imap_set *set, uint32_t above, size_t *n)
{
    struct mailbox_uids *known = arena_array(arena, struct mailbox_uids, set->n + 1);
    *n = 0;
    for (uint32_t i = 0; known && i < set->n; i++) {
        const struct imap_range *r = &set->ranges[i];
        if (r->last > above)
            known[(*n)++] = (struct mailbox_uids){r->first > above ? r->first : above + 1, r->last};
    }
    return known;
}

TASK_FN
static enum outcome tell_earlier(struct imap_session *s, struct earlier *e, bool *alive)
{
    struct imap_selected *sel = s->selected;
    store_partition p = mailbox_partition(s->account);
    struct vanished w;
    enum outcome o;
    vanished_start(&w, s, true);
    do {
        o = store_read(imap_store(s), p, read_earlier, e, NULL, imap_soon());
        if (o == OUTCOME_DONE && !e->ok)
            o = e->found ? OUTCOME_FAILED : OUTCOME_REFUSED;
        for (size_t i = 0; o == OUTCOME_DONE && i < e->read.n; i++)
            add_unseen(&w, &sel->view, e->ranges[i]);
        e->read.from = e->read.next;
        task_yield();
    } while (o == OUTCOME_DONE && e->read.more && w.ok);
    *alive = vanished_finish(&w);
    return o;
}

bool imap_vanished_earlier(struct imap_session *s, struct imap_command *c,
    const struct imap_set *uids, uint64_t since, uint32_t above)
{
    struct earlier *e = arena_new(c->arena, struct earlier);
    bool alive = true;
    if (s->selected->gone)
        return true;
    if (e) {
        size_t known_n;
        e->read = (struct mailbox_vanished){
            .mailbox = s->selected->mailbox,
            .since = since,
            .known = known_uids(c->arena, uids, above, &known_n),
            .ranges = e->ranges,
            .room = READ_ROOM,
        };
        e->read.known_n = known_n;
    }
    if (!e || !e->read.known) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory now");
        return false;
    }
    enum outcome o = tell_earlier(s, e, &alive);
    if (o != OUTCOME_DONE)
        imap_reply_outcome(c, o, MAILBOX_REFUSED_ABSENT);
    return alive && o == OUTCOME_DONE;
}
