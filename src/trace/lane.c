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

/* Several rows in one mutation: each has its commit, which deliveries would wait for. */
struct batch {
    size_t n, used;
    struct {
        char key[CHUNK_KEY];
        struct slice row;
    } puts[LANE_BATCH];
};

static enum outcome put_fn(struct store_txn *t, void *arg)
{
    const struct batch *b = arg;
    for (size_t i = 0; i < b->n; i++)
        store_put(t, slice(b->puts[i].key, CHUNK_KEY), b->puts[i].row);
    return OUTCOME_DONE;
}

/* False: no room, or out of memory. */
static bool add(struct lane *l, struct batch *b, const struct sheet *s)
{
    if (b->n == LANE_BATCH || LANE_ROWS - b->used < CHUNK_ROW_MAX)
        return false;
    char *to = l->rows + b->used;
    size_t n = chunk_pack(l->zstd, slice(s->events, s->n), to);
    if (!n)
        return false;
    chunk_key(s->first, s->tail, b->puts[b->n].key);
    b->puts[b->n++].row = slice(to, n);
    b->used += n;
    return true;
}

static void seal(struct lane *l)
{
    if (!l->open)
        return;
    list_push_back(&l->full, &l->open->node);
    l->full_n++;
    l->open = NULL;
}

/* The first full one is done with. */
static void spare(struct lane *l)
{
    struct list *node = list_pop_front(&l->full);
    list_push_front(&l->spare, node); /* its memory is warm */
    l->full_n--;
}

/* Puts the same rows whatever came of an earlier try. False: nothing was there, or the store does
 * not take it now. */
TASK_FN
static bool store_batch(struct lane *l)
{
    struct batch b = {0};
    struct sheet *open = l->open;
    size_t n = open ? open->n : 0; /* more may come to it meanwhile */
    list_for(&l->full, node) if (!add(l, &b, list_entry(node, struct sheet, node))) break;
    size_t full = b.n;
    bool with_open = full == l->full_n && open && open->stored < n && add(l, &b, open);
    struct store_mutation m = {.partition = chunk_partition(), .fn = put_fn, .arg = &b};
    if (!b.n)
        return false;
    if (store_mutate(l->store, &m, NULL, deadline_in(PATIENCE)) != OUTCOME_DONE) {
        l->pause = deadline_in(PAUSE);
        return false;
    }
    if (with_open)
        open->stored = n;
    while (full--)
        spare(l);
    metric_add(&rows_written, (int64_t)b.n);
    metric_add(&bytes_written, (int64_t)b.used);
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
        while (store_batch(l) && l->full_n)
            ;
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
        if (l->full_n >= LANE_SHEETS / 2 && clock_now() >= l->pause)
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
    l->rows = malloc(LANE_ROWS);
    l->zstd = chunk_zstd_create();
    for (size_t i = 0; l->sheets && i < LANE_SHEETS; i++)
        list_push_back(&l->spare, &l->sheets[i].node);
    return l->sheets && l->rows && l->zstd;
}

void lane_finish(struct lane *l)
{
    chunk_zstd_destroy(l->zstd);
    free(l->rows);
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
