/* One reactor's part: the task that starts couriers when the schedule says so. */
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "queue/queue_private.h"
#include <stdlib.h>

#define LOOK_EVERY (30 * CLOCK_SEC)

METRIC(running, METRIC_GAUGE, "barid_queue_couriers", "", "Couriers at work")

struct shard *shard_of(struct queue *q, struct slice route)
{
    return &q->shards[hash_slice(route) % q->shard_n];
}

static unsigned share_of(unsigned all, unsigned shards, unsigned otherwise)
{
    unsigned n = ((all ? all : otherwise) + shards - 1) / shards;
    return n ? n : 1;
}

/* ---- couriers ---- */

static void release_all(struct queue_batch *b)
{
    struct slice route = schedule_name(b->route);
    list_for_safe(&b->claims, node)
    {
        struct claim *c = list_entry(node, struct claim, in);
        uint64_t account = c->account;
        int64_t next = c->next;
        claim_release(b->shard->q, c);
        if (next != SCHEDULE_NEVER && !schedule_note(b->shard->schedule, route, account, next))
            b->shard->spilled = true;
    }
}

static void fill(struct shard *s, int64_t now);

static void courier(void *arg)
{
    struct queue_batch *b = arg;
    struct shard *s = b->shard;
    metric_add(&running, 1);
    s->q->options.carry(s->q->options.arg, b);
    metric_add(&running, -1);
    release_all(b);
    int64_t now = queue_now();
    schedule_ended(s->schedule, b->route, b->found, now);
    /* At once: couriers that see a free place would think that nobody needs theirs. */
    fill(s, now);
    buffer_finish(&b->rows);
    free(b->window);
    free(b);
    event_raise(&s->event);
}

static bool start(struct shard *s, struct schedule_route *r)
{
    struct queue_batch *b = calloc(1, sizeof *b);
    if (b) {
        *b = (struct queue_batch){.shard = s, .route = r, .turn = deadline_in(QUEUE_BATCH_TIME)};
        list_init(&b->claims);
        event_init(&b->wake);
        buffer_init(&b->rows, (size_t)512 * 1024);
        if (scope_spawn(&s->scope, TASK_NORMAL, courier, b))
            return true;
        free(b);
    }
    schedule_ended(s->schedule, r, false, queue_now());
    shard_pause(s);
    return false;
}

static void wake(struct schedule_waiter *w, bool leave)
{
    struct queue_batch *b = list_entry(w, struct queue_batch, waiter);
    b->waiting = false;
    b->leave = leave;
    event_raise(&b->wake);
}

static void fill(struct shard *s, int64_t now)
{
    struct schedule_route *r;
    struct schedule_waiter *waiter;
    while (s->pause <= now && !atomic_load(&s->q->stopping) &&
           (r = schedule_start(s->schedule, now, &waiter))) {
        if (waiter)
            wake(waiter, false);
        else if (!start(s, r))
            break;
    }
}

/* ---- couriers that wait ---- */

TASK_FN
bool queue_await(struct queue_batch *b, deadline until)
{
    struct shard *s = b->shard;
    if (atomic_load(&s->q->stopping) || task_cancelled() ||
        !schedule_wait(s->schedule, b->route, b->found, &b->waiter, queue_now()))
        return false;
    b->waiting = b->found = true;
    event_raise(&s->event); /* there may be something by now */
    enum wait w = event_wait(&b->wake, until);
    if (b->waiting) {
        b->waiting = false;
        schedule_wait_over(s->schedule, &b->waiter);
        return false;
    }
    if (w == WAIT_TIMEOUT) /* woken in the same moment */
        w = event_wait(&b->wake, until);
    b->found = b->leave;
    b->turn = deadline_in(QUEUE_BATCH_TIME);
    return w == WAIT_OK && !b->leave;
}

/* Those that are wanted elsewhere; a few at a time, each that ends has this looked at again. */
static void evict(struct shard *s, bool all, int64_t now)
{
    struct schedule_waiter *w;
    for (unsigned i = 0; (all || i < QUEUE_EVICT) && (w = schedule_evict(s->schedule, all, now));
         i++)
        wake(w, true);
}

void shard_pause(struct shard *s)
{
    s->pause = queue_now() + QUEUE_STORE_PAUSE;
}

/* ---- the keeper ---- */

static size_t lanes_max(const struct queue *q)
{
    size_t all = q->options.routes_max ? q->options.routes_max : SCHEDULE_LANES_MAX;
    return all / q->shard_n ? all / q->shard_n : 1;
}

static void reload(void *arg)
{
    struct shard *s = arg;
    int64_t horizon = queue_now() + 2 * QUEUE_RESCAN_EVERY;
    struct schedule_figures f;
    s->spilled = false;
    schedule_shed(s->schedule, horizon);
    schedule_figures(s->schedule, &f);
    if (f.lanes < lanes_max(s->q) / 2)
        horizon = INT64_MAX; /* all may fit again */
    if (load_lanes(s->q, (int)s->index, horizon, deadline_in(60 * CLOCK_SEC)) != OUTCOME_DONE)
        s->spilled = true;
    s->rescan = queue_now() + QUEUE_RESCAN_EVERY;
    s->loading = false;
    event_raise(&s->event);
}

