#include "queue/queue.h"
#include "base/log.h"
#include "base/metrics.h"
#include "queue/queue_private.h"
#include "trace/trace.h"
#include <stdio.h>
#include <stdlib.h>

#define CLAIMS_MAX 65536

METRIC(entries_now, METRIC_GAUGE, "barid_queue_entries", "", "Entries in the queue now")
METRIC(messages_now, METRIC_GAUGE, "barid_queue_messages", "", "Messages in the queue now")
METRIC(held_now, METRIC_GAUGE, "barid_queue_held", "", "Entries in the queue that are held")
METRIC(routes_now, METRIC_GAUGE, "barid_queue_routes", "state=\"known\"", "Routes in memory")
METRIC(routes_down, METRIC_GAUGE, "barid_queue_routes", "state=\"down\"", "Routes in memory")
METRIC(queued, METRIC_COUNTER, "barid_queue_entries_total", "what=\"queued\"",
    "Entries of the queue: one for each message and recipient")

struct limit {
    uint64_t entries_max;
};

/* The maximum stands in the store, where queue_put needs it. */
static enum outcome limit_fn(struct store_txn *t, void *arg)
{
    const struct limit *l = arg;
    struct queue_row_header h;
    if (!queue_row_get_header(store_txn_view(t), &h))
        return OUTCOME_REFUSED;
    h.entries_max = l->entries_max;
    queue_row_put_header(t, &h);
    return OUTCOME_DONE;
}

static enum outcome set_limit(struct queue *q, deadline until)
{
    struct limit l = {q->options.entries_max ? q->options.entries_max : QUEUE_ENTRIES_MAX};
    struct store_mutation m = {.partition = queue_row_partition(), .fn = limit_fn, .arg = &l};
    enum outcome o = store_mutate(q->options.store, &m, NULL, until);
    for (int i = 0; i < 3 && (o == OUTCOME_FAILED || o == OUTCOME_UNKNOWN); i++)
        o = store_mutate(q->options.store, &m, NULL, until); /* writes the same again */
    return o;
}

static void hurried(struct remote *r)
{
    event_raise(&list_entry(r, struct queue, hurry)->tend);
}

static struct queue *create(const struct queue_options *options)
{
    struct queue *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->options = *options;
    q->home = reactor_self();
    q->shard_n = runtime_reactors();
    event_init(&q->stopped);
    event_init(&q->tend);
    q->hurry.fn = hurried;
    pthread_mutex_init(&q->mutex, NULL);
    table_init(&q->claims, CLAIMS_MAX);
    q->shards = calloc(q->shard_n, sizeof *q->shards);
    bool ok = q->shards != NULL;
    for (unsigned i = 0; ok && i < q->shard_n; i++)
        ok = shard_init(&q->shards[i], q, i);
    if (ok)
        return q;
    queue_close(q);
    return NULL;
}

TASK_FN
struct queue *queue_open(const struct queue_options *options, char why[256], deadline until)
{
    struct queue *q = create(options);
    if (!q) {
        snprintf(why, 256, "out of memory while the queue was opened");
        return NULL;
    }
    clerk_begin(q);
    enum outcome o = set_limit(q, until);
    if (o == OUTCOME_DONE && load_lanes(q, -1, INT64_MAX, until) == OUTCOME_DONE)
        return q;
    snprintf(why, 256, "%s",
        o == OUTCOME_REFUSED ? "the header of the queue is damaged or of a newer format"
                             : "the queue could not be read: see the log");
    queue_close(q);
    return NULL;
}

TASK_FN
static void measure(struct queue *q)
{
    struct queue_figures f;
    if (!queue_figures(q, &f, deadline_in(10 * CLOCK_SEC)))
        return;
    metric_set(&entries_now, (int64_t)f.entries);
    metric_set(&messages_now, (int64_t)f.messages);
    metric_set(&held_now, (int64_t)f.held);
    metric_set(&routes_now, (int64_t)f.routes);
    metric_set(&routes_down, (int64_t)f.routes_down);
}

