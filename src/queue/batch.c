/* What a courier takes next. */
#include "base/log.h"
#include "queue/queue_private.h"
#include <stdlib.h>

struct window {
    struct queue_row_key prefix, from;
    int64_t now;
    size_t n, room; /* rows to be read */
    struct {
        int64_t next;
        uint64_t message;
        uint32_t index;
    } rows[QUEUE_WINDOW];
    bool end;      /* nothing that is due is behind these */
    int64_t after; /* end: when the next one is due */
};

struct slice queue_batch_route(const struct queue_batch *b)
{
    return schedule_name(b->route);
}

/* ---- candidates: rows of the lane that are due and that nobody owns ---- */

static void window_fn(struct store_view *v, void *arg)
{
    struct window *w = arg;
    struct store_cursor c;
    struct slice key, row;
    struct queue_row_due due;
    w->n = 0;
    w->end = false;
    w->after = SCHEDULE_NEVER;
    store_seek(v, queue_row_key_slice(&w->from), &c);
    while (w->n < w->room) {
        if (!store_next_with(&c, queue_row_key_slice(&w->prefix), &key, &row)) {
            w->end = true;
            return;
        }
        if (!queue_row_parse_due(key, &due))
            continue;
        if (due.next > w->now) {
            w->end = true;
            w->after = due.next;
            return;
        }
        w->rows[w->n].next = due.next;
        w->rows[w->n].message = due.message;
        w->rows[w->n++].index = due.index;
    }
}

struct taking {
    struct queue_batch *batch;
    uint64_t account, message;
    size_t n;
    bool more;
    int64_t next; /* of what is left for others */
};

static struct queue_row_due row_of(const struct taking *t, size_t i)
{
    const struct window *w = t->batch->window;
    return (struct queue_row_due){
        .route = schedule_name(t->batch->route),
        .account = t->account,
        .next = w->rows[i].next,
        .message = w->rows[i].message,
        .index = w->rows[i].index,
    };
}

/* Claims the first message that nobody owns, and sees whether there is another. */
static void claim_rows(struct taking *t)
{
    struct queue *q = t->batch->shard->q;
    for (size_t i = 0; i < t->batch->window->n && !t->more; i++) {
        struct queue_row_due due = row_of(t, i);
        bool mine = !t->n || (due.message == t->message && t->n < QUEUE_ITEM_MAX);
        if (mine && claim_take(q, &t->batch->claims, &due)) {
            t->message = due.message;
            t->n++;
        } else if (!mine && !claim_owned(q, due.message, due.index)) {
            t->more = true;
            t->next = due.next;
        }
    }
}

static bool read_window(struct queue_batch *b, deadline until)
{
    enum outcome o = store_read(
        b->shard->q->options.store, queue_row_partition(), window_fn, b->window, NULL, until);
    if (o == OUTCOME_DONE)
        return true;
    shard_pause(b->shard);
    return false;
}

/* False: the store failed. */
static bool look(struct queue_batch *b, struct taking *t, int64_t now, deadline until)
{
    struct window *w = b->window;
    struct slice route = schedule_name(b->route);
    w->prefix = w->from = queue_row_key_lane(route, t->account);
    w->now = now;
    w->room = QUEUE_WINDOW_FIRST;
    for (;;) {
        if (!read_window(b, until))
            return false;
        claim_rows(t);
        if (t->more)
            return true;
        if (w->end) {
            t->next = w->after;
            return true;
        }
        struct queue_row_due last = row_of(t, w->n - 1);
        if (t->n && (last.message != t->message || t->n == QUEUE_ITEM_MAX)) {
            t->next = now; /* there may be more, whoever comes next looks */
            return true;
        }
        w->from = queue_row_key_due(&last);
        w->from.p[w->from.n++] = '\0'; /* just behind it */
        w->room = QUEUE_WINDOW;
        task_yield();
    }
}

/* ---- what was claimed, as it is now ---- */

struct loading {
    struct queue_batch *batch;
    uint64_t message;
    bool found;
};

static void add_row(struct buffer *to, uint32_t index, struct slice row)
{
    char head[8];
    pack_u32(head, index);
    pack_u32(head + 4, (uint32_t)row.n);
    buffer_add(to, slice(head, sizeof head));
    buffer_add(to, row);
}

/* Rows as {index 4, length 4, row}, the message's first. */
static void load_fn(struct store_view *v, void *arg)
{
    struct loading *l = arg;
    struct buffer *rows = &l->batch->rows;
    struct queue_row_key k = queue_row_key_message(l->message);
    struct slice row;
    buffer_reset(rows);
    l->found = store_get(v, queue_row_key_slice(&k), &row);
    if (!l->found)
        return;
    add_row(rows, 0, row);
    list_for(&l->batch->claims, node)
    {
        const struct claim *c = list_entry(node, struct claim, in);
        k = queue_row_key_entry(c->message, c->index);
        if (c->message == l->message && store_get(v, queue_row_key_slice(&k), &row))
            add_row(rows, c->index, row);
    }
}

