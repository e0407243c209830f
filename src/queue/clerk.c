/* What is due by time alone: delay notices and expiry. */
#include "base/log.h"
#include "base/metrics.h"
#include "queue/queue_private.h"
#include "trace/trace.h"
#include <stdlib.h>

#define ROWS_A_READ 200
#define ROOM        ((size_t)512 * 1024)
#define LAST_TRY    86400 /* s */
#define LEAP        600   /* s, of the wall clock ahead of the time that passed */
#define RECENT      60    /* s: what ended so shortly before is not much */

METRIC(expired, METRIC_COUNTER, "barid_queue_entries_total", "what=\"expired\"",
    "Entries of the queue: one for each message and recipient")

struct row {
    int64_t time;
    uint64_t message;
    uint32_t index;
};

/* One round: rows whose time has come, message by message. */
struct round {
    struct queue *q;
    int64_t now, skip; /* rows up to skip wait for a try; 0: none */
    struct queue_row_key from;
    struct row rows[ROWS_A_READ];
    size_t n, at;
    bool end;
    struct list claims;
    struct arena arena;
    struct settle settle;
    struct queue_item item;
    struct queue_entry entries[QUEUE_ITEM_MAX];
    struct queue_settlement settlements[QUEUE_ITEM_MAX];
    struct queue_row_route route[QUEUE_ITEM_MAX];
};

static void due_fn(struct store_view *v, void *arg)
{
    struct round *r = arg;
    struct store_cursor c;
    struct slice key, row, prefix = slice(&(const char){KEY_QUEUE_DEADLINE}, 1);
    r->n = r->at = 0;
    r->end = true;
    store_seek(v, queue_row_key_slice(&r->from), &c);
    while (store_next_with(&c, prefix, &key, &row)) {
        struct row *found = &r->rows[r->n];
        if (r->n == ROWS_A_READ) {
            r->end = false;
            return;
        }
        if (!queue_row_parse_deadline(key, &found->time, &found->message, &found->index))
            continue;
        if (found->time && found->time <= r->skip) {
            struct queue_row_key behind = queue_row_key_deadline(r->skip + 1, 0, 0);
            store_seek(v, queue_row_key_slice(&behind), &c);
            continue;
        }
        if (found->time > r->now)
            return;
        r->n++;
    }
}

/* Claims the rows of the next message. What somebody owns is looked at in the next round. */
static uint64_t claim_message(struct round *r)
{
    uint64_t message = r->rows[r->at].message;
    for (size_t n = 0; r->at < r->n && r->rows[r->at].message == message && n < QUEUE_ITEM_MAX;
         r->at++, n++) {
        const struct queue_row_due due = {
            .message = message, .index = r->rows[r->at].index, .next = SCHEDULE_NEVER};
        claim_take(r->q, &r->claims, &due);
    }
    return message;
}

static struct slice keep(struct arena *a, struct slice s)
{
    return s.n ? arena_copy(a, s) : (struct slice){0};
}

static void keep_entry(struct round *r, struct store_view *v, const struct queue_entry *from)
{
    size_t i = r->item.n++;
    struct queue_entry *e = &r->entries[i];
    struct queue_row_key k = queue_row_key_route(from->route);
    struct queue_row_route *route = &r->route[i];
    struct slice row;
    *e = *from;
    e->recipient = keep(&r->arena, e->recipient);
    e->route = keep(&r->arena, e->route);
    e->orcpt = keep(&r->arena, e->orcpt);
    e->reply = keep(&r->arena, e->reply);
    e->remote = keep(&r->arena, e->remote);
    *route = (struct queue_row_route){0};
    if (store_get(v, queue_row_key_slice(&k), &row) && queue_row_unpack_route(row, route)) {
        route->status = keep(&r->arena, route->status);
        route->reply = keep(&r->arena, route->reply);
        route->remote = keep(&r->arena, route->remote);
    }
}

