#include "queue/manage.h"
#include "queue/queue_private.h"
#include "trace/trace.h"
#include <stdlib.h>

#define ROWS_A_READ 1000
#define COPY_MAX    ((size_t)1024 * 1024)
#define CHANGES_MAX 200 /* in one mutation */

/* ---- listing ---- */

/* Rows that match, as {message id 8, index 4, three times length 4 and bytes}: message, entry and
 * route row. */
struct scan {
    const struct queue_filter *filter;
    struct queue_row_key from;
    struct buffer rows;
    bool end;
    struct queue_row_key next;
};

static bool matches_address(struct slice wanted, struct slice address)
{
    if (wanted.n && wanted.p[0] == '@')
        return address.n > wanted.n &&
               slice_eq_nocase(slice_from(address, address.n - wanted.n), wanted);
    return !wanted.n || slice_eq_nocase(wanted, address);
}

static bool matches(
    const struct queue_filter *f, const struct queue_message *m, const struct queue_entry *e)
{
    return matches_address(f->sender, m->sender) && matches_address(f->recipient, e->recipient) &&
           (!f->account || f->account == m->account) &&
           (!f->route.n || slice_eq_nocase(f->route, e->route)) &&
           (!f->only_state || f->state == e->state);
}

static void add(struct buffer *to, struct slice row)
{
    char n[4];
    pack_u32(n, (uint32_t)row.n);
    buffer_add(to, slice(n, sizeof n));
    buffer_add(to, row);
}

/* False: no room. */
static bool copy_entry(struct store_view *v, struct scan *s, struct slice key, struct slice row)
{
    struct queue_message m;
    struct queue_entry e;
    struct slice message_row, route_row = S("");
    uint64_t id;
    uint32_t index;
    struct queue_row_key k;
    if (!queue_row_parse_entry(key, &id, &index) || !queue_row_unpack_entry(row, id, index, &e))
        return true;
    k = queue_row_key_message(id);
    if (!store_get(v, queue_row_key_slice(&k), &message_row) ||
        !queue_row_unpack_message(message_row, id, &m) || !matches(s->filter, &m, &e))
        return true;
    k = queue_row_key_route(e.route);
    if (!store_get(v, queue_row_key_slice(&k), &route_row))
        route_row = S("");
    if (s->rows.n + 24 + message_row.n + row.n + route_row.n > s->rows.max)
        return false;
    char head[12];
    pack_u64(head, id);
    pack_u32(head + 8, index);
    buffer_add(&s->rows, slice(head, sizeof head));
    add(&s->rows, message_row);
    add(&s->rows, row);
    add(&s->rows, route_row);
    return true;
}

static void scan_fn(struct store_view *v, void *arg)
{
    struct scan *s = arg;
    struct store_cursor c;
    struct slice key, row, prefix = slice(&(const char){KEY_QUEUE_MESSAGE}, 1);
    struct queue_row_key one = queue_row_key_message(s->filter->message);
    buffer_reset(&s->rows);
    if (s->filter->message)
        prefix = queue_row_key_slice(&one);
    store_seek(v, s->from.n ? queue_row_key_slice(&s->from) : prefix, &c);
    s->end = true;
    for (int i = 0; store_next_with(&c, prefix, &key, &row); i++) {
        if (i == ROWS_A_READ || !copy_entry(v, s, key, row)) {
            s->end = false;
            return;
        }
        s->next.n = key.n < sizeof s->next.p ? key.n : sizeof s->next.p - 1;
        memcpy(s->next.p, key.p, s->next.n);
        s->next.p[s->next.n++] = '\0'; /* just behind it */
    }
}

static struct slice take(struct slice *rest)
{
    struct slice row = slice_sub(*rest, 4, unpack_u32(rest->p));
    *rest = slice_from(*rest, 4 + row.n);
    return row;
}

static void fill(struct queue_listed *l, struct slice *rest)
{
    struct queue_row_route route;
    uint64_t id = unpack_u64(rest->p);
    uint32_t index = unpack_u32(rest->p + 8);
    *rest = slice_from(*rest, 12);
    queue_row_unpack_message(take(rest), id, &l->message);
    queue_row_unpack_entry(take(rest), id, index, &l->entry);
    bool down = queue_row_unpack_route(take(rest), &route);
    l->attempts = l->entry.attempts;
    l->next = l->entry.next;
    l->reply = l->entry.reply;
    l->remote = l->entry.remote;
    if (!down)
        return;
    if (route.failures > l->attempts)
        l->attempts = route.failures;
    if (route.until > l->next)
        l->next = route.until;
    if (route.reply.n) {
        l->reply = route.reply;
        l->remote = route.remote;
    }
}

