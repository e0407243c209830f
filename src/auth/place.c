#include "auth/place.h"
#include "base/hash.h"
#include <pthread.h>

#define SHARDS    16 /* by the upper bits: the lower ones choose the slot in its table */
#define SHARD_MAX ((size_t)65536)

static struct shard {
    pthread_mutex_t lock;
    struct table places;
} shards[SHARDS] = {[0 ... SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static uint64_t hash_of(uint64_t account)
{
    return hash_slice(slice(&account, sizeof account));
}

static struct shard *shard_of(uint64_t hash)
{
    return &shards[hash >> 60];
}

/* The places of an account are next to each other: no more than `max` are looked at. */
static bool full(const struct table *places, uint64_t hash, uint64_t account, unsigned max)
{
    unsigned n = 0;
    struct table_node *node = table_find(places, hash);
    for (; node; node = table_find_next(node)) {
        if (((struct auth_place *)node)->account == account && ++n >= max)
            return true;
    }
    return false;
}

bool auth_place_take(struct auth_place *p, uint64_t account, unsigned max)
{
    uint64_t hash = hash_of(account);
    struct shard *s = shard_of(hash);
    *p = (struct auth_place){.account = account};
    pthread_mutex_lock(&s->lock);
    if (!s->places.max)
        table_init(&s->places, SHARD_MAX);
    if (!max || !full(&s->places, hash, account, max))
        p->taken = table_insert(&s->places, &p->node, hash);
    pthread_mutex_unlock(&s->lock);
    return p->taken;
}

void auth_place_give(struct auth_place *p)
{
    if (!p->taken)
        return;
    struct shard *s = shard_of(p->node.hash);
    pthread_mutex_lock(&s->lock);
    table_remove(&s->places, &p->node);
    if (!s->places.n)
        table_finish(&s->places);
    pthread_mutex_unlock(&s->lock);
    p->taken = false;
}
