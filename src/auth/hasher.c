#include "auth/hasher.h"
#include "base/list.h"
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

/* States of a flight: WAITING in the queue -> RUNNING in the pool -> freed. Whoever changes the
 * lists holds the lock. */
struct flight {
    struct list node; /* in hasher.waiting or hasher.running */
    struct auth_hasher *hasher;
    struct list waiters;
    uint64_t network, turn;
    uint8_t digest[AUTH_DIGEST];
    bool match;
    struct offload_job job;
    size_t password_n;
    char password[PASSWORD_MAX];
    char stored[DIRECTORY_PASSWORD_MAX];
};

/* On the stack of the task that asks. It is in its flight's list until its completion is posted. */
struct waiter {
    struct list node;
    struct completion completion;
    struct event event;
    bool done;
    enum auth_hashed result;
};

struct auth_hasher {
    pthread_mutex_t lock;
    struct auth_hasher_options options;
    struct list waiting, running;
    size_t waiting_n;
    unsigned running_n;
    uint64_t turn; /* of the flight that was started last */
    uint64_t count;
    bool dead;
};

struct auth_hasher *auth_hasher_create(const struct auth_hasher_options *options)
{
    struct auth_hasher *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->options = *options;
    list_init(&h->waiting);
    list_init(&h->running);
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

static void hasher_free(struct auth_hasher *h)
{
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void auth_hasher_destroy(struct auth_hasher *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->dead = true;
    bool idle = h->running_n == 0;
    pthread_mutex_unlock(&h->lock);
    if (idle)
        hasher_free(h);
}

uint64_t auth_hasher_count(struct auth_hasher *h)
{
    pthread_mutex_lock(&h->lock);
    uint64_t count = h->count;
    pthread_mutex_unlock(&h->lock);
    return count;
}

/* ---- flights (the lock is held) ---- */

static void flight_free(struct flight *f)
{
    OPENSSL_cleanse(f->password, sizeof f->password);
    free(f);
}

static void flight_end(struct flight *f, enum auth_hashed result)
{
    struct list *node;
    while ((node = list_pop_front(&f->waiters))) {
        struct waiter *w = list_entry(node, struct waiter, node);
        completion_post(w->completion, result);
    }
    list_remove(&f->node);
}

static void flight_work(struct offload_job *job)
{
    struct flight *f = list_entry(job, struct flight, job);
    f->match = password_check(slice(f->password, f->password_n), f->stored);
}

static void flight_done(struct offload_job *job);

/* False: the pool is full. */
static bool flight_start(struct auth_hasher *h, struct flight *f)
{
    f->job = (struct offload_job){.work = flight_work, .done = flight_done};
    if (!offload_submit(OFFLOAD_CPU, &f->job))
        return false;
    list_remove(&f->node);
    list_push_back(&h->running, &f->node);
    h->running_n++;
    h->turn = f->turn;
    return true;
}

static void start_next(struct auth_hasher *h)
{
    while (h->running_n < h->options.running && !list_empty(&h->waiting)) {
        struct flight *next = NULL;
        list_for(&h->waiting, node)
        {
            struct flight *f = list_entry(node, struct flight, node);
            if (!next || f->turn < next->turn)
                next = f;
        }
        h->waiting_n--;
        if (!flight_start(h, next)) {
            flight_end(next, AUTH_HASHED_BUSY);
            flight_free(next);
        }
    }
}

/* On the reactor that submitted it. */
static void flight_done(struct offload_job *job)
{
    struct flight *f = list_entry(job, struct flight, job);
    struct auth_hasher *h = f->hasher;
    pthread_mutex_lock(&h->lock);
    h->count++;
    h->running_n--;
    flight_end(f, f->match ? AUTH_HASHED_MATCH : AUTH_HASHED_MISMATCH);
    start_next(h);
    bool last = h->dead && h->running_n == 0;
    pthread_mutex_unlock(&h->lock);
    flight_free(f);
    if (last)
        hasher_free(h);
}

static struct flight *find_in(struct list *list, const uint8_t digest[AUTH_DIGEST])
{
    list_for(list, node)
    {
        struct flight *f = list_entry(node, struct flight, node);
        if (memcmp(f->digest, digest, AUTH_DIGEST) == 0)
            return f;
    }
    return NULL;
}

/* Its turn lies behind those of its own network: each network gets every n-th place when n of them
 * wait. False: a queue is full. */
static bool take_turn(struct auth_hasher *h, struct flight *f)
{
    size_t same = 0;
    uint64_t turn = h->turn;
    list_for(&h->waiting, node)
    {
        const struct flight *other = list_entry(node, struct flight, node);
        if (other->network != f->network)
            continue;
        same++;
        if (other->turn > turn)
            turn = other->turn;
    }
    f->turn = turn + 1;
    return same < h->options.queue_network && h->waiting_n < h->options.queue_total;
}

/* The flight to wait for: one that is on its way, or a new one; NULL: busy. */
static struct flight *board(struct auth_hasher *h, uint64_t network,
    const uint8_t digest[AUTH_DIGEST], struct slice prepared, const char *stored)
{
    struct flight *f = find_in(&h->running, digest);
    if (!f)
        f = find_in(&h->waiting, digest);
    if (f)
        return f;
    f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->hasher = h;
    f->network = network;
    list_init(&f->node);
    list_init(&f->waiters);
    memcpy(f->digest, digest, AUTH_DIGEST);
    memcpy(f->password, prepared.p, f->password_n = prepared.n);
    slice_to_cstr(slice_str(stored), f->stored, sizeof f->stored);
    bool now = h->running_n < h->options.running;
    if (!take_turn(h, f) && !now) {
        flight_free(f);
        return NULL;
    }
    list_push_back(&h->waiting, &f->node);
    h->waiting_n++;
    return f;
}

/* ---- waiting ---- */

static void woken(void *arg, int64_t result)
{
    struct waiter *w = arg;
    w->done = true;
    w->result = (enum auth_hashed)result;
    event_raise(&w->event);
}

/* The waiter gives up; a flight that nobody waits for is not started. */
static void leave(struct auth_hasher *h, struct flight *f, struct waiter *w)
{
    pthread_mutex_lock(&h->lock);
    bool aboard = !list_empty(&w->node);
    if (aboard) { /* then the flight is still there */
        list_remove(&w->node);
        struct flight *queued = find_in(&h->waiting, f->digest);
        if (queued == f && list_empty(&f->waiters)) {
            list_remove(&f->node);
            h->waiting_n--;
            flight_free(f);
        }
    }
    pthread_mutex_unlock(&h->lock);
    completion_abandon(w->completion);
    if (aboard)
        completion_post(w->completion, 0);
}

enum auth_hashed auth_hasher_check(struct auth_hasher *h, uint64_t network,
    const uint8_t digest[AUTH_DIGEST], struct slice prepared, const char *stored, deadline until)
{
    struct waiter w = {.result = AUTH_HASHED_BUSY};
    list_init(&w.node);
    event_init(&w.event);
    if (prepared.n > PASSWORD_MAX || clock_now() >= until ||
        !completion_reserve(&w.completion, woken, &w))
        return AUTH_HASHED_BUSY;
    pthread_mutex_lock(&h->lock);
    struct flight *f = board(h, network, digest, prepared, stored);
    if (f) {
        list_push_back(&f->waiters, &w.node);
        start_next(h);
    }
    pthread_mutex_unlock(&h->lock);
    if (!f) {
        completion_abandon(w.completion);
        completion_post(w.completion, 0);
        return AUTH_HASHED_BUSY;
    }
    event_wait(&w.event, until);
    if (!w.done)
        leave(h, f, &w);
    return w.result;
}