TASK_FN
enum outcome queue_list(struct store *s, const struct queue_filter *filter,
    bool (*fn)(void *arg, const struct queue_listed *l), void *arg, deadline until)
{
    struct scan *scan = calloc(1, sizeof *scan);
    struct queue_listed l;
    enum outcome o = OUTCOME_FAILED;
    bool go_on = true;
    if (!scan)
        return o;
    scan->filter = filter;
    buffer_init(&scan->rows, COPY_MAX);
    do {
        o = store_read(s, queue_row_partition(), scan_fn, scan, NULL, until);
        if (o == OUTCOME_DONE && scan->rows.overflow)
            o = OUTCOME_FAILED; /* out of memory */
        struct slice rest = buffer_slice(&scan->rows);
        while (o == OUTCOME_DONE && go_on && rest.n) {
            fill(&l, &rest);
            go_on = fn(arg, &l);
        }
        scan->from = scan->next;
        task_yield();
    } while (o == OUTCOME_DONE && go_on && !scan->end);
    buffer_finish(&scan->rows);
    free(scan);
    return o;
}

/* ---- changing ---- */

struct changed {
    uint64_t message, account;
    uint32_t index;
    bool done;
    size_t route_n, trace_n, recipient_n;
    char route[QUEUE_ROUTE_MAX], trace[QUEUE_TRACE_MAX], recipient[QUEUE_ADDRESS_MAX];
};

struct changing {
    struct store *store;
    struct queue *q;
    enum queue_change change;
    int64_t now;
    deadline until;
    size_t n;
    struct changed list[CHANGES_MAX];
    uint64_t count;
    enum outcome outcome;
};

static void clear_route(struct store_txn *t, struct slice route)
{
    struct queue_row_key k = queue_row_key_route(route);
    store_del(t, queue_row_key_slice(&k));
}

/* RFC 4865 §4.2: not before the time that the sender gave, whoever wants it. */
static int64_t at_once(const struct changing *c, const struct queue_message *m)
{
    return m->hold_until > c->now ? m->hold_until : c->now;
}

/* Does the change to one entry, whose slices are copies. */
static bool change_entry(struct store_txn *t, const struct changing *c, struct queue_message *m,
    struct queue_entry *e, uint32_t *gone)
{
    bool held = e->state == QUEUE_HELD, waits = e->state == QUEUE_WAITING;
    switch (c->change) {
    case QUEUE_HOLD:
        if (!waits)
            return held;
        queue_row_unfile(t, m, e);
        e->state = QUEUE_HELD;
        break;
    case QUEUE_RETRY:
        if (!waits)
            return false;
        queue_row_unfile(t, m, e);
        e->next = at_once(c, m);
        clear_route(t, e->route);
        break;
    case QUEUE_RELEASE:
        if (!held)
            return waits;
        e->state = QUEUE_WAITING;
        e->next = at_once(c, m);
        break;
    case QUEUE_REMOVE:
        queue_row_del_entry(t, m, e);
        ++*gone;
        return true;
    case QUEUE_BOUNCE:
        queue_row_unfile(t, m, e);
        e->state = QUEUE_DOOMED;
        break;
    }
    queue_row_put_entry(t, m, e);
    return true;
}

static enum outcome change_one(struct store_txn *t, const struct changing *c, struct changed *d)
{
    char message_row[QUEUE_ROW_MESSAGE], entry_row[QUEUE_ROW_ENTRY];
    struct queue_row_header h;
    struct queue_message m;
    struct queue_entry e;
    uint32_t gone = 0;
    int64_t held;
    struct store_view *v = store_txn_view(t);
    d->done = false;
    if (!queue_row_get_message(v, d->message, &m) ||
        !queue_row_get_entry(v, d->message, d->index, &e))
        return OUTCOME_DONE; /* gone meanwhile */
    size_t n = queue_row_pack_message(&m, message_row);
    queue_row_unpack_message(slice(message_row, n), d->message, &m);
    n = queue_row_pack_entry(&e, entry_row);
    queue_row_unpack_entry(slice(entry_row, n), d->message, d->index, &e);
    held = e.state == QUEUE_HELD;
    d->done = change_entry(t, c, &m, &e, &gone);
    held = (!gone && e.state == QUEUE_HELD) - held;
    if (held && !queue_row_count_held(t, held))
        return OUTCOME_FAILED;
    if (!gone)
        return OUTCOME_DONE;
    if (!queue_row_get_header(v, &h) || !queue_row_settle_message(t, d->message, gone, &h))
        return OUTCOME_FAILED;
    queue_row_put_header(t, &h);
    return OUTCOME_DONE;
}

