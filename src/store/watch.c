#include "base/clock.h"
#include "store/engine_private.h"
#include <stdlib.h>

#define BUCKETS     4096
#define PENDING_MAX 4096
#define QUIET       (200 * CLOCK_MS)

/* Changes on their way to one reactor. The committer writes news under the lock; the reactor takes
 * them and tells its watches. Buckets and quiet watches are the reactor's alone, except that the
 * committer asks `interest`, how many watches a bucket holds, to leave reactors alone that do not
 * care. */
struct news {
    store_partition partition;
    uint64_t version;
};

struct station {
    struct watch_hub *hub;
    struct remote remote;
    struct list *buckets; /* BUCKETS */
    struct list quiet;    /* raised too early, in order of quiet_until */
    struct timer timer;
    bool timer_ready;
    _Atomic uint32_t interest[BUCKETS];
    pthread_mutex_t lock; /* guards the rest */
    struct news news[PENDING_MAX];
    size_t count;
    bool all; /* more changed than fits */
};

/* Held by its owner and by each remote on its way. */
struct watch_hub {
    atomic_uint holders;
    unsigned count;
    struct station *stations[];
};

static size_t bucket_of(store_partition p)
{
    return (size_t)((p * UINT64_C(0x9e3779b97f4a7c15)) >> 52) % BUCKETS;
}

static void hub_drop(struct watch_hub *h)
{
    if (atomic_fetch_sub_explicit(&h->holders, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < h->count; i++) {
        if (!h->stations[i])
            continue;
        pthread_mutex_destroy(&h->stations[i]->lock);
        free(h->stations[i]->buckets);
        free(h->stations[i]);
    }
    free(h);
}

/* ---- on the reactor ---- */

static void raise_now(struct store_watch *w, int64_t now)
{
    w->raised = true;
    w->quiet_until = now + QUIET;
    w->fire(w);
}

static void quiet_over(struct timer *t)
{
    struct station *st = list_entry(t, struct station, timer);
    int64_t now = clock_now();
    while (!list_empty(&st->quiet)) {
        struct store_watch *w = list_entry(st->quiet.next, struct store_watch, quiet);
        if (w->quiet_until > now) {
            timer_start(&st->timer, w->quiet_until);
            return;
        }
        list_remove(&w->quiet);
        if (!w->raised)
            raise_now(w, now);
    }
}

static void tell(struct station *st, struct store_watch *w, int64_t now)
{
    if (w->raised || !list_empty(&w->quiet))
        return;
    if (now >= w->quiet_until) {
        raise_now(w, now);
        return;
    }
    /* Every watch is quiet for the same time, but starts of it do not come in order. */
    struct list *at = st->quiet.prev;
    while (
        at != &st->quiet && list_entry(at, struct store_watch, quiet)->quiet_until > w->quiet_until)
        at = at->prev;
    list_push_front(at, &w->quiet);
    timer_start(&st->timer, list_entry(st->quiet.next, struct store_watch, quiet)->quiet_until);
}

/* Two passes, because fire may stop any watch: those to be told are moved out of the bucket into a
 * list of their own, from which watch_stop may take them. */
static void tell_bucket(struct station *st, size_t bucket, const struct news *news)
{
    struct list *all = &st->buckets[bucket];
    struct list chosen;
    list_init(&chosen);
    list_for_safe(all, node)
    {
        struct store_watch *w = list_entry(node, struct store_watch, node);
        if (news && w->partition != news->partition)
            continue;
        if (news && news->version > w->version)
            w->version = news->version;
        list_remove(node);
        list_push_back(&chosen, node);
    }
    int64_t now = clock_now();
    for (struct list *node; (node = list_pop_front(&chosen));) {
        list_push_back(all, node);
        tell(st, list_entry(node, struct store_watch, node), now);
    }
}

static void news_arrived(struct remote *r)
{
    struct station *st = list_entry(r, struct station, remote);
    struct news batch[64];
    bool all = false;
    for (size_t n = 1; n > 0 && !all;) {
        pthread_mutex_lock(&st->lock);
        all = st->all;
        n = st->count < 64 ? st->count : 64;
        for (size_t i = 0; i < n; i++)
            batch[i] = st->news[--st->count];
        if (all)
            st->count = 0;
        st->all = false;
        pthread_mutex_unlock(&st->lock);
        for (size_t i = 0; i < n && !all; i++)
            tell_bucket(st, bucket_of(batch[i].partition), &batch[i]);
    }
    for (size_t i = 0; all && i < BUCKETS; i++)
        tell_bucket(st, i, NULL);
    hub_drop(st->hub);
}

void store_watch_start(
    struct store *s, struct store_watch *w, store_partition p, void (*fire)(struct store_watch *))
{
    *w = (struct store_watch){.partition = p, .store = s, .reactor = reactor_self(), .fire = fire};
    list_init(&w->node);
    list_init(&w->quiet);
    struct station *st = s->watches->stations[reactor_index(w->reactor)];
    if (!st->timer_ready) {
        timer_init(&st->timer, quiet_over);
        st->timer_ready = true;
    }
    size_t bucket = bucket_of(p);
    list_push_back(&st->buckets[bucket], &w->node);
    atomic_fetch_add_explicit(&st->interest[bucket], 1, memory_order_seq_cst);
}

void store_watch_stop(struct store_watch *w)
{
    if (!w->store)
        return;
    struct station *st = w->store->watches->stations[reactor_index(w->reactor)];
    atomic_fetch_sub_explicit(&st->interest[bucket_of(w->partition)], 1, memory_order_seq_cst);
    list_remove(&w->node);
    list_remove(&w->quiet);
    if (list_empty(&st->quiet) && st->timer_ready)
        timer_stop(&st->timer);
    w->store = NULL;
}

/* ---- on any thread ---- */

static struct station *station_create(struct watch_hub *h)
{
    struct station *st = calloc(1, sizeof *st);
    struct list *buckets = malloc(BUCKETS * sizeof *buckets);
    if (!st || !buckets) {
        free(st);
        free(buckets);
        return NULL;
    }
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&buckets[i]);
    st->hub = h;
    st->buckets = buckets;
    st->remote.fn = news_arrived;
    list_init(&st->quiet);
    pthread_mutex_init(&st->lock, NULL);
    return st;
}

