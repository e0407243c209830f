#include "trace/lane.h"
#include "base/metrics.h"
#include "base/random.h"
#include <stdlib.h>

#define PATIENCE  (30 * CLOCK_SEC)
#define PAUSE     (5 * CLOCK_SEC)
#define SAME_TIME 100000 /* us: a clock that was set back further is believed */

METRIC(rows_written, METRIC_COUNTER, "barid_trace_rows_written_total", "",
    "Rows of the trace written, some of them again")
METRIC(bytes_written, METRIC_COUNTER, "barid_trace_bytes_written_total", "",
    "Bytes of the trace written, compressed")

/* ---- writing ---- */

struct put {
    char key[CHUNK_KEY];
    struct slice row;
};

static enum outcome put_fn(struct store_txn *t, void *arg)
{
    const struct put *p = arg;
    store_put(t, slice(p->key, sizeof p->key), p->row);
    return OUTCOME_DONE;
}

/* Puts the same row whatever came of an earlier try. False: the store does not take it now. */
TASK_FN
static bool store_sheet(struct lane *l, struct sheet *s)
{
    struct put put;
    size_t n = s->n; /* more may come to it meanwhile */
    put.row = slice(l->row, chunk_pack(l->zstd, slice(s->events, n), l->row));
    chunk_key(s->first, s->tail, put.key);
    if (!put.row.n)
        return false;
    struct store_mutation m = {.partition = chunk_partition(), .fn = put_fn, .arg = &put};
    if (store_mutate(l->store, &m, NULL, deadline_in(PATIENCE)) != OUTCOME_DONE) {
        l->pause = deadline_in(PAUSE);
        return false;
    }
    s->stored = n;
    metric_add(&rows_written, 1);
    metric_add(&bytes_written, (int64_t)put.row.n);
    return true;
}

static void seal(struct lane *l)
{
    if (l->open)
        list_push_back(&l->full, &l->open->node);
    l->open = NULL;
}

TASK_FN
static bool store_full(struct lane *l)
{
    while (!list_empty(&l->full)) {
        struct sheet *s = list_entry(l->full.next, struct sheet, node);
        if (s->stored < s->n && !store_sheet(l, s))
            return false;
        list_remove(&s->node);
        list_push_front(&l->spare, &s->node); /* its memory is warm */
    }
    return true;
}

static bool dirty(const struct lane *l)
{
    return !list_empty(&l->full) || (l->open && l->open->stored < l->open->n);
}

static void grant(struct remote *r)
{
    struct lane *l = list_entry(r, struct lane, granted);
    l->done(l->arg);
}

/* A wish that came meanwhile wants what came before it: once more. */
static void write_all(void *arg)
{
    struct lane *l = arg;
    bool wished;
    do {
        wished = l->wished;
        if (l->closing)
            seal(l);
        if (store_full(l) && l->open && l->open->stored < l->open->n)
            store_sheet(l, l->open);
    } while (wished != l->wished);
    l->writing = false;
    if (dirty(l) && !l->closing)
        timer_start(&l->timer, l->pause > clock_now() ? l->pause : deadline_in(LANE_EVERY));
    if (!wished)
        return;
    l->wished = false;
    if (l->closing)
        timer_stop(&l->timer);
    reactor_send(l->home, &l->granted);
}

static void start_writing(struct lane *l)
{
    if (l->writing)
        return;
    l->writing = true;
    task_start(&l->request);
}

static void fire(struct timer *t)
{
    start_writing(list_entry(t, struct lane, timer));
}

/* ---- notes ---- */

static bool open_sheet(struct lane *l, int64_t now)
{
    struct list *node = list_pop_front(&l->spare);
    if (!node)
        return false;
    l->open = list_entry(node, struct sheet, node);
    l->open->tail = random_u64();
    l->open->first = now;
    l->open->opened = reactor_now();
    l->open->n = l->open->stored = 0;
    return true;
}

/* Two notes never have the same time, so that their order is known. */
static int64_t next_time(struct lane *l)
{
    int64_t now = clock_wall();
    if (now <= l->last && l->last - now < SAME_TIME)
        now = l->last + 1;
    return l->last = now;
}

bool lane_put(
    struct lane *l, enum trace_kind kind, int64_t time, const struct trace_field *fields, size_t n)
{
    int64_t now = time ? time : next_time(l);
    if (atomic_load_explicit(&l->closing, memory_order_relaxed))
        return false;
    if (l->open && reactor_now() - l->open->opened > LANE_SHEET_AGE)
        seal(l);
    for (;;) {
        if (!l->open && !open_sheet(l, now))
            return false;
        struct sheet *s = l->open;
        size_t took = chunk_put(s->events + s->n, CHUNK_EVENTS - s->n, kind, now, fields, n);
        if (took) {
            if (s->n == s->stored && !l->writing)
                timer_start(&l->timer, deadline_in(LANE_EVERY));
            s->n += took;
            return true;
        }
        seal(l);
        if (clock_now() >= l->pause)
            start_writing(l);
    }
}

/* ---- life ---- */

static void wished(struct remote *r)
{
    struct lane *l = list_entry(r, struct lane, wish);
    l->wished = true;
    start_writing(l);
}

bool lane_init(struct lane *l, struct store *s)
{
    *l = (struct lane){.store = s};
    list_init(&l->full);
    list_init(&l->spare);
    timer_init(&l->timer, fire);
    task_request_init(&l->request, TASK_NORMAL, write_all, l);
    l->wish.fn = wished;
    l->granted.fn = grant;
    l->sheets = calloc(LANE_SHEETS, sizeof *l->sheets);
    l->row = malloc(CHUNK_ROW_MAX);
    l->zstd = chunk_zstd_create();
    for (size_t i = 0; l->sheets && i < LANE_SHEETS; i++)
        list_push_back(&l->spare, &l->sheets[i].node);
    return l->sheets && l->row && l->zstd;
}

void lane_finish(struct lane *l)
{
    chunk_zstd_destroy(l->zstd);
    free(l->row);
    free(l->sheets);
}

void lane_flush(struct lane *l, struct reactor *of, bool close, void (*done)(void *arg), void *arg)
{
    l->home = reactor_self();
    l->done = done;
    l->arg = arg;
    l->closing = close;
    reactor_send(of, &l->wish);
}