static enum outcome change_fn(struct store_txn *t, void *arg)
{
    struct changing *c = arg;
    for (size_t i = 0; i < c->n; i++)
        if (change_one(t, c, &c->list[i]) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    return OUTCOME_DONE;
}

/* What fails by the administrator's wish has its line when it has failed (clerk.c). */
static void trace_change(enum queue_change change, const struct changed *d)
{
    static const enum trace_kind kinds[] = {[QUEUE_RETRY] = TRACE_RETRIED,
        [QUEUE_HOLD] = TRACE_HELD,
        [QUEUE_RELEASE] = TRACE_RELEASED,
        [QUEUE_REMOVE] = TRACE_REMOVED};
    char id[16];
    if (change == QUEUE_BOUNCE)
        return;
    queue_id_text(d->message, id);
    trace_note(kinds[change], trace_slice(TRACE_ID, slice(d->trace, d->trace_n)),
        trace_text(TRACE_QUEUE, id), trace_slice(TRACE_TO, slice(d->recipient, d->recipient_n)),
        trace_slice(TRACE_ROUTE, slice(d->route, d->route_n)));
}

static void tell(struct changing *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct changed *d = &c->list[i];
        struct slice route = slice(d->route, d->route_n);
        c->count += d->done;
        if (d->done)
            trace_change(c->change, d);
        if (!c->q || !d->done || c->change == QUEUE_HOLD || c->change >= QUEUE_REMOVE)
            continue;
        if (c->change == QUEUE_RETRY)
            shard_tell_up(c->q, route);
        shard_tell(c->q, route, d->account, c->now);
    }
}

TASK_FN
static bool flush(struct changing *c)
{
    struct store_mutation m = {.partition = queue_row_partition(), .fn = change_fn, .arg = c};
    if (c->n)
        c->outcome = store_mutate(c->store, &m, NULL, c->until);
    if (c->n && c->outcome == OUTCOME_DONE)
        tell(c);
    c->n = 0;
    return c->outcome == OUTCOME_DONE;
}

static size_t copy(struct slice from, char *to, size_t room)
{
    size_t n = from.n < room ? from.n : room;
    if (n)
        memcpy(to, from.p, n);
    return n;
}

static bool collect(void *arg, const struct queue_listed *l)
{
    struct changing *c = arg;
    struct changed *d = &c->list[c->n++];
    d->message = l->message.id;
    d->account = l->message.account;
    d->index = l->entry.index;
    d->route_n = copy(l->entry.route, d->route, sizeof d->route);
    d->trace_n = copy(l->message.trace, d->trace, sizeof d->trace);
    d->recipient_n = copy(l->entry.recipient, d->recipient, sizeof d->recipient);
    return c->n < CHANGES_MAX || flush(c);
}

TASK_FN
enum outcome queue_change(struct store *s, struct queue *q, const struct queue_filter *filter,
    enum queue_change change, uint64_t *changed, deadline until)
{
    struct changing *c = calloc(1, sizeof *c);
    *changed = 0;
    if (!c)
        return OUTCOME_FAILED;
    c->store = s;
    c->q = q;
    c->change = change;
    c->now = queue_now();
    c->until = until;
    c->outcome = OUTCOME_DONE;
    enum outcome o = queue_list(s, filter, collect, c, until);
    if (o == OUTCOME_DONE && c->outcome == OUTCOME_DONE)
        flush(c);
    if (o == OUTCOME_DONE)
        o = c->outcome;
    if (q && change == QUEUE_BOUNCE)
        queue_hurry(q);
    *changed = c->count;
    free(c);
    return o;
}
