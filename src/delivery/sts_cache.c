/* Policies that are in force: kept in the store, fetched by one task at a time for each domain. */
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/table.h"
#include "delivery/remote.h"
#include "delivery/sts_private.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STORE   (30 * CLOCK_SEC)
#define FLIGHTS 1024 /* domains whose policies are being fetched at once */
#define TURNS   3    /* fetches of others that one waits for */
#define HELD    4096 /* domains with a failed fetch; on one place the last one counts */

METRIC(fetched, METRIC_COUNTER, "barid_sts_fetches_total", "result=\"fetched\"",
    "MTA-STS policies fetched")
METRIC(unfetched, METRIC_COUNTER, "barid_sts_fetches_total", "result=\"failed\"",
    "MTA-STS policies fetched")
METRIC(refused, METRIC_COUNTER, "barid_sts_fetches_total", "result=\"not kept\"",
    "MTA-STS policies fetched")

/* A fetch under way. Who comes for the same domain waits for its end, on any reactor. */
struct flight {
    struct table_node node;
    struct list waiters;
    struct slice domain;
};

struct waiter {
    struct list node;
    struct reactor *reactor;
    struct remote remote;
    struct event done;
};

/* A domain is not asked again before `until` while its record has this id. */
struct held {
    uint64_t domain, id;
    int64_t until; /* wall s */
};

struct sts {
    struct delivery_remote *remote;
    pthread_mutex_t mutex; /* flights, held */
    struct table flights;
    struct held *held;
};

static int64_t now_s(void)
{
    return clock_wall() / 1000000;
}

struct sts *sts_create(struct delivery_remote *remote)
{
    struct sts *s = calloc(1, sizeof *s);
    struct held *held = calloc(HELD, sizeof *held);
    if (!s || !held) {
        free(s);
        free(held);
        return NULL;
    }
    s->remote = remote;
    s->held = held;
    table_init(&s->flights, FLIGHTS);
    pthread_mutex_init(&s->mutex, NULL);
    return s;
}

void sts_destroy(struct sts *s)
{
    if (!s)
        return;
    table_finish(&s->flights);
    pthread_mutex_destroy(&s->mutex);
    free(s->held);
    free(s);
}

/* ---- one fetch for each domain ---- */

static struct flight *flight_of(struct sts *s, struct slice domain, uint64_t hash)
{
    struct table_node *node = table_find(&s->flights, hash);
    for (; node; node = table_find_next(node)) {
        struct flight *f = list_entry(node, struct flight, node);
        if (slice_eq(f->domain, domain))
            return f;
    }
    return NULL;
}

static void landed(struct remote *r)
{
    event_raise(&list_entry(r, struct waiter, remote)->done);
}

enum boarding { BOARD_FLY, BOARD_WAITED, BOARD_FULL };

/* FLY: *f is ours to fetch for. WAITED: somebody else's fetch has ended. */
TASK_FN
static enum boarding board(struct sts *s, struct flight *f)
{
    struct waiter w = {.reactor = reactor_self(), .remote = {.fn = landed}};
    uint64_t hash = hash_slice(f->domain);
    event_init(&w.done);
    list_init(&f->waiters);
    pthread_mutex_lock(&s->mutex);
    struct flight *other = flight_of(s, f->domain, hash);
    bool mine = !other && table_insert(&s->flights, &f->node, hash);
    if (other)
        list_push_back(&other->waiters, &w.node);
    pthread_mutex_unlock(&s->mutex);
    if (!other)
        return mine ? BOARD_FLY : BOARD_FULL;
    event_await(&w.done); /* a fetch has a deadline, and ends when couriers are cancelled */
    return BOARD_WAITED;
}

static void land(struct sts *s, struct flight *f)
{
    pthread_mutex_lock(&s->mutex);
    table_remove(&s->flights, &f->node);
    struct list *node;
    while ((node = list_pop_front(&f->waiters))) {
        struct waiter *w = list_entry(node, struct waiter, node);
        reactor_send(w->reactor, &w->remote);
    }
    pthread_mutex_unlock(&s->mutex);
}

static struct held *held_at(struct sts *s, struct slice domain)
{
    return &s->held[hash_slice(domain) % HELD];
}

static bool is_held(struct sts *s, struct slice domain, const char *id)
{
    pthread_mutex_lock(&s->mutex);
    const struct held *h = held_at(s, domain);
    bool held =
        h->domain == hash_slice(domain) && h->id == hash_slice(slice_str(id)) && h->until > now_s();
    pthread_mutex_unlock(&s->mutex);
    return held;
}

static void hold(struct sts *s, struct slice domain, const char *id, int64_t seconds)
{
    pthread_mutex_lock(&s->mutex);
    *held_at(s, domain) =
        (struct held){hash_slice(domain), hash_slice(slice_str(id)), now_s() + seconds};
    pthread_mutex_unlock(&s->mutex);
}

/* ---- fetching ---- */