/* The claimed entries as they are now. */
static void load_fn(struct store_view *v, void *arg)
{
    struct round *r = arg;
    struct queue_message *m = &r->item.message;
    struct queue_entry e;
    arena_reset(&r->arena);
    r->item.n = 0;
    if (list_empty(&r->claims))
        return;
    uint64_t id = list_entry(r->claims.next, struct claim, in)->message;
    if (!queue_row_get_message(v, id, m))
        return;
    m->sender = keep(&r->arena, m->sender);
    m->envid = keep(&r->arena, m->envid);
    m->trace = keep(&r->arena, m->trace);
    list_for(&r->claims, node)
    {
        const struct claim *c = list_entry(node, struct claim, in);
        if (queue_row_get_entry(v, id, c->index, &e) && e.state != QUEUE_HELD)
            keep_entry(r, v, &e);
    }
}

/* Words of ours ("no reply in time") are kept with the remote's name too. */
static bool is_of_remote(struct slice reply, struct slice remote)
{
    bool code = reply.n >= 3 && ascii_digit(reply.p[0]) && ascii_digit(reply.p[1]) &&
                ascii_digit(reply.p[2]);
    return remote.n && code && (reply.n == 3 || reply.p[3] == ' ');
}

/* The last that was heard: of the entry itself, or of its route. */
static void heard(const struct round *r, size_t i, struct queue_settlement *v)
{
    const struct queue_entry *e = &r->entries[i];
    const struct queue_row_route *route = &r->route[i];
    bool of_route = route->reply.n > 0;
    v->reply = of_route ? route->reply : e->reply;
    v->remote = of_route ? route->remote : e->remote;
    v->remote_said = is_of_remote(v->reply, v->remote);
}

/* It was released behind its end, and nobody has tried it since: a courier has a while to do so. */
static bool has_a_try_left(const struct round *r, const struct queue_entry *e)
{
    return e->state == QUEUE_WAITING && r->item.message.expires < e->next && e->next <= r->now &&
           r->now - e->next < LAST_TRY;
}

static void plan(struct round *r, size_t i)
{
    struct queue_settlement *v = &r->settlements[i];
    const struct queue_entry *e = &r->entries[i];
    bool due = queue_row_deadline(&r->item.message, e) <= r->now && /* it may have changed */
               !has_a_try_left(r, e);
    bool doomed = e->state == QUEUE_DOOMED, expire = doomed || r->item.message.expires <= r->now;
    *v = (struct queue_settlement){.verdict = expire ? QUEUE_FAILED : QUEUE_DEFERRED};
    memcpy(v->status, doomed ? "5.7.0" : expire ? "5.4.7" : "4.4.7", 6);
    if (doomed)
        v->why = S("The administrator of this mail server took the message out of the queue");
    heard(r, i, v);
    r->settle.action[i] = !due ? SETTLE_KEEP : expire ? SETTLE_GONE : SETTLE_NOTICED;
    r->settle.delayed[i] = due && !expire;
}

static void trace_expired(const struct round *r, size_t i, const char *id)
{
    const struct queue_entry *e = &r->entries[i];
    const struct queue_settlement *v = &r->settlements[i];
    trace_note_at(TRACE_EXPIRED, r->settle.heard, trace_slice(TRACE_ID, r->item.message.trace),
        trace_text(TRACE_QUEUE, id), trace_slice(TRACE_TO, e->recipient),
        trace_slice(TRACE_ROUTE, e->route),
        trace_text(TRACE_WHAT, e->state == QUEUE_DOOMED ? "administrator" : "time"),
        trace_text(TRACE_STATUS, v->status), trace_slice(TRACE_REMOTE, v->remote),
        trace_slice(TRACE_REPLY, v->reply), trace_number(TRACE_ATTEMPTS, e->attempts));
}

