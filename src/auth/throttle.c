#include "auth/throttle.h"
#include "base/clock.h"
#include <stdlib.h>

/* Both tables are arrays of small sets: a key belongs to one set, and a new key takes the place of
 * the one with the least failures in it. No memory grows, nothing is looked up for long. */
#define WAYS      8
#define SETS      (AUTH_THROTTLE_ENTRIES / WAYS)
#define HALF_LIFE (300 * CLOCK_SEC)

struct entry {
    uint64_t key;
    uint32_t failures; /* 0: free */
    int64_t since;     /* of the last halving */
};

struct account_entry {
    struct entry entry; /* first member */
    unsigned next_wrong;
    uint8_t wrong[AUTH_THROTTLE_WRONG][AUTH_THROTTLE_DIGEST];
};

struct auth_throttle {
    int64_t delay_first, delay_max;
    struct entry networks[AUTH_THROTTLE_ENTRIES];
    struct account_entry accounts[AUTH_THROTTLE_ENTRIES];
};

struct auth_throttle *auth_throttle_create(int64_t delay_first, int64_t delay_max)
{
    struct auth_throttle *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->delay_first = delay_first;
    t->delay_max = delay_max;
    return t;
}

void auth_throttle_destroy(struct auth_throttle *t)
{
    free(t);
}

static void decay(struct entry *e, int64_t now)
{
    int64_t halvings = (now - e->since) / HALF_LIFE;
    if (halvings <= 0)
        return;
    e->failures = halvings < 32 ? e->failures >> halvings : 0;
    e->since += halvings * HALF_LIFE;
}

/* Keys of networks may be chosen by strangers: mixed before they choose a set. */
static size_t set_of(uint64_t key)
{
    key ^= key >> 33;
    key *= UINT64_C(0xff51afd7ed558ccd);
    key ^= key >> 33;
    return (size_t)(key % SETS) * WAYS;
}

static struct entry *at(void *table, size_t size, size_t index)
{
    return (struct entry *)((char *)table + index * size);
}

/* NULL: not remembered. */
static struct entry *find(void *table, size_t size, uint64_t key)
{
    size_t set = set_of(key);
    for (size_t i = set; i < set + WAYS; i++) {
        struct entry *e = at(table, size, i);
        if (e->failures && e->key == key)
            return e;
    }
    return NULL;
}

static struct entry *find_or_make(void *table, size_t size, uint64_t key, int64_t now)
{
    struct entry *least = find(table, size, key);
    if (least)
        return least;
    size_t set = set_of(key);
    for (size_t i = set; i < set + WAYS; i++) {
        struct entry *e = at(table, size, i);
        decay(e, now);
        if (!least || e->failures < least->failures)
            least = e;
    }
    memset(least, 0, size);
    least->key = key;
    least->since = now;
    return least;
}

static int64_t delay(const struct auth_throttle *t, uint32_t failures)
{
    int64_t d = t->delay_first;
    if (failures == 0)
        return 0;
    while (--failures && d < t->delay_max)
        d *= 2;
    return d < t->delay_max ? d : t->delay_max;
}

int64_t auth_throttle_before(struct auth_throttle *t, uint64_t network, int64_t now)
{
    struct entry *e = find(t->networks, sizeof *t->networks, network);
    if (!e)
        return 0;
    decay(e, now);
    return delay(t, e->failures > AUTH_THROTTLE_FREE ? e->failures - AUTH_THROTTLE_FREE : 0);
}

static bool remembers(const struct account_entry *a, const uint8_t digest[AUTH_THROTTLE_DIGEST])
{
    for (unsigned i = 0; i < AUTH_THROTTLE_WRONG; i++)
        if (memcmp(a->wrong[i], digest, AUTH_THROTTLE_DIGEST) == 0)
            return true;
    return false;
}

bool auth_throttle_known_wrong(
    struct auth_throttle *t, uint64_t account, const uint8_t digest[AUTH_THROTTLE_DIGEST])
{
    struct entry *e = find(t->accounts, sizeof *t->accounts, account);
    return e && remembers((struct account_entry *)e, digest);
}

static void count(struct entry *e, int64_t now)
{
    decay(e, now);
    if (e->failures < UINT32_MAX)
        e->failures++;
}

int64_t auth_throttle_failed(struct auth_throttle *t, uint64_t account, uint64_t network,
    const uint8_t digest[AUTH_THROTTLE_DIGEST], int64_t now)
{
    bool known = digest && auth_throttle_known_wrong(t, account, digest);
    struct entry *n = find_or_make(t->networks, sizeof *t->networks, network, now);
    struct entry *e = find_or_make(t->accounts, sizeof *t->accounts, account, now);
    if (!known) {
        struct account_entry *a = (struct account_entry *)e;
        count(n, now);
        count(e, now);
        if (digest) {
            memcpy(a->wrong[a->next_wrong], digest, AUTH_THROTTLE_DIGEST);
            a->next_wrong = (a->next_wrong + 1) % AUTH_THROTTLE_WRONG;
        }
    }
    int64_t by_network = delay(t, n->failures), by_account = delay(t, e->failures);
    return by_network > by_account ? by_network : by_account;
}