static bool next_row(struct slice *rest, uint32_t *index, struct slice *row)
{
    if (rest->n < 8)
        return false;
    *index = unpack_u32(rest->p);
    *row = slice_sub(*rest, 8, unpack_u32(rest->p + 4));
    *rest = slice_from(*rest, 8 + row->n);
    return true;
}

/* Not to be tried now: it goes back, and is told to whom it belongs. */
static void give_back(struct queue_batch *b, const struct queue_entry *e, uint64_t account)
{
    struct claim *c = claim_of(&b->claims, e->message, e->index);
    if (c)
        claim_release(b->shard->q, c);
    if (e->state == QUEUE_WAITING)
        shard_tell(b->shard->q, e->route, account, e->next);
}

/* What has no row any more stays claimed while the batch lives: a due row that was left behind in a
 * damaged store is not found again and again. */
static void bury(struct queue_batch *b, uint64_t message, const struct queue_item *item)
{
    list_for(&b->claims, node)
    {
        struct claim *c = list_entry(node, struct claim, in);
        bool wanted = c->message != message;
        for (size_t i = 0; i < item->n && !wanted; i++)
            wanted = item->entries[i].index == c->index;
        if (!wanted)
            c->next = SCHEDULE_NEVER;
    }
}

static bool unpack(struct queue_batch *b, struct arena *arena, struct queue_item *item,
    uint64_t message, int64_t now)
{
    struct slice copy = arena_copy(arena, buffer_slice(&b->rows)), row;
    struct queue_entry *entries = arena_array(arena, struct queue_entry, QUEUE_ITEM_MAX);
    uint32_t index;
    if (!copy.p || !entries || !next_row(&copy, &index, &row))
        return false;
    item->entries = entries;
    if (!queue_row_unpack_message(row, message, &item->message))
        return true;
    while (item->n < QUEUE_ITEM_MAX && next_row(&copy, &index, &row)) {
        struct queue_entry *e = &entries[item->n];
        if (!queue_row_unpack_entry(row, message, index, e))
            continue;
        if (e->state == QUEUE_WAITING && e->next <= now &&
            slice_eq(e->route, schedule_name(b->route)))
            item->n++;
        else
            give_back(b, e, item->message.account);
    }
    return true;
}

/* True: *item has entries, or none are left to be tried. False: the store failed. */
static bool load(struct queue_batch *b, struct arena *arena, uint64_t message,
    struct queue_item *item, int64_t now, deadline until)
{
    struct loading l = {.batch = b, .message = message};
    *item = (struct queue_item){0};
    enum outcome o =
        store_read(b->shard->q->options.store, queue_row_partition(), load_fn, &l, NULL, until);
    bool ok = o == OUTCOME_DONE && !b->rows.overflow;
    if (ok && l.found)
        ok = unpack(b, arena, item, message, now);
    if (ok)
        bury(b, message, item);
    return ok;
}

static bool may_go_on(struct queue_batch *b, int64_t now)
{
    struct shard *s = b->shard;
    int64_t until;
    if (atomic_load(&s->q->stopping) || task_cancelled() || s->pause > now)
        return false;
    if (clock_now() < b->turn)
        return !schedule_failures(b->route, &until) || until <= now;
    return schedule_stay(s->schedule, b->route, now);
}

TASK_FN
bool queue_next(struct queue_batch *b, struct arena *arena, struct queue_item *item, deadline until)
{
    struct shard *s = b->shard;
    struct schedule_pick pick;
    if (!b->window && !(b->window = malloc(sizeof *b->window)))
        return false;
    for (;;) {
        int64_t now = queue_now();
        if (!may_go_on(b, now) || !schedule_pick(s->schedule, b->route, now, &pick))
            return false;
        struct taking t = {.batch = b, .account = pick.account, .next = SCHEDULE_NEVER};
        bool ok = look(b, &t, now, until);
        b->found |= t.n > 0;
        schedule_picked(
            s->schedule, b->route, &pick, ok ? t.next : now + QUEUE_STORE_PAUSE, t.n > 0, now);
        event_raise(&s->event); /* another courier may start now */
        if (!ok || (t.n && !load(b, arena, t.message, item, now, until))) {
            shard_pause(s);
            return false;
        }
        if (t.n && item->n)
            return true;
    }
}