static void tell(struct slice domain, const struct sts_found *found, bool kept)
{
    if (found->failure == STS_FINE)
        log_info("policy fetched", log_slice("domain", domain),
            log_text("mode", sts_mode_name(found->policy.mode)),
            log_text("policy_id", found->policy.id), log_int("max_age", found->policy.max_age));
    else
        log_warn("policy not fetched", log_slice("domain", domain), log_text("reason", found->why),
            log_text("action", kept ? "the policy that is kept stays in force"
                                    : "mail goes as if there were no policy"));
}

/* A policy of now, kept for as long as it says. */
TASK_FN
static bool fetch(struct sts *s, struct slice domain, const char *id, struct arena *arena,
    struct sts_found *found, deadline until)
{
    struct sts_policy p;
    struct buffer mx;
    buffer_init(&mx, STS_MX_BYTES);
    found->failure = sts_fetch_policy(s->remote, domain, &p, &mx, found->why, until);
    if (found->failure == STS_FINE) {
        p.fetched = now_s();
        snprintf(p.id, sizeof p.id, "%s", id);
        enum outcome o = sts_store_write(s->remote->store, domain, &p);
        metric_add(o == OUTCOME_DONE ? &fetched : &refused, 1);
        if (o != OUTCOME_DONE)
            log_warn("policy not kept", log_slice("domain", domain),
                log_text("reason", o == OUTCOME_REFUSED ? "there are too many policies"
                                                        : "the store does not take it"));
        found->policy = p;
        found->policy.mx = mx.n ? arena_copy(arena, buffer_slice(&mx)) : S("");
        found->have = found->policy.mx.p;
    } else if (!task_cancelled()) {
        metric_add(&unfetched, 1);
        hold(s, domain, id, STS_HOLD);
    }
    buffer_finish(&mx);
    return found->failure == STS_FINE;
}

TASK_FN
void sts_find(struct sts *s, struct slice domain, struct arena *arena, struct sts_found *found,
    deadline until)
{
    char id[STS_ID_MAX + 1];
    struct flight f = {.domain = domain};
    bool known;
    *found = (struct sts_found){0};
    found->have = sts_store_read(s->remote->store, domain, arena, &found->policy, until);
    if (!sts_fetch_id(s->remote, domain, id, &known, until))
        return;
    if ((found->have && !strcmp(found->policy.id, id)) || is_held(s, domain, id))
        return;
    /* Who waited takes what is kept now. Is that not what the record says, the fetch failed or the
     * store is full: another one looks for himself. */
    for (int turn = 0; turn < TURNS; turn++) {
        enum boarding boarded = board(s, &f);
        if (boarded == BOARD_FULL)
            return;
        if (boarded == BOARD_FLY) {
            fetch(s, domain, id, arena, found, deadline_min(until, deadline_in(STS_FETCH)));
            land(s, &f);
            if (!task_cancelled())
                tell(domain, found, found->have);
            return;
        }
        struct sts_policy kept;
        if (sts_store_read(s->remote->store, domain, arena, &kept, until)) {
            found->policy = kept;
            found->have = true;
        }
        if ((found->have && !strcmp(found->policy.id, id)) || is_held(s, domain, id))
            return;
    }
}

/* ---- keeping them fresh ---- */

/* True: it was asked for. */
TASK_FN
static bool refresh(struct sts *s, struct slice domain)
{
    char id[STS_ID_MAX + 1];
    struct arena arena;
    struct sts_found found = {0};
    struct flight f = {.domain = domain};
    bool known, asked = false;
    arena_init(&arena, 2 * STS_MX_BYTES);
    found.have =
        sts_store_read(s->remote->store, domain, &arena, &found.policy, deadline_in(STORE));
    if (found.have && sts_fetch_id(s->remote, domain, id, &known, deadline_in(STS_FETCH)) &&
        !is_held(s, domain, id) && board(s, &f) == BOARD_FLY) {
        bool quiet = found.policy.mode == STS_NONE;
        asked = true;
        bool done = fetch(s, domain, id, &arena, &found, deadline_in(STS_FETCH));
        land(s, &f);
        if (!done)
            hold(s, domain, id, STS_AGAIN);
        if (!done && !quiet && !task_cancelled())
            tell(domain, &found, true); /* RFC 8461 §3.3: administrators are told */
    }
    arena_reset(&arena);
    return asked;
}

TASK_FN
size_t sts_tend(struct sts *s, size_t max)
{
    struct sts_aged *a = calloc(1, sizeof *a);
    size_t fetches = 0;
    if (!a)
        return 0;
    sts_store_first(a);
    do {
        if (!sts_store_aged(s->remote->store, a, deadline_in(STORE)))
            break;
        for (size_t i = 0; i < a->n && fetches < max && !task_cancelled(); i++) {
            struct slice domain = slice(a->due[i].p + 1, a->due[i].n - 1);
            if (a->gone[i])
                sts_store_write(s->remote->store, domain, NULL);
            else
                fetches += refresh(s, domain);
        }
        a->from = a->next;
    } while (!a->end && fetches < max && !task_cancelled());
    free(a);
    return fetches;
}
