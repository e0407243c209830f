/* Brings a client up to date (RFC 9051 §7.5.1; RFC 7162 §3.2.10): what another session changed is
 * told in the order that keeps its numbers right: expunges (at sync points only), then EXISTS and
 * RECENT, then FLAGS, then FETCH of changed flags. */
#include "imap/changes.h"
#include "imap/vanished.h"
#include <stdlib.h>

#define OUT_LONG ((size_t)16 * 1024)
#define OUT_MAX  ((size_t)64 * 1024)
#define TURN     8192 /* expunges until others have their turn */

struct sync {
    struct imap_session *session;
    struct changes *changes;
    struct buffer out;
    struct vanished vanished;
    bool alive; /* the connection is not ending */
    bool grew;
    uint32_t told; /* expunges */
};

/* Sends what is gathered when it is `much`. */
TASK_FN
static void send_out(struct sync *y, size_t much)
{
    if (y->out.n < much)
        return;
    if (y->alive && y->out.n)
        y->alive = imap_send(&y->session->talk, buffer_slice(&y->out));
    buffer_reset(&y->out);
}

/* ---- expunges ---- */

TASK_FN
static void tell_expunge(void *arg, uint32_t number, uint32_t uid)
{
    struct sync *y = arg;
    if (++y->told % TURN == 0)
        task_yield();
    if (y->session->qresync) {
        vanished_add(&y->vanished, uid, uid);
        return;
    }
    buffer_add(&y->out, S("* "));
    buffer_add_u64(&y->out, number);
    buffer_add(&y->out, S(" EXPUNGE\r\n"));
    send_out(y, OUT_LONG);
}

