#include "queue/schedule.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/table.h"
#include "queue/heap.h"
#include <stdlib.h>

enum class { PROVEN, NEW, SUSPECT, CLASSES };

struct schedule_lane {
    struct heap_node node; /* among the lanes of its route while it has work */
    struct table_node by_account;
    struct schedule_route *route;
    uint64_t account;
    int64_t served;
    uint64_t notes; /* so that an older look into the store hides no newer note */
    unsigned readers;
};

struct schedule_route {
    struct heap_node node; /* in the heap of its class while another courier may start */
    struct table_node by_name;
    struct list idle;
    struct heap lanes;
    int64_t until, served; /* end of the back-off, 0: up; the last start */
    uint32_t failures;
    unsigned lane_n, running, limit;
    unsigned credit;     /* successes while more was due */
    struct list waiters; /* of those that run */
    unsigned waiting;
    bool asking; /* the last that started has not found anything yet: no other starts meanwhile */
    bool proven;
    enum class class;
    size_t name_n;
    char name[];
};

struct schedule {
    struct schedule_options options;
    struct table routes, lanes;
    struct heap heaps[CLASSES];
    unsigned running_of[CLASSES], caps[CLASSES], running;
    struct list idle, waiters;
    size_t idle_n, down, waiting;
    uint64_t turns;
};

static unsigned at_least_one(unsigned n)
{
    return n ? n : 1;
}

struct schedule *schedule_create(const struct schedule_options *options)
{
    struct schedule *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->options = *options;
    if (!s->options.couriers)
        s->options.couriers = SCHEDULE_COURIERS;
    if (!s->options.couriers_route)
        s->options.couriers_route = SCHEDULE_COURIERS_ROUTE;
    if (!s->options.lanes_max)
        s->options.lanes_max = SCHEDULE_LANES_MAX;
    if (!s->options.random)
        s->options.random = random_below;
    s->caps[PROVEN] = s->options.couriers;
    s->caps[NEW] = at_least_one(s->options.couriers / 2);
    s->caps[SUSPECT] = at_least_one(s->options.couriers / 4);
    table_init(&s->lanes, s->options.lanes_max);
    table_init(&s->routes, s->options.lanes_max + SCHEDULE_IDLE_MAX + 1);
    list_init(&s->idle);
    list_init(&s->waiters);
    return s;
}

static void destroy_all(struct table *t, size_t offset)
{
    for (size_t i = 0; t->slots && i < t->slot_count; i++)
        for (struct table_node *node = t->slots[i], *next; node; node = next) {
            next = node->next;
            free((char *)node - offset);
        }
    table_finish(t);
}

void schedule_destroy(struct schedule *s)
{
    if (!s)
        return;
    destroy_all(&s->lanes, offsetof(struct schedule_lane, by_account));
    destroy_all(&s->routes, offsetof(struct schedule_route, by_name));
    free(s);
}

int64_t schedule_gap(const struct schedule *s, uint32_t failures)
{
    int64_t gap = SCHEDULE_GAP_FIRST;
    for (uint32_t i = 1; i < failures && gap < SCHEDULE_GAP_MAX; i++)
        gap *= 2;
    if (gap > SCHEDULE_GAP_MAX)
        gap = SCHEDULE_GAP_MAX;
    return gap - gap / 5 + (int64_t)s->options.random((uint64_t)(2 * (gap / 5) + 1));
}

/* ---- where a route stands ---- */

static enum class class_of(const struct schedule_route *r) {
    return r->failures ? SUSPECT
           : r->proven ? PROVEN
                       : NEW;
}

