#include "queue/move.h"
#include "queue/manage.h"
#include "queue/queue_private.h"
#include <stdlib.h>

#define MOVES_MAX QUEUE_ITEM_MAX /* in one mutation */
#define TRIES     3

struct one {
    uint64_t message, account;
    int64_t next;
    uint32_t index;
    bool done;
    size_t from_n, to_n;
    char from[QUEUE_ROUTE_MAX], to[QUEUE_ROUTE_MAX];
};

struct moving {
    struct queue *q;
    queue_move_route route;
    void *arg;
    deadline until;
    struct list claims; /* of queue_move_all */
    uint64_t moved;
    bool failed;
    size_t n;
    struct one list[MOVES_MAX];
};

static struct moving *create(struct queue *q, queue_move_route route, void *arg, deadline until)
{
    struct moving *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->q = q;
    m->route = route;
    m->arg = arg;
    m->until = until;
    list_init(&m->claims);
    return m;
}

/* Notes what is to be moved; false: it stays. */
static bool note(struct moving *m, const struct queue_message *message, const struct queue_entry *e)
{
    struct one *o = &m->list[m->n];
    struct slice to = m->route(m->arg, message, e, o->to);
    if (!to.n || to.n > QUEUE_ROUTE_MAX || slice_eq(to, e->route) || e->state == QUEUE_DOOMED)
        return false;
    if (to.p != o->to)
        memcpy(o->to, to.p, to.n);
    memcpy(o->from, e->route.p, e->route.n);
    o->to_n = to.n;
    o->from_n = e->route.n;
    o->message = message->id;
    o->account = message->account;
    o->index = e->index;
    o->next = e->next;
    m->n++;
    return true;
}

/* ---- inside the mutation ---- */

/* Is the entry filed where it is to be, at the end? */
static bool move_one(struct store_txn *t, struct one *o)
{
    char message_row[QUEUE_ROW_MESSAGE], entry_row[QUEUE_ROW_ENTRY];
    struct store_view *v = store_txn_view(t);
    struct slice to = slice(o->to, o->to_n);
    struct queue_message m;
    struct queue_entry e;
    if (!queue_row_get_message(v, o->message, &m) ||
        !queue_row_get_entry(v, o->message, o->index, &e))
        return false; /* gone meanwhile */
    if (e.state == QUEUE_DOOMED || slice_eq(e.route, to))
        return true;
    o->next = e.next;
    /* Slices into the store end with the next change: copies. */
    size_t n = queue_row_pack_message(&m, message_row);
    queue_row_unpack_message(slice(message_row, n), o->message, &m);
    n = queue_row_pack_entry(&e, entry_row);
    queue_row_unpack_entry(slice(entry_row, n), o->message, o->index, &e);
    queue_row_unfile(t, &m, &e);
    e.route = to;
    queue_row_put_entry(t, &m, &e);
    return true;
}

static enum outcome move_fn(struct store_txn *t, void *arg)
{
    struct moving *m = arg;
    for (size_t i = 0; i < m->n; i++)
        m->list[i].done = move_one(t, &m->list[i]);
    return OUTCOME_DONE;
}

/* Writes the same however often it runs. */
TASK_FN
static enum outcome mutate(struct queue *q, store_mutate_fn fn, void *arg, deadline until)
{
    struct store_mutation mutation = {.partition = queue_row_partition(), .fn = fn, .arg = arg};
    enum outcome o = OUTCOME_FAILED;
    for (int i = 0; i < TRIES && (o == OUTCOME_FAILED || o == OUTCOME_UNKNOWN); i++)
        o = store_mutate(q->options.store, &mutation, NULL, until);
    return o;
}

/* Behind the end of the claims: whoever looks now sees the entry. all: it may or may not have been
 * moved. */
static void tell(const struct moving *m, bool all)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct one *o = &m->list[i];
        if (o->done || all)
            shard_tell(m->q, slice(o->to, o->to_n), o->account, o->next);
        if (!o->done || all)
            shard_tell(m->q, slice(o->from, o->from_n), o->account, o->next);
    }
}

/* ---- a courier's ---- */

static void release(struct queue_batch *b, const struct moving *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct claim *c = claim_of(&b->claims, m->list[i].message, m->list[i].index);
        if (c)
            claim_release(m->q, c);
    }
}