static int by_first(const void *a, const void *b)
{
    const struct mailbox_uids *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Ranges in any order, as the log has them. False: the connection is ending, or out of memory. */
TASK_FN
static bool take_out(struct sync *y, struct mailbox_uids *gone, size_t n)
{
    qsort(gone, n, sizeof *gone, by_first);
    struct view *view = &y->session->selected->view;
    uint32_t before = view->count;
    send_out(y, 0);
    vanished_start(&y->vanished, y->session, false);
    bool done = view_remove(view, gone, n, tell_expunge, y);
    y->alive = vanished_finish(&y->vanished) && y->alive;
    if (view->count != before)
        y->session->selected->delayed = true; /* HIGHESTMODSEQ is due */
    return done && y->alive;
}

/* The mailbox was removed: its messages are gone at the next sync point. */
TASK_FN
static bool tell_gone(struct imap_session *s, bool sync_point)
{
    struct mailbox_uids all = {1, UINT32_MAX};
    struct sync y = {.session = s, .alive = true};
    s->selected->gone = true;
    if (!sync_point || !s->selected->view.count)
        return true;
    buffer_init(&y.out, OUT_MAX);
    take_out(&y, &all, 1);
    send_out(&y, 0);
    s->selected->recent = 0;
    buffer_finish(&y.out);
    return y.alive;
}

/* ---- arrivals ---- */

static bool put_in(struct sync *y)
{
    struct imap_selected *sel = y->session->selected;
    struct changes *c = y->changes;
    for (size_t i = 0; i < c->came_n; i++) {
        struct mailbox_uids r = c->came[i];
        if (!view_append(&sel->view, r.first, r.last))
            return false;
        sel->uidnext = r.last + 1;
        y->grew = true;
    }
    sel->uidnext = c->uidnext_next;
    return true;
}

static void tell_size(struct sync *y)
{
    struct imap_selected *sel = y->session->selected;
    uint32_t recent = sel->view.count - view_below(&sel->view, sel->recent_from);
    if (y->grew)
        buffer_printf(&y->out, "* %u EXISTS\r\n", sel->view.count);
    if (y->grew || recent != sel->recent)
        buffer_printf(&y->out, "* %u RECENT\r\n", recent);
    sel->recent = recent;
    y->grew = false;
}

/* ---- flags ---- */

TASK_FN
static void tell_flags(struct sync *y)
{
    struct imap_session *s = y->session;
    struct changes *c = y->changes;
    if (c->flag_n && c->names.used != s->selected->keywords) {
        send_out(y, 0);
        imap_flags_tell(s, c->names.used, c->names.name);
    }
    for (size_t i = 0; i < c->flag_n && y->alive; i++) {
        uint32_t number = view_number(&s->selected->view, c->flags[i].uid);
        if (number)
            imap_flags_line(s, &y->out, number, &c->flags[i], c->names.name, false, false);
        send_out(y, OUT_LONG);
    }
}

/* ---- all of it ---- */

/* Takes over and tells what one read gave. False: stop. */
TASK_FN
static bool apply(struct sync *y)
{
    struct imap_selected *sel = y->session->selected;
    struct changes *c = y->changes;
    if (c->gone_n && !take_out(y, c->gone, c->gone_n))
        return false;
    c->vanished = c->vanished_next;
    if (!c->gone_more && !c->waiting)
        c->expunged = sel->expunged = c->modseq;
    if (c->waiting)
        sel->delayed = true;
    if (!put_in(y))
        return false;
    c->uidnext = sel->uidnext;
    if (!c->gone_more && !c->came_more)
        tell_size(y);
    tell_flags(y);
    c->flagged = c->flagged_next;
    return y->alive;
}

static struct changes *start(struct imap_session *s, bool sync_point)
{
    struct imap_selected *sel = s->selected;
    struct changes *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    c->mailbox = sel->mailbox;
    c->uidvalidity = sel->uidvalidity;
    c->expunges = sync_point;
    c->arrivals = true;
    c->expunged = sel->expunged;
    c->vanished = (struct mailbox_vanished_at){0};
    c->uidnext = c->new_from = sel->uidnext;
    c->until = UINT64_MAX;
    c->own = sel->own;
    c->own_n = sel->own_n;
    c->flagged = (struct changes_mark){sel->seen, UINT32_MAX};
    c->found = CHANGES_BROKEN; /* until a read has said something else */
    return c;
}

/* Batch after batch until a read found the end. */
TASK_FN
static bool catch_up(struct imap_session *s, bool sync_point)
{
    struct sync y = {.session = s, .alive = true, .changes = start(s, sync_point)};
    struct changes *c = y.changes;
    bool more = c != NULL;
    buffer_init(&y.out, OUT_MAX);
    while (more) {
        store_partition p = mailbox_partition(s->account);
        enum outcome o = store_read(imap_store(s), p, changes_read, c, NULL, imap_soon());
        if (o != OUTCOME_DONE || c->found != CHANGES_FOUND || !apply(&y))
            break;
        more = c->gone_more || c->came_more || c->flags_more;
        if (more) {
            task_yield();
        } else {
            s->selected->seen = c->flagged.modseq;
            s->selected->own_n = 0;
        }
    }
    send_out(&y, 0);
    bool gone = c && c->found == CHANGES_GONE;
    buffer_finish(&y.out);
    free(c);
    return gone && y.alive ? tell_gone(s, sync_point) : y.alive;
}

/* RFC 7162 §3.2: a client must not believe a MODSEQ that it saw while a lower expunge waits. */
static void tell_modseq(struct imap_session *s, bool sync_point)
{
    struct imap_selected *sel = s->selected;
    uint64_t known = sel->expunged < sel->seen ? sel->expunged : sel->seen;
    if (s->qresync && sel->delayed && !sel->gone)
        imap_untagged(&s->talk, "OK [HIGHESTMODSEQ %llu] %s", (unsigned long long)known,
            sync_point ? "Told up to here" : "Expunges wait");
    if (sync_point)
        sel->delayed = false;
}

bool imap_sync(struct imap_session *s, bool sync_point)
{
    struct imap_selected *sel = s->selected;
    if (!sel)
        return true;
    if (sel->gone)
        return tell_gone(s, sync_point);
    struct changes_look look = {.mailbox = sel->mailbox, .uidvalidity = sel->uidvalidity};
    store_partition p = mailbox_partition(s->account);
    if (store_read(imap_store(s), p, changes_look, &look, NULL, imap_soon()) != OUTCOME_DONE)
        return true;
    if (!look.found)
        return tell_gone(s, sync_point);
    if (look.modseq != sel->seen || (sync_point && look.modseq != sel->expunged))
        if (!catch_up(s, sync_point))
            return false;
    tell_modseq(s, sync_point);
    return true;
}

void imap_sync_own(struct imap_session *s, uint64_t modseq)
{
    struct imap_selected *sel = s->selected;
    for (uint32_t i = 0; i < sel->own_n; i++)
        if (sel->own[i] == modseq)
            return;
    if (modseq <= sel->seen)
        return;
    sel->own[sel->own_n++] = modseq;
    if (sel->own_n == IMAP_OWN_MAX)
        imap_sync(s, false);
    if (sel->own_n == IMAP_OWN_MAX)
        sel->own_n--; /* the store does not answer: this one is told again later */
}

void imap_sync_condstore(struct imap_session *s)
{
    struct imap_selected *sel = s->selected;
    if (s->condstore)
        return;
    s->condstore = true;
    if (sel)
        imap_untagged(&s->talk, "OK [HIGHESTMODSEQ %llu] Told up to here",
            (unsigned long long)(sel->expunged < sel->seen ? sel->expunged : sel->seen));
}

bool imap_sync_resolve(
    struct imap_session *s, struct imap_command *c, struct imap_set *set, bool uids)
{
    const struct view *v = &s->selected->view;
    imap_set_resolve(set, uids ? view_last(v) : v->count);
    if (uids || (imap_set_last(set) <= v->count && (v->count || !set->star)))
        return true;
    imap_reply(c, IMAP_BAD_COMMAND, "", "There are only %u messages", v->count);
    return false;
}

/* ---- keywords ---- */

struct keywords {
    uint32_t mailbox;
    bool found, ok;
    struct changes_names names;
};

static void read_keywords(struct store_view *v, void *arg)
{
    struct keywords *k = arg;
    struct mailbox m;
    k->found = mailbox_read(v, k->mailbox, &m);
    k->ok = k->found && changes_names(v, k->mailbox, &k->names);
}

bool imap_sync_keywords(
    struct imap_session *s, struct arena *arena, struct slice names[MAILBOX_KEYWORDS])
{
    struct keywords *k = arena_new(arena, struct keywords);
    memset(names, 0, MAILBOX_KEYWORDS * sizeof *names);
    if (!k)
        return false;
    k->mailbox = s->selected->mailbox;
    if (s->selected->gone)
        return true;
    store_partition p = mailbox_partition(s->account);
    if (store_read(imap_store(s), p, read_keywords, k, NULL, imap_soon()) != OUTCOME_DONE)
        return false;
    if (!k->ok)
        return !k->found; /* removed meanwhile: that is told by the next sync */
    memcpy(names, k->names.name, sizeof k->names.name);
    imap_flags_tell(s, k->names.used, names);
    return true;
}
