#include "mailbox/quota.h"
#include "base/hash.h"
#include "base/table.h"
#include "mailbox/mailbox.h"
#include <pthread.h>
#include <stdlib.h>

#define SHARDS 64

struct held {
    struct table_node node;
    uint64_t account, bytes, count;
};

static struct shard {
    pthread_mutex_t lock;
    struct table table;
    bool ready;
} shards[SHARDS] = {[0 ... SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static uint64_t hash_of(uint64_t account)
{
    return hash_slice(slice(&account, sizeof account));
}

static struct held *find(struct shard *shard, uint64_t hash, uint64_t account)
{
    struct table_node *node = shard->ready ? table_find(&shard->table, hash) : NULL;
    while (node && ((struct held *)node)->account != account)
        node = table_find_next(node);
    return (struct held *)node;
}

/* Adds to what is held for the account; the new sum through *sum. */
static bool add(uint64_t account, uint64_t bytes, uint64_t *sum)
{
    uint64_t hash = hash_of(account);
    struct shard *shard = &shards[hash % SHARDS];
    bool ok = true;
    pthread_mutex_lock(&shard->lock);
    if (!shard->ready)
        table_init(&shard->table, QUOTA_HOLDS_MAX);
    shard->ready = true;
    struct held *h = find(shard, hash, account);
    if (!h && (h = calloc(1, sizeof *h))) {
        h->account = account;
        if (!table_insert(&shard->table, &h->node, hash)) {
            free(h);
            h = NULL;
        }
    }
    if (h) {
        h->bytes += bytes;
        h->count++;
        *sum = h->bytes;
    } else {
        ok = false;
    }
    pthread_mutex_unlock(&shard->lock);
    return ok;
}

void quota_drop(struct quota_hold *hold)
{
    if (!hold->held)
        return;
    uint64_t hash = hash_of(hold->account);
    struct shard *shard = &shards[hash % SHARDS];
    pthread_mutex_lock(&shard->lock);
    struct held *h = find(shard, hash, hold->account);
    if (h) {
        h->bytes -= hold->bytes;
        if (!--h->count) {
            table_remove(&shard->table, &h->node);
            free(h);
        }
        if (!shard->table.n) {
            table_finish(&shard->table);
            shard->ready = false;
        }
    }
    pthread_mutex_unlock(&shard->lock);
    hold->held = false;
}

static void used_fn(struct store_view *v, void *arg)
{
    struct mailbox_account a;
    *(uint64_t *)arg = mailbox_read_account(v, &a) ? a.bytes : 0;
}

TASK_FN
enum quota_answer quota_take(struct store *s, uint64_t account, uint64_t quota, uint64_t bytes,
    struct quota_hold *hold, deadline until)
{
    *hold = (struct quota_hold){.account = account, .bytes = bytes};
    if (!quota)
        return QUOTA_OK;
    if (bytes > quota)
        return QUOTA_NEVER;
    uint64_t sum, used = 0;
    if (!add(account, bytes, &sum))
        return QUOTA_BUSY;
    hold->held = true;
    enum outcome o = store_read(s, mailbox_partition(account), used_fn, &used, NULL, until);
    if (o == OUTCOME_DONE && used < quota && sum <= quota - used)
        return QUOTA_OK;
    quota_drop(hold);
    return o == OUTCOME_DONE ? QUOTA_FULL : QUOTA_BUSY;
}