TASK_FN
static bool move_item(struct moving *m, struct queue_batch *b, struct queue_item *item)
{
    size_t kept = 0;
    bool stays[QUEUE_ITEM_MAX];
    for (size_t i = 0; i < item->n; i++)
        stays[i] = !note(m, &item->message, &item->entries[i]);
    if (!m->n)
        return true;
    bool ok = mutate(m->q, move_fn, m, m->until) == OUTCOME_DONE;
    release(b, m);
    tell(m, !ok);
    for (size_t i = 0; i < item->n; i++)
        if (stays[i])
            item->entries[kept++] = item->entries[i];
    item->n = kept;
    return ok;
}

TASK_FN
bool queue_move_item(struct queue_batch *b, struct queue_item *item, queue_move_route route,
    void *arg, deadline until)
{
    struct moving *m = create(b->shard->q, route, arg, until);
    bool ok = m && move_item(m, b, item);
    free(m);
    return ok;
}

/* ---- all ---- */

struct mark {
    uint32_t value;
};

static struct queue_row_key mark_key(void)
{
    struct queue_row_key k = {.n = 1, .p = {KEY_QUEUE_FILED}};
    return k;
}

static void mark_get_fn(struct store_view *v, void *arg)
{
    struct queue_row_key k = mark_key();
    struct mark *mark = arg;
    struct slice row;
    mark->value = 0;
    if (store_get(v, queue_row_key_slice(&k), &row) && queue_row_filed(row))
        mark->value = unpack_u32(row.p + 4);
}

static enum outcome mark_put_fn(struct store_txn *t, void *arg)
{
    const struct mark *mark = arg;
    struct queue_row_key k = mark_key();
    char row[QUEUE_ROW_FILED] = {QUEUE_ROW_VERSION};
    pack_u32(row + 4, mark->value);
    store_put(t, queue_row_key_slice(&k), slice(row, sizeof row));
    return OUTCOME_DONE;
}

TASK_FN
static bool flush(struct moving *m)
{
    bool ok = !m->n || mutate(m->q, move_fn, m, m->until) == OUTCOME_DONE;
    list_for_safe(&m->claims, node) claim_release(m->q, list_entry(node, struct claim, in));
    tell(m, !ok);
    for (size_t i = 0; i < m->n && ok; i++)
        m->moved += m->list[i].done;
    m->n = 0;
    m->failed |= !ok;
    return ok;
}

/* What a courier has keeps its route until it is tried again. */
static bool each(void *arg, const struct queue_listed *l)
{
    struct moving *m = arg;
    struct queue_row_due due = {.account = l->message.account,
        .next = l->entry.next,
        .message = l->message.id,
        .index = l->entry.index};
    if (atomic_load(&m->q->stopping) || task_cancelled()) {
        m->failed = true;
        return false;
    }
    if (note(m, &l->message, &l->entry) && !claim_take(m->q, &m->claims, &due))
        m->n--;
    return m->n < MOVES_MAX || flush(m);
}

TASK_FN
static enum outcome go_through(struct moving *m)
{
    const struct queue_filter any = {0};
    enum outcome o = queue_list(m->q->options.store, &any, each, m, m->until);
    if (!flush(m) || m->failed)
        return OUTCOME_FAILED;
    return o;
}

TASK_FN
enum outcome queue_move_all(struct queue *q, uint32_t mark, queue_move_route route, void *arg,
    uint64_t *moved, deadline until)
{
    struct mark m = {0};
    *moved = 0;
    enum outcome o =
        store_read(q->options.store, queue_row_partition(), mark_get_fn, &m, NULL, until);
    if (o != OUTCOME_DONE || m.value == mark)
        return o;
    struct moving *moving = create(q, route, arg, until);
    if (!moving)
        return OUTCOME_FAILED;
    o = go_through(moving);
    *moved = moving->moved;
    free(moving);
    m.value = mark;
    return o == OUTCOME_DONE ? mutate(q, mark_put_fn, &m, until) : o;
}

/* ---- a route ---- */

static enum outcome up_fn(struct store_txn *t, void *arg)
{
    struct queue_row_key k = queue_row_key_route(*(const struct slice *)arg);
    store_del(t, queue_row_key_slice(&k));
    return OUTCOME_DONE;
}

TASK_FN
void queue_move_up(struct queue *q, struct slice route, deadline until)
{
    mutate(q, up_fn, &route, until); /* lost: it is tried now, and later after a restart */
    shard_tell_up(q, route);
}