static void log_entries(const struct round *r)
{
    char id[16];
    queue_id_text(r->item.message.id, id);
    for (size_t i = 0; i < r->item.n; i++) {
        const struct queue_entry *e = &r->entries[i];
        bool gone = r->settle.action[i] == SETTLE_GONE;
        if (r->settle.action[i] == SETTLE_KEEP)
            continue;
        metric_add(&expired, gone);
        log_info(gone ? "expired" : "delay_notice", log_slice("id", r->item.message.trace),
            log_text("queue", id), log_slice("to", e->recipient),
            log_text("status", r->settlements[i].status),
            log_slice("reply", r->settlements[i].reply), log_int("attempts", e->attempts));
        if (gone)
            trace_expired(r, i, id);
    }
}

TASK_FN
static void settle_message(struct round *r)
{
    deadline until = deadline_in(30 * CLOCK_SEC);
    if (store_read(r->q->options.store, queue_row_partition(), load_fn, r, NULL, until) !=
            OUTCOME_DONE ||
        !r->item.n)
        return;
    r->item.entries = r->entries;
    r->settle = (struct settle){.q = r->q,
        .item = &r->item,
        .settlements = r->settlements,
        .now = r->now,
        .heard = clock_wall(),
        .by_time = true};
    for (size_t i = 0; i < r->item.n; i++)
        plan(r, i);
    if (settle_run(&r->settle, until))
        log_entries(r);
}

/* A courier that met a claim of ours took it that there is nothing: its lane is told, when the
 * claim has gone. */
static void give_back(struct round *r)
{
    list_for_safe(&r->claims, node) claim_release(r->q, list_entry(node, struct claim, in));
    for (size_t i = 0; i < r->item.n; i++)
        if (r->entries[i].state == QUEUE_WAITING)
            shard_tell(r->q, r->entries[i].route, r->item.message.account, r->entries[i].next);
}

TASK_FN
static bool read_due(struct round *r)
{
    enum outcome o = store_read(
        r->q->options.store, queue_row_partition(), due_fn, r, NULL, deadline_in(30 * CLOCK_SEC));
    if (r->n) {
        const struct row *last = &r->rows[r->n - 1];
        r->from = queue_row_key_deadline(last->time, last->message, last->index);
        r->from.p[r->from.n++] = '\0';
    }
    return o == OUTCOME_DONE && r->n;
}

void clerk_begin(struct queue *q)
{
    q->tended = queue_now();
    q->absent = q->tended - RECENT;
    q->tended_at = clock_now();
    q->calm = q->tended_at + q->options.calm;
}

/* A clock that was wrong, or a machine that slept, must not make all mail fail that no courier
 * could try meanwhile. */
static void look_at_clock(struct queue *q)
{
    int64_t ahead = queue_now() - q->tended - (clock_now() - q->tended_at) / CLOCK_SEC;
    if (ahead > LEAP) {
        log_warn("clock_leapt", log_int("seconds", ahead));
        clerk_begin(q);
    }
    q->tended = queue_now();
    q->tended_at = clock_now();
}

TASK_FN
void queue_tend(struct queue *q)
{
    struct round *r = calloc(1, sizeof *r);
    look_at_clock(q);
    for (unsigned i = 0; i < q->shard_n; i++)
        shard_poke(&q->shards[i]); /* the wall clock may have been set */
    if (!r)
        return;
    r->q = q;
    r->now = queue_now();
    r->skip = clock_now() < q->calm ? q->absent : 0;
    r->from.p[0] = KEY_QUEUE_DEADLINE;
    r->from.n = 1;
    list_init(&r->claims);
    arena_init(&r->arena, ROOM);
    while (!atomic_load(&q->stopping) && read_due(r)) {
        while (r->at < r->n && !atomic_load(&q->stopping)) {
            claim_message(r);
            r->item.n = 0;
            if (!list_empty(&r->claims))
                settle_message(r);
            give_back(r);
            task_yield();
        }
        if (r->end)
            break;
    }
    arena_reset(&r->arena);
    free(r);
    sweep_routes(q, &q->swept);
}