struct watch_hub *watch_hub_create(void)
{
    unsigned n = runtime_reactors();
    struct watch_hub *h = calloc(1, sizeof *h + n * sizeof h->stations[0]);
    if (!h)
        return NULL;
    atomic_init(&h->holders, 1);
    h->count = n;
    for (unsigned i = 0; i < n; i++) {
        h->stations[i] = station_create(h);
        if (!h->stations[i]) {
            hub_drop(h);
            return NULL;
        }
    }
    return h;
}

void watch_hub_destroy(struct watch_hub *h)
{
    if (h)
        hub_drop(h);
}

static void station_add(struct station *st, store_partition p, uint64_t version)
{
    pthread_mutex_lock(&st->lock);
    if (st->count < PENDING_MAX)
        st->news[st->count++] = (struct news){p, version};
    else
        st->all = true;
    pthread_mutex_unlock(&st->lock);
}

void watch_hub_notify(struct watch_hub *h, store_partition p, uint64_t version)
{
    size_t bucket = bucket_of(p);
    for (unsigned i = 0; i < h->count; i++) {
        struct station *st = h->stations[i];
        if (atomic_load_explicit(&st->interest[bucket], memory_order_seq_cst) == 0)
            continue;
        station_add(st, p, version);
        atomic_fetch_add_explicit(&h->holders, 1, memory_order_relaxed);
        if (!reactor_send(runtime_reactor(i), &st->remote))
            hub_drop(h);
    }
}
