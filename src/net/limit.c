#include "base/hash.h"
#include "base/metrics.h"
#include "base/table.h"
#include "net/limit_private.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#define LIMIT_SHARDS  64
#define LIMIT_ENTRIES 65536 /* networks per shard; there are never more than connections */
#define LIMIT_RESERVE 256   /* files beside connections: store, spool, log, control, DNS */

/* ---- the process ---- */

static atomic_uint limit_connections;

static unsigned limit_most(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > UINT32_MAX)
        return UINT32_MAX;
    unsigned most = (unsigned)files.rlim_cur, reserve = LIMIT_RESERVE;
    return most - (reserve < most / 4 ? reserve : most / 4);
}

bool limit_open(void)
{
    unsigned n = atomic_fetch_add_explicit(&limit_connections, 1, memory_order_relaxed);
    if (n < limit_most())
        return true;
    limit_closed();
    return false;
}

void limit_closed(void)
{
    atomic_fetch_sub_explicit(&limit_connections, 1, memory_order_relaxed);
}

/* ---- networks ---- */

struct limit_entry {
    struct table_node node;
    uint64_t network;
    unsigned count;
};

static struct limit_shard {
    pthread_mutex_t lock;
    struct table table;
} limit_shards[LIMIT_SHARDS];

static pthread_once_t limit_once = PTHREAD_ONCE_INIT;
static atomic_uint limit_per_network;

static void limit_prepare(void)
{
    for (int i = 0; i < LIMIT_SHARDS; i++) {
        pthread_mutex_init(&limit_shards[i].lock, NULL);
        table_init(&limit_shards[i].table, LIMIT_ENTRIES);
    }
}

static struct limit_entry *limit_find(struct limit_shard *shard, uint64_t hash, uint64_t network)
{
    struct table_node *node = table_find(&shard->table, hash);
    for (; node; node = table_find_next(node)) {
        struct limit_entry *e = (struct limit_entry *)(void *)node;
        if (e->network == network)
            return e;
    }
    return NULL;
}

static struct limit_entry *limit_add(struct limit_shard *shard, uint64_t hash, uint64_t network)
{
    struct limit_entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->network = network;
    if (table_insert(&shard->table, &e->node, hash))
        return e;
    free(e);
    return NULL;
}

static struct limit_shard *limit_shard_of(uint64_t network, uint64_t *hash)
{
    pthread_once(&limit_once, limit_prepare);
    *hash = hash_slice(slice(&network, sizeof network));
    return &limit_shards[*hash >> 58];
}

/* Counts without a limit too, so that a limit set at reload knows who is there. */
bool limit_take(uint64_t network)
{
    uint64_t hash;
    struct limit_shard *shard = limit_shard_of(network, &hash);
    unsigned most = atomic_load_explicit(&limit_per_network, memory_order_relaxed);
    pthread_mutex_lock(&shard->lock);
    struct limit_entry *e = limit_find(shard, hash, network);
    bool ok = !e || most == 0 || e->count < most;
    if (ok && !e)
        ok = (e = limit_add(shard, hash, network)) != NULL;
    if (ok)
        e->count++;
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

void limit_give(uint64_t network)
{
    uint64_t hash;
    struct limit_shard *shard = limit_shard_of(network, &hash);
    pthread_mutex_lock(&shard->lock);
    struct limit_entry *e = limit_find(shard, hash, network);
    if (e && --e->count == 0) {
        table_remove(&shard->table, &e->node);
        free(e);
    }
    pthread_mutex_unlock(&shard->lock);
}

void limit_set(unsigned connections_per_network)
{
    atomic_store_explicit(&limit_per_network, connections_per_network, memory_order_relaxed);
}

/* ---- counters ---- */

METRIC(refused_network, METRIC_COUNTER, "barid_connections_refused_total", "reason=\"address\"",
    "Connections closed at once, by reason")
METRIC(refused_process, METRIC_COUNTER, "barid_connections_refused_total", "reason=\"files\"",
    "Connections closed at once, by reason")
METRIC(refused_session, METRIC_COUNTER, "barid_connections_refused_total", "reason=\"policy\"",
    "Connections closed at once, by reason")

void limit_refused(enum limit_reason reason)
{
    static struct metric *const counters[] = {&refused_network, &refused_process, &refused_session};
    metric_add(counters[reason], 1);
}