static void tend(void *arg)
{
    struct queue *q = arg;
    while (!atomic_load(&q->stopping)) {
        queue_tend(q);
        measure(q);
        event_wait(&q->tend, deadline_in(QUEUE_TEND_EVERY));
    }
    q->tending = false;
    event_raise(&q->stopped);
}

void queue_hurry(struct queue *q)
{
    reactor_send(q->home, &q->hurry);
}

void queue_start(struct queue *q)
{
    atomic_store(&q->started, true);
    for (unsigned i = 0; i < q->shard_n; i++)
        shard_start(&q->shards[i]);
    q->tending = true;
    task_request_init(&q->tender, TASK_NORMAL, tend, q);
    task_start(&q->tender);
}

TASK_FN
void queue_stop(struct queue *q, deadline until)
{
    if (!atomic_load(&q->started) || atomic_load(&q->stopping))
        return;
    q->stop_until = until;
    atomic_store(&q->stopping, true);
    for (unsigned i = 0; i < q->shard_n; i++)
        shard_poke(&q->shards[i]);
    event_raise(&q->tend);
    while (q->stopped_n < q->shard_n || q->tending)
        event_await(&q->stopped);
}

void queue_close(struct queue *q)
{
    if (!q)
        return;
    for (unsigned i = 0; q->shards && i < q->shard_n; i++)
        schedule_destroy(q->shards[i].schedule);
    free(q->shards);
    free(q->rates);
    table_finish(&q->claims);
    pthread_mutex_destroy(&q->mutex);
    free(q);
}

/* As text, for each recipient a line of its own: reports find their own with the message. */
static void trace_queued(const struct queue_new *new, const char *id)
{
    const struct queue_message *m = &new->message;
    const char *what = m->flags & QUEUE_IS_REPORT ? "report" : m->alias.n ? "forwarded" : "message";
    for (size_t i = 0; i < new->n; i++) {
        const struct queue_recipient *r = &new->recipients[i];
        trace_note(TRACE_QUEUED, trace_slice(TRACE_ID, m->trace), trace_text(TRACE_QUEUE, id),
            trace_slice(TRACE_FROM, m->sender), trace_slice(TRACE_TO, r->address),
            trace_slice(TRACE_ALIAS, m->alias), trace_slice(TRACE_ROUTE, r->route),
            trace_text(TRACE_WHAT, r->held ? "held" : what), trace_number(TRACE_SIZE, m->size));
    }
}

void queue_wake(struct queue *q, const struct queue_new *new)
{
    const struct queue_message *m = &new->message;
    int64_t at = m->hold_until > m->created ? m->hold_until : m->created;
    char id[16];
    struct slice last = {0};
    queue_id_text(m->id, id);
    metric_add(&queued, (int64_t) new->n);
    log_info("queued", log_slice("id", m->trace), log_text("queue", id),
        log_slice("from", m->sender), log_int("recipients", (int64_t) new->n),
        log_int("size", (int64_t)m->size));
    trace_queued(new, id);
    for (size_t i = 0; i < new->n; i++) {
        const struct queue_recipient *r = &new->recipients[i];
        if (r->held || slice_eq(r->route, last))
            continue;
        last = r->route;
        shard_tell(q, r->route, m->account, at);
    }
}

static void header_fn(struct store_view *v, void *arg)
{
    struct queue_row_header *h = arg;
    if (!queue_row_get_header(v, h))
        *h = (struct queue_row_header){0};
}

TASK_FN
bool queue_figures(struct queue *q, struct queue_figures *f, deadline until)
{
    struct queue_row_header h;
    *f = (struct queue_figures){0};
    if (store_read(q->options.store, queue_row_partition(), header_fn, &h, NULL, until) !=
        OUTCOME_DONE)
        return false;
    f->entries = h.entries;
    f->messages = h.messages;
    f->bytes = h.bytes;
    f->held = h.held;
    for (unsigned i = 0; i < q->shard_n; i++) {
        f->routes += atomic_load(&q->shards[i].routes);
        f->routes_down += atomic_load(&q->shards[i].down);
        f->couriers += atomic_load(&q->shards[i].running);
    }
    return true;
}
