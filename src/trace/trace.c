#include "base/metrics.h"
#include "trace/lane.h"
#include "trace/sweep.h"
#include <stdlib.h>

#define SWEEP_EVERY  (60 * CLOCK_SEC)
#define SWEEP_LEAST  CLOCK_SEC
#define SWEEP_ROUNDS 40 /* so many mutations at a time */

METRIC(noted, METRIC_COUNTER, "barid_trace_events_total", "result=\"noted\"",
    "Events of messages for barid trace")
METRIC(dropped, METRIC_COUNTER, "barid_trace_events_total", "result=\"dropped\"",
    "Events of messages for barid trace")

/* Made by trace_start, freed by trace_stop; both and the sweeper run on `home`. */
struct trace {
    struct store *store;
    struct reactor *home;
    struct lane *lanes; /* by reactor */
    unsigned lane_n, waiting;
    struct event flushed, swept;
    struct gate flushing;
    struct timer timer;
    struct task_request sweeper;
    bool sweeping, stopping;
};

static struct trace *_Atomic present;
static _Atomic int64_t keep_for; /* ns; 0: off */

bool trace_on(void)
{
    return atomic_load_explicit(&keep_for, memory_order_relaxed) > 0 &&
           atomic_load_explicit(&present, memory_order_acquire);
}

bool trace_covers(int64_t seconds)
{
    int64_t keep = atomic_load_explicit(&keep_for, memory_order_relaxed);
    return trace_on() && seconds >= clock_wall() / 1000000 - keep / CLOCK_SEC;
}

void trace_write(enum trace_kind kind, int64_t time, const struct trace_field *fields, size_t n)
{
    struct trace *t = atomic_load_explicit(&present, memory_order_acquire);
    struct reactor *here = reactor_self();
    bool took = t && here && lane_put(&t->lanes[reactor_index(here)], kind, time, fields, n);
    metric_add(took ? &noted : &dropped, 1);
}

/* ---- sweeping ---- */

static void plan_sweep(struct trace *t)
{
    int64_t often = atomic_load(&keep_for) / 10;
    if (often <= 0 || often > SWEEP_EVERY)
        often = SWEEP_EVERY;
    timer_start(&t->timer, deadline_in(often < SWEEP_LEAST ? SWEEP_LEAST : often));
}

static void sweep(void *arg)
{
    struct trace *t = arg;
    bool more;
    sweep_trace(t->store, clock_wall() - atomic_load(&keep_for) / CLOCK_US, SWEEP_ROUNDS, &more);
    t->sweeping = false;
    if (t->stopping)
        event_raise(&t->swept);
    else
        plan_sweep(t);
}

static void sweep_due(struct timer *timer)
{
    struct trace *t = list_entry(timer, struct trace, timer);
    t->sweeping = true;
    task_start(&t->sweeper);
}

/* ---- life ---- */

static void destroy(struct trace *t)
{
    for (unsigned i = 0; t->lanes && i < t->lane_n; i++)
        lane_finish(&t->lanes[i]);
    free(t->lanes);
    free(t);
}

TASK_FN
bool trace_start(struct store *s, int64_t keep)
{
    struct trace *t = calloc(1, sizeof *t);
    if (!t)
        return false;
    t->store = s;
    t->home = reactor_self();
    t->lane_n = runtime_reactors();
    t->lanes = calloc(t->lane_n, sizeof *t->lanes);
    bool ok = t->lanes != NULL;
    for (unsigned i = 0; t->lanes && i < t->lane_n; i++)
        ok = lane_init(&t->lanes[i], s) && ok;
    if (!ok) {
        destroy(t);
        return false;
    }
    event_init(&t->flushed);
    gate_init(&t->flushing, 1);
    event_init(&t->swept);
    timer_init(&t->timer, sweep_due);
    task_request_init(&t->sweeper, TASK_NORMAL, sweep, t);
    trace_keep(keep);
    atomic_store(&present, t);
    plan_sweep(t);
    return true;
}

void trace_keep(int64_t keep)
{
    atomic_store(&keep_for, keep);
}

static void lane_is_flushed(void *arg)
{
    struct trace *t = arg;
    if (--t->waiting == 0)
        event_raise(&t->flushed);
}

TASK_FN
static void flush(struct trace *t, bool close)
{
    t->waiting = t->lane_n;
    for (unsigned i = 0; i < t->lane_n; i++)
        lane_flush(&t->lanes[i], runtime_reactor(i), close, lane_is_flushed, t);
    while (t->waiting)
        event_await(&t->flushed);
}

struct flush_call {
    struct trace *trace;
    struct task_request request;
    struct remote there, back;
    struct reactor *from;
    struct event done;
};

static void flush_back(struct remote *r)
{
    event_raise(&list_entry(r, struct flush_call, back)->done);
}

static void flush_task(void *arg)
{
    struct flush_call *c = arg;
    gate_enter(&c->trace->flushing, DEADLINE_NEVER);
    flush(c->trace, false);
    gate_leave(&c->trace->flushing);
    reactor_send(c->from, &c->back);
}

static void flush_there(struct remote *r)
{
    task_start(&list_entry(r, struct flush_call, there)->request);
}

/* On home, where one goes after the other. */
TASK_FN
void trace_flush(void)
{
    struct flush_call c = {.trace = atomic_load(&present), .from = reactor_self()};
    if (!c.trace)
        return;
    task_request_init(&c.request, TASK_NORMAL, flush_task, &c);
    c.there.fn = flush_there;
    c.back.fn = flush_back;
    event_init(&c.done);
    reactor_send(c.trace->home, &c.there);
    event_await(&c.done);
}

/* A lane is closed on its own reactor, so behind any note that still found the trace. */
TASK_FN
void trace_stop(void)
{
    struct trace *t = atomic_load(&present);
    if (!t)
        return;
    t->stopping = true;
    timer_stop(&t->timer);
    while (t->sweeping)
        event_await(&t->swept);
    gate_enter(&t->flushing, DEADLINE_NEVER);
    atomic_store(&present, NULL);
    flush(t, true);
    trace_keep(0);
    destroy(t);
}
