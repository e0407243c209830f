#include "base/clock.h"
#include "base/log.h"
#include "store/engine/commit_private.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define UNLINKS_MAX  1024
#define INTERVAL_MIN (100 * CLOCK_MS)
#define INTERVAL_MAX (60 * CLOCK_SEC)
#define SPACE_LOOK   (1 * CLOCK_SEC) /* is there room again? */
#define TRIM_LOOK    (1 * CLOCK_SEC) /* has much been mapped? */

/* A task that waits for a round. */
struct keeper_wish {
    struct list node;
    struct store_waiter waiter;
    bool urgent;
};

struct keeper {
    struct lmdb *db;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t work;
    struct list wishes;
    bool stopping, committed;
    bool hurry; /* a round at once */
    uint64_t unlinks[UNLINKS_MAX];
    size_t unlink_count;
};

/* Under the lock. */
static void wait_until(struct keeper *k, int64_t at)
{
    struct timespec until = {at / CLOCK_SEC, at % CLOCK_SEC};
    pthread_cond_timedwait(&k->work, &k->lock, &until);
}

bool keeper_pause(struct lmdb *db, int64_t ns)
{
    struct keeper *k = db->keeper;
    int64_t until = clock_now() + ns;
    pthread_mutex_lock(&k->lock);
    while (!k->stopping && clock_now() < until)
        wait_until(k, until);
    bool stopping = k->stopping;
    pthread_mutex_unlock(&k->lock);
    if (atomic_load(&db->short_of_space)) /* mail waits outside, and a round may last for hours */
        home_ballast_make(db);
    return !stopping && !store_failed(&db->store);
}

/* ---- through the committer ---- */

static void member_finished(struct member *m)
{
    struct keeper *k = m->owner;
    pthread_mutex_lock(&k->lock);
    k->committed = true;
    pthread_cond_broadcast(&k->work);
    pthread_mutex_unlock(&k->lock);
}

enum outcome keeper_commit(struct lmdb *db, struct member *m)
{
    struct keeper *k = db->keeper;
    m->owner = k;
    m->finish = member_finished;
    k->committed = false;
    committer_submit(db->committer, 0, m);
    pthread_mutex_lock(&k->lock);
    while (!k->committed)
        pthread_cond_wait(&k->work, &k->lock);
    pthread_mutex_unlock(&k->lock);
    return m->outcome;
}

static void unlink_segment(struct lmdb *db, uint64_t segment)
{
    char name[SEGFILE_NAME];
    segfile_name(segment, name);
    segfile_forget(db, segment);
    if (unlinkat(db->segments_dir, name, 0) != 0)
        log_warn(
            "store.segment.unlink", log_text("file", name), log_text("error", strerror(errno)));
}

void keeper_unlink(struct lmdb *db, uint64_t segment)
{
    struct keeper *k = db->keeper;
    pthread_mutex_lock(&k->lock);
    bool kept = k->unlink_count < UNLINKS_MAX;
    if (kept)
        k->unlinks[k->unlink_count++] = segment;
    pthread_cond_broadcast(&k->work);
    pthread_mutex_unlock(&k->lock);
    if (!kept)
        unlink_segment(db, segment);
}