static unsigned limit_of(const struct schedule_route *r)
{
    return r->failures ? 1 : r->limit;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void set_class(struct schedule *s, struct schedule_route *r)
{
    enum class class = class_of(r);
    if (class == r->class)
        return;
    heap_remove(&s->heaps[r->class], &r->node);
    s->running_of[r->class] -= r->running;
    s->running_of[class] += r->running;
    r->class = class;
}

/* After every change of the route. Moves it only when its time changed, so that it keeps its turn
 * among equals. */
static void place(struct schedule *s, struct schedule_route *r)
{
    set_class(s, r);
    struct heap *h = &s->heaps[r->class];
    if (!r->lanes.top || r->asking || r->running - r->waiting >= limit_of(r)) {
        heap_remove(h, &r->node);
        return;
    }
    int64_t at = later(later(r->lanes.top->at, r->until), r->served);
    if (!r->node.in || r->node.at != at)
        heap_put(h, &r->node, at, s->turns++);
}

/* ---- routes and lanes come and go ---- */

static struct schedule_route *find_route(const struct schedule *s, struct slice name)
{
    struct table_node *n = table_find(&s->routes, hash_slice(name));
    for (; n; n = table_find_next(n)) {
        struct schedule_route *r = list_entry(n, struct schedule_route, by_name);
        if (slice_eq(schedule_name(r), name))
            return r;
    }
    return NULL;
}

static void drop_route(struct schedule *s, struct schedule_route *r)
{
    heap_remove(&s->heaps[r->class], &r->node);
    table_remove(&s->routes, &r->by_name);
    s->down -= r->failures > 0;
    free(r);
}

static void wake_route(struct schedule *s, struct schedule_route *r)
{
    if (list_empty(&r->idle))
        return;
    list_remove(&r->idle);
    s->idle_n--;
}

/* A route without work is remembered for a while, with its pace. */
static void rest_route(struct schedule *s, struct schedule_route *r)
{
    if (r->lane_n || r->running || !list_empty(&r->idle))
        return;
    list_push_back(&s->idle, &r->idle);
    if (++s->idle_n <= SCHEDULE_IDLE_MAX)
        return;
    struct schedule_route *oldest =
        list_entry(list_pop_front(&s->idle), struct schedule_route, idle);
    s->idle_n--;
    drop_route(s, oldest);
}

static struct schedule_route *take_route(struct schedule *s, struct slice name)
{
    struct schedule_route *r = find_route(s, name);
    if (r) {
        wake_route(s, r);
        return r;
    }
    r = calloc(1, sizeof *r + name.n);
    if (!r)
        return NULL;
    r->limit = SCHEDULE_FIRST_LIMIT < s->options.couriers_route ? SCHEDULE_FIRST_LIMIT
                                                                : s->options.couriers_route;
    r->class = NEW;
    r->name_n = name.n;
    memcpy(r->name, name.p, name.n);
    list_init(&r->idle);
    list_init(&r->waiters);
    if (!table_insert(&s->routes, &r->by_name, hash_slice(name))) {
        free(r);
        return NULL;
    }
    return r;
}

static uint64_t lane_hash(const struct schedule_route *r, uint64_t account)
{
    uint64_t both[2] = {r->by_name.hash, account};
    return hash_slice(slice(both, sizeof both));
}

static struct schedule_lane *take_lane(
    struct schedule *s, struct schedule_route *r, uint64_t account)
{
    uint64_t hash = lane_hash(r, account);
    struct table_node *n = table_find(&s->lanes, hash);
    for (; n; n = table_find_next(n)) {
        struct schedule_lane *lane = list_entry(n, struct schedule_lane, by_account);
        if (lane->route == r && lane->account == account)
            return lane;
    }
    struct schedule_lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->route = r;
    lane->account = account;
    if (!table_insert(&s->lanes, &lane->by_account, hash)) {
        free(lane);
        return NULL;
    }
    r->lane_n++;
    return lane;
}

static void drop_lane(struct schedule *s, struct schedule_lane *lane)
{
    heap_remove(&lane->route->lanes, &lane->node);
    table_remove(&s->lanes, &lane->by_account);
    lane->route->lane_n--;
    free(lane);
}

bool schedule_note(struct schedule *s, struct slice route, uint64_t account, int64_t at)
{
    struct schedule_route *r = take_route(s, route);
    if (!r)
        return false;
    struct schedule_lane *lane = take_lane(s, r, account);
    if (lane) {
        lane->notes++;
        at = later(at, lane->served);
        if (!lane->node.in || at < lane->node.at)
            heap_put(&r->lanes, &lane->node, at, s->turns++);
        place(s, r);
    }
    rest_route(s, r);
    return lane != NULL;
}

bool schedule_restore(struct schedule *s, struct slice route, uint32_t failures, int64_t until)
{
    struct schedule_route *r = find_route(s, route);
    if (r && failures) {
        s->down += r->failures == 0;
        r->failures = failures;
        r->until = until;
        place(s, r);
    }
    return r != NULL;
}

static void set_up(struct schedule *s, struct schedule_route *r)
{
    s->down -= r->failures > 0;
    r->failures = 0;
    r->until = 0;
    place(s, r);
}

void schedule_up(struct schedule *s, struct slice route)
{
    struct schedule_route *r = find_route(s, route);
    if (r)
        set_up(s, r);
}

void schedule_shed(struct schedule *s, int64_t from)
{
    for (size_t i = 0; s->lanes.slots && i < s->lanes.slot_count; i++)
        for (struct table_node *node = s->lanes.slots[i], *next; node; node = next) {
            next = node->next;
            struct schedule_lane *lane = list_entry(node, struct schedule_lane, by_account);
            struct schedule_route *r = lane->route;
            if (lane->readers || !lane->node.in || later(lane->node.at, r->until) < from)
                continue;
            drop_lane(s, lane);
            place(s, r);
            rest_route(s, r);
        }
}

static void set_back_lane(struct schedule *s, struct schedule_lane *lane, int64_t now)
{
    bool waits = lane->node.in && lane->node.at <= lane->served;
    if (lane->served <= now)
        return;
    lane->served = now;
    if (waits) /* for its turn alone */
        heap_put(&lane->route->lanes, &lane->node, now, s->turns++);
}

static void set_back_route(struct schedule *s, struct schedule_route *r, int64_t now)
{
    if (r->served > now)
        r->served = now;
    if (r->until > now + SCHEDULE_GAP_MAX)
        r->until = now + SCHEDULE_GAP_MAX;
    place(s, r);
}

void schedule_set_back(struct schedule *s, int64_t now)
{
    for (size_t i = 0; s->lanes.slots && i < s->lanes.slot_count; i++)
        for (struct table_node *n = s->lanes.slots[i]; n; n = n->next)
            set_back_lane(s, list_entry(n, struct schedule_lane, by_account), now);
    for (size_t i = 0; s->routes.slots && i < s->routes.slot_count; i++)
        for (struct table_node *n = s->routes.slots[i]; n; n = n->next)
            set_back_route(s, list_entry(n, struct schedule_route, by_name), now);
}

/* ---- couriers ---- */

static bool class_has_room(const struct schedule *s, enum class class)
{
    return s->running < s->options.couriers && s->running_of[class] < s->caps[class];
}

/* Is there a courier for the first route of this class? */
static bool may_start(const struct schedule *s, enum class class, const struct heap_node *top)
{
    return list_entry(top, struct schedule_route, node)->waiting || class_has_room(s, class);
}

/* The earliest of the classes that have a courier free. */
static struct schedule_route *first(const struct schedule *s)
{
    const struct heap_node *best = NULL;
    for (int i = 0; i < CLASSES; i++) {
        const struct heap_node *top = s->heaps[i].top;
        if (top && may_start(s, (enum class)i, top) && (!best || heap_before(top, best)))
            best = top;
    }
    return best ? list_entry(best, struct schedule_route, node) : NULL;
}

int64_t schedule_next(const struct schedule *s)
{
    const struct schedule_route *r = first(s);
    return r ? r->node.at : SCHEDULE_NEVER;
}

struct schedule_route *schedule_start(
    struct schedule *s, int64_t now, struct schedule_waiter **waiter)
{
    struct schedule_route *r = first(s);
    if (waiter)
        *waiter = NULL;
    if (!r || r->node.at > now)
        return NULL;
    r->asking = true;
    r->served = now;
    if (r->waiting && waiter) { /* the last that came: the others' connections may end */
        *waiter = list_entry(r->waiters.prev, struct schedule_waiter, of_route);
        schedule_wait_over(s, *waiter);
        return r;
    }
    r->running++;
    s->running++;
    s->running_of[r->class]++;
    place(s, r);
    return r;
}

void schedule_ended(struct schedule *s, struct schedule_route *r, bool found, int64_t now)
{
    r->running--;
    s->running--;
    s->running_of[r->class]--;
    if (!found)
        r->asking = false;
    r->served = later(r->served, now);
    place(s, r);
    rest_route(s, r);
}

struct slice schedule_name(const struct schedule_route *r)
{
    return slice(r->name, r->name_n);
}

/* Does another route wait for a courier of this one? One at work leaves only for a route that has
 * fewer, one without work for a route that has none, or couriers would change places, and
 * connections, without end. */
static bool wanted_elsewhere(
    const struct schedule *s, const struct schedule_route *r, bool at_work, int64_t now)
{
    for (int i = 0; i < CLASSES; i++) {
        const struct heap_node *top = s->heaps[i].top;
        bool mine = s->running >= s->options.couriers || i == (int)r->class;
        if (!top || top->at > now || top == &r->node || !mine || may_start(s, (enum class)i, top))
            continue;
        const struct schedule_route *other = list_entry(top, struct schedule_route, node);
        if (other->running - other->waiting < (at_work ? r->running - r->waiting : 1))
            return true;
    }
    return false;
}

bool schedule_stay(const struct schedule *s, const struct schedule_route *r, int64_t now)
{
    return r->until <= now && r->running - r->waiting <= limit_of(r) &&
           !wanted_elsewhere(s, r, true, now);
}

/* A quarter is left to routes that come up. */
static size_t waiters_max(const struct schedule *s)
{
    return s->options.couriers - s->options.couriers / 4;
}

bool schedule_wait(struct schedule *s, struct schedule_route *r, bool found,
    struct schedule_waiter *waiter, int64_t now)
{
    bool others = s->waiting >= waiters_max(s); /* one of each route */
    if (r->waiting >= (others ? 1 : SCHEDULE_WAITERS_ROUTE) || r->failures ||
        wanted_elsewhere(s, r, false, now))
        return false;
    waiter->route = r;
    list_push_back(&r->waiters, &waiter->of_route);
    list_push_back(&s->waiters, &waiter->of_all);
    r->waiting++;
    s->waiting++;
    r->limit = at_least_one(r->limit - 1);
    if (!found)
        r->asking = false;
    place(s, r);
    return true;
}

void schedule_wait_over(struct schedule *s, struct schedule_waiter *waiter)
{
    list_remove(&waiter->of_route);
    list_remove(&waiter->of_all);
    waiter->route->waiting--;
    s->waiting--;
    place(s, waiter->route);
}

struct schedule_waiter *schedule_evict(struct schedule *s, bool all, int64_t now)
{
    if (list_empty(&s->waiters))
        return NULL;
    struct schedule_waiter *oldest = list_entry(s->waiters.next, struct schedule_waiter, of_all);
    bool many = s->waiting > waiters_max(s);
    if (!all && !many && !wanted_elsewhere(s, oldest->route, false, now))
        return NULL;
    schedule_wait_over(s, oldest);
    return oldest;
}

bool schedule_pick(
    struct schedule *s, struct schedule_route *r, int64_t now, struct schedule_pick *pick)
{
    struct heap_node *top = r->lanes.top;
    if (!top || top->at > now || r->until > now)
        return false;
    struct schedule_lane *lane = list_entry(top, struct schedule_lane, node);
    lane->readers++;
    lane->served = now;
    heap_put(&r->lanes, &lane->node, now, s->turns++);
    place(s, r);
    *pick = (struct schedule_pick){.account = lane->account, .lane = lane, .notes = lane->notes};
    return true;
}

void schedule_picked(struct schedule *s, struct schedule_route *r, const struct schedule_pick *pick,
    int64_t next, bool found, int64_t now)
{
    struct schedule_lane *lane = pick->lane;
    lane->readers--;
    if (lane->notes == pick->notes) {
        if (next == SCHEDULE_NEVER)
            heap_remove(&r->lanes, &lane->node);
        else if (!lane->node.in || lane->node.at != later(next, lane->served))
            heap_put(&r->lanes, &lane->node, later(next, lane->served), s->turns++);
    }
    if (!lane->node.in && !lane->readers)
        drop_lane(s, lane);
    if (found)
        r->asking = false;
    place(s, r);
}

void schedule_success(struct schedule *s, struct schedule_route *r, int64_t now)
{
    bool more = r->lanes.top && r->lanes.top->at <= now;
    r->proven = true;
    r->credit = more ? r->credit + 1 : 0;
    if (r->credit >= SCHEDULE_GROWTH * r->limit) {
        r->limit += r->limit < s->options.couriers_route;
        r->credit = 0;
    }
    set_up(s, r);
}

void schedule_deferred(struct schedule *s, struct schedule_route *r)
{
    r->limit = at_least_one(r->limit / 2);
    place(s, r);
}

void schedule_down(struct schedule *s, struct schedule_route *r, int64_t now)
{
    if (r->until > now)
        return;
    s->down += r->failures == 0;
    r->failures++;
    r->until = now + schedule_gap(s, r->failures);
    r->limit = 1;
    place(s, r);
}

uint32_t schedule_failures(const struct schedule_route *r, int64_t *until)
{
    *until = r->until;
    return r->failures;
}

void schedule_figures(const struct schedule *s, struct schedule_figures *f)
{
    *f = (struct schedule_figures){
        .routes = s->routes.n, .lanes = s->lanes.n, .down = s->down, .running = s->running};
}