static void publish(struct shard *s)
{
    struct schedule_figures f;
    schedule_figures(s->schedule, &f);
    atomic_store(&s->routes, f.routes);
    atomic_store(&s->down, f.down);
    atomic_store(&s->running, f.running);
}

/* What was put down by the clock as it was must not hold anything up until it is that late again.
 */
static void set_back(struct shard *s, int64_t now)
{
    if (s->pause > now + QUEUE_STORE_PAUSE)
        s->pause = now;
    if (s->rescan > now + QUEUE_RESCAN_EVERY)
        s->rescan = now;
    schedule_set_back(s->schedule, now);
}

/* How long until there is something to do. */
static int64_t look(struct shard *s)
{
    int64_t now = queue_now();
    if (now < s->looked)
        set_back(s, now);
    s->looked = now;
    publish(s);
    if (s->spilled && !s->loading && s->rescan <= now)
        s->loading = scope_spawn(&s->scope, TASK_NORMAL, reload, s);
    fill(s, now);
    evict(s, false, now);
    int64_t next = schedule_next(s->schedule);
    next = next < s->pause ? s->pause : next;
    if (next >= now + LOOK_EVERY / CLOCK_SEC)
        return LOOK_EVERY;
    return next <= now ? CLOCK_SEC / 10 : (next - now) * CLOCK_SEC;
}

static void stopped(struct remote *r)
{
    struct shard *s = list_entry(r, struct shard, stopped);
    s->q->stopped_n++;
    event_raise(&s->q->stopped);
}

static void keep(void *arg)
{
    struct shard *s = arg;
    struct schedule_figures f;
    while (!atomic_load(&s->q->stopping))
        event_wait(&s->event, deadline_in(look(s)));
    for (;;) {
        evict(s, true, queue_now());
        schedule_figures(s->schedule, &f);
        if (!f.running || clock_now() >= s->q->stop_until)
            break;
        event_wait(&s->event, s->q->stop_until);
    }
    scope_close(&s->scope);
    reactor_send(s->q->home, &s->stopped);
}

static void start_keeper(struct remote *r)
{
    struct shard *s = list_entry(r, struct shard, start);
    task_start(&s->keeper);
}

static void poked(struct remote *r)
{
    event_raise(&list_entry(r, struct shard, poke)->event);
}

void shard_poke(struct shard *s)
{
    reactor_send(s->reactor, &s->poke);
}

bool shard_init(struct shard *s, struct queue *q, unsigned index)
{
    const struct schedule_options options = {
        .couriers = share_of(q->options.couriers, q->shard_n, SCHEDULE_COURIERS),
        .couriers_route = q->options.couriers_route,
        .lanes_max = lanes_max(q),
    };
    s->q = q;
    s->index = index;
    s->reactor = runtime_reactor(index);
    s->schedule = schedule_create(&options);
    scope_init(&s->scope);
    event_init(&s->event);
    task_request_init(&s->keeper, TASK_NORMAL, keep, s);
    s->start.fn = start_keeper;
    s->stopped.fn = stopped;
    s->poke.fn = poked;
    return s->schedule != NULL;
}

void shard_start(struct shard *s)
{
    reactor_send(s->reactor, &s->start);
}

/* ---- from anywhere ---- */

struct tidings {
    struct remote remote;
    struct shard *shard;
    uint64_t account;
    int64_t at;
    bool up;
    size_t route_n;
    char route[];
};

static void learn(struct shard *s, struct slice route, uint64_t account, int64_t at, bool up)
{
    if (up)
        schedule_up(s->schedule, route);
    else if (!schedule_note(s->schedule, route, account, at))
        s->spilled = true;
    event_raise(&s->event);
}

static void arrive(struct remote *r)
{
    struct tidings *t = list_entry(r, struct tidings, remote);
    learn(t->shard, slice(t->route, t->route_n), t->account, t->at, t->up);
    free(t);
}

static void tell(struct queue *q, struct slice route, uint64_t account, int64_t at, bool up)
{
    struct shard *s = shard_of(q, route);
    if (s->reactor == reactor_self()) {
        learn(s, route, account, at, up);
        return;
    }
    struct tidings *t = calloc(1, sizeof *t + route.n);
    if (!t) {
        log_error("queue", log_text("text", "out of memory: a route is looked at later"));
        s->spilled = true;
        return;
    }
    t->remote.fn = arrive;
    t->shard = s;
    t->account = account;
    t->at = at;
    t->up = up;
    t->route_n = route.n;
    memcpy(t->route, route.p, route.n);
    reactor_send(s->reactor, &t->remote);
}

void shard_tell(struct queue *q, struct slice route, uint64_t account, int64_t at)
{
    tell(q, route, account, at, false);
}

void shard_tell_up(struct queue *q, struct slice route)
{
    tell(q, route, 0, 0, true);
}