void keeper_run_unlinks(struct lmdb *db)
{
    struct keeper *k = db->keeper;
    pthread_mutex_lock(&k->lock);
    while (k->unlink_count > 0) {
        uint64_t segment = k->unlinks[--k->unlink_count];
        pthread_mutex_unlock(&k->lock);
        unlink_segment(k->db, segment);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
}

/* ---- rounds ---- */

static void round_run(struct keeper *k, bool urgent)
{
    if (store_failed(&k->db->store))
        return;
    home_ballast_make(k->db);
    sweep_run(k->db, urgent);
    keeper_run_unlinks(k->db);
    compact_run(k->db, urgent);
    keeper_run_unlinks(k->db);
    home_ballast_make(k->db);
}

static int64_t interval(const struct keeper *k)
{
    int64_t ns = k->db->gc_delay * CLOCK_US / 4;
    return ns < INTERVAL_MIN ? INTERVAL_MIN : ns > INTERVAL_MAX ? INTERVAL_MAX : ns;
}

/* Under the lock: those that wait now; a later wish gets a round of its own. */
static bool take_wishes(struct keeper *k, struct list *taken)
{
    bool urgent = false;
    list_init(taken);
    for (struct list *node; (node = list_pop_front(&k->wishes));) {
        urgent = urgent || list_entry(node, struct keeper_wish, node)->urgent;
        list_push_back(taken, node);
    }
    return urgent;
}

static void grant(struct list *wishes)
{
    for (struct list *node; (node = list_pop_front(wishes));)
        completion_post(list_entry(node, struct keeper_wish, node)->waiter.slot, 0);
}

void keeper_hurry(struct lmdb *db)
{
    struct keeper *k = db->keeper;
    pthread_mutex_lock(&k->lock);
    k->hurry = true;
    pthread_cond_broadcast(&k->work);
    pthread_mutex_unlock(&k->lock);
}

/* Under the lock. On a full disk mail waits outside: it must not wait for the next round. */
static void rest(struct keeper *k, int64_t until)
{
    if (!atomic_load(&k->db->short_of_space)) {
        wait_until(k, until);
        return;
    }
    int64_t look = clock_now() + SPACE_LOOK;
    wait_until(k, look < until ? look : until);
    pthread_mutex_unlock(&k->lock);
    home_ballast_make(k->db);
    pthread_mutex_lock(&k->lock);
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;
    int64_t next = clock_now() + interval(k), trim = clock_now() + TRIM_LOOK;
    long faults = mapping_faults();
    pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        bool due = !list_empty(&k->wishes) || k->hurry || clock_now() >= next;
        if (clock_now() >= trim) {
            pthread_mutex_unlock(&k->lock);
            if (mapping_faults() - faults >= mapping_many(k->db)) {
                mapping_trim(k->db);
                faults = mapping_faults();
            }
            trim = clock_now() + TRIM_LOOK;
            pthread_mutex_lock(&k->lock);
            continue;
        }
        if (!due && k->unlink_count == 0) {
            rest(k, next < trim ? next : trim);
            continue;
        }
        k->hurry = false;
        struct list wishes;
        bool urgent = take_wishes(k, &wishes);
        pthread_mutex_unlock(&k->lock);
        keeper_run_unlinks(k->db);
        if (due) {
            round_run(k, urgent || atomic_load(&k->db->short_of_space));
            next = clock_now() + interval(k);
        }
        grant(&wishes);
        pthread_mutex_lock(&k->lock);
    }
    struct list left;
    take_wishes(k, &left);
    pthread_mutex_unlock(&k->lock);
    grant(&left);
    return NULL;
}

TASK_FN
void keeper_housekeep(struct store *s, bool urgent)
{
    struct keeper *k = lmdb_of(s)->keeper;
    struct keeper_wish wish = {.urgent = urgent};
    if (!k || !store_waiter_prepare(&wish.waiter))
        return;
    pthread_mutex_lock(&k->lock);
    bool taken = !k->stopping;
    if (taken)
        list_push_back(&k->wishes, &wish.node);
    pthread_cond_broadcast(&k->work);
    pthread_mutex_unlock(&k->lock);
    if (taken)
        store_waiter_wait(&wish.waiter);
    else
        store_waiter_drop(&wish.waiter);
}

/* ---- life ---- */

struct keeper *keeper_create(struct lmdb *db)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->db = db;
    list_init(&k->wishes);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->work, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

bool keeper_start(struct keeper *k)
{
    errno = pthread_create(&k->thread, NULL, keeper_main, k);
    return errno == 0;
}

void keeper_stop(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    pthread_cond_broadcast(&k->work);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
}

void keeper_destroy(struct keeper *k)
{
    if (!k)
        return;
    keeper_run_unlinks(k->db);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->work);
    free(k);
}
