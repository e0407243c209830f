#include "mailbox/lease.h"
#include "base/hash.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct table leases;

static struct lease *find(uint64_t account, uint64_t hash)
{
    struct table_node *node = table_find(&leases, hash);
    while (node && ((struct lease *)node)->account != account)
        node = table_find_next(node);
    return (struct lease *)node;
}

static void give_up(struct lease *l)
{
    table_remove(&leases, &l->node);
    l->held = false;
    if (!leases.n)
        table_finish(&leases);
}

bool lease_take(struct lease *l, uint64_t account, struct slice address)
{
    uint64_t hash = hash_slice(slice(&account, sizeof account));
    *l = (struct lease){.account = account, .address = hash_slice(address)};
    pthread_mutex_lock(&lock);
    if (!leases.max)
        table_init(&leases, LEASES_MAX);
    struct lease *holder = find(account, hash);
    if (holder && !holder->busy && holder->address == l->address) {
        give_up(holder);
        holder = NULL;
    }
    if (!holder)
        l->held = l->busy = table_insert(&leases, &l->node, hash);
    pthread_mutex_unlock(&lock);
    return l->held;
}

bool lease_begin(struct lease *l)
{
    pthread_mutex_lock(&lock);
    l->busy = l->held;
    bool held = l->held;
    pthread_mutex_unlock(&lock);
    return held;
}

void lease_idle(struct lease *l)
{
    pthread_mutex_lock(&lock);
    l->busy = false;
    pthread_mutex_unlock(&lock);
}

void lease_release(struct lease *l)
{
    pthread_mutex_lock(&lock);
    if (l->held)
        give_up(l);
    pthread_mutex_unlock(&lock);
}
