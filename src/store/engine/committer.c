#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/engine/commit_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

METRIC(posts_dropped, METRIC_COUNTER, "barid_store_posts_dropped_total", "",
    "Unawaited changes dropped because too many waited")
METRIC(depth, METRIC_GAUGE, "barid_store_queue", "", "Changes waiting for the committer")

/* Members with the same hash of their partition, in the order of submission. Lanes with members
 * take turns, so that one busy partition does not keep the others waiting. */
struct lane {
    struct list waiting, turn;
    atomic_uint posts; /* submitted and not finished */
};

struct post {
    struct member member;
    struct store_mutation mutation;
    struct committer *committer;
    struct lane *lane;
    struct post *next;
    _Alignas(16) char arg[STORE_POST_MAX];
};

struct committer {
    struct lmdb *db;
    pthread_t thread;
    struct appender appender;
    struct commit commit;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t work;
    struct list turns;              /* lanes that have members */
    size_t waiting, eager, patient; /* members; those that are not lazy; those lazy but awaited */
    int64_t commit_time;            /* ns, of the last group */
    bool stopping, asleep;
    size_t wanted;  /* wakes the sleeper when so many wait */
    size_t company; /* members of the last group, and those that came meanwhile */
    struct post *free_posts;
    struct post *posts;
    struct lane lanes[COMMIT_LANES];
};

static struct lane *lane_of(struct committer *c, store_partition p)
{
    return &c->lanes[((p * UINT64_C(0x9e3779b97f4a7c15)) >> 50) % COMMIT_LANES];
}

/* ---- submitting ---- */

/* Under the lock. */
static void enqueue(struct committer *c, struct lane *lane, struct member *m)
{
    if (list_empty(&lane->waiting))
        list_push_back(&c->turns, &lane->turn);
    m->taken = false;
    list_push_back(&lane->waiting, &m->node);
    c->waiting++;
    c->eager += !m->lazy;
    c->patient += m->awaited;
    /* The first eager one ends a wait for company too. */
    if (c->asleep && (c->waiting >= c->wanted || (c->wanted == 1 && c->eager == 1)))
        pthread_cond_signal(&c->work);
}

/* Under the lock. */
static void dequeue(struct committer *c, struct lane *lane, struct member *m)
{
    list_remove(&m->node);
    c->waiting--;
    c->eager -= !m->lazy;
    c->patient -= m->awaited;
    if (list_empty(&lane->waiting))
        list_remove(&lane->turn);
}

void committer_submit(struct committer *c, store_partition p, struct member *m)
{
    pthread_mutex_lock(&c->lock);
    enqueue(c, lane_of(c, p), m);
    pthread_mutex_unlock(&c->lock);
}

bool committer_withdraw(struct committer *c, store_partition p, struct member *m)
{
    pthread_mutex_lock(&c->lock);
    bool waiting = !m->taken;
    if (waiting)
        dequeue(c, lane_of(c, p), m);
    pthread_mutex_unlock(&c->lock);
    return waiting;
}

static void post_finished(struct member *m)
{
    struct post *post = list_entry(m, struct post, member);
    struct committer *c = post->committer;
    atomic_fetch_sub_explicit(&post->lane->posts, 1, memory_order_release);
    pthread_mutex_lock(&c->lock);
    post->next = c->free_posts;
    c->free_posts = post;
    pthread_mutex_unlock(&c->lock);
}

void committer_post(
    struct committer *c, store_partition p, store_mutate_fn fn, const void *arg, size_t arg_n)
{
    pthread_mutex_lock(&c->lock);
    struct post *post = c->free_posts;
    if (post && !c->stopping) {
        c->free_posts = post->next;
        if (arg_n)
            memcpy(post->arg, arg, arg_n);
        post->mutation = (struct store_mutation){.partition = p, .fn = fn, .arg = post->arg};
        post->member = (struct member){
            .mutations = &post->mutation, .count = 1, .lazy = true, .finish = post_finished};
        post->lane = lane_of(c, p);
        atomic_fetch_add_explicit(&post->lane->posts, 1, memory_order_relaxed);
        enqueue(c, post->lane, &post->member);
    }
    pthread_mutex_unlock(&c->lock);
    if (!post)
        metric_add(&posts_dropped, 1);
}

bool committer_posts_pending(struct committer *c, store_partition p)
{
    return atomic_load_explicit(&lane_of(c, p)->posts, memory_order_acquire) > 0;
}

/* ---- the thread ---- */

/* Under the lock: one member of each lane in turn. */
static void take_group(struct committer *c, struct list *taken)
{
    size_t count = 0, taken_count = 0;
    uint64_t bytes = 0;
    while (!list_empty(&c->turns)) {
        struct lane *lane = list_entry(c->turns.next, struct lane, turn);
        struct member *m = list_entry(lane->waiting.next, struct member, node);
        if (count && (count + m->count > COMMIT_GROUP_MAX || count >= COMMIT_GROUP_MAX ||
                         bytes + m->append_bytes > COMMIT_GROUP_BYTES))
            break;
        dequeue(c, lane, m);
        m->taken = true;
        list_push_back(taken, &m->node);
        count += m->count ? m->count : 1;
        bytes += m->append_bytes;
        taken_count++;
        list_remove(&lane->turn);
        if (!list_empty(&lane->waiting))
            list_push_back(&c->turns, &lane->turn);
    }
    c->company = taken_count;
    metric_set(&depth, (int64_t)c->waiting);
}

/* Under the lock: waits until now + ns, or for a signal. False: the time is up. */
static bool doze(struct committer *c, int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ns;
    if (until.tv_nsec >= CLOCK_SEC) {
        until.tv_sec++;
        until.tv_nsec -= CLOCK_SEC;
    }
    return pthread_cond_timedwait(&c->work, &c->lock, &until) != ETIMEDOUT;
}

/* Under the lock. Those whom the last group has just answered come back within moments: starting
 * without them would split them over two groups for good, with the syncs of both. Waits no longer
 * than a commit takes, and only while they keep coming. */
static void await_company(struct committer *c)
{
    size_t wanted = c->company < COMMIT_GROUP_MAX ? c->company : COMMIT_GROUP_MAX, before;
    if (wanted < 2 || c->waiting >= wanted || c->stopping)
        return;
    int64_t gap = c->commit_time / 2 > COMMIT_COMPANY ? c->commit_time / 2 : COMMIT_COMPANY;
    int64_t end = clock_now() + c->commit_time, left = c->commit_time;
    c->asleep = true;
    c->wanted = wanted;
    do {
        before = c->waiting;
        if (left > 0)
            doze(c, left < gap ? left : gap);
        left = end - clock_now();
    } while (left > 0 && c->waiting < wanted && c->waiting > before && !c->stopping);
    c->wanted = 1;
    c->asleep = false;
}

/* Under the lock. Lazy ones alone wait: somebody eager may come and pay for the syncs. */
static void await_eager(struct committer *c)
{
    int64_t begun = clock_now(), left;
    do {
        int64_t patience = COMMIT_POST_DELAY;
        if (c->patient && c->commit_time < patience)
            patience = c->commit_time;
        left = begun + patience - clock_now();
    } while (left > 0 && doze(c, left) && c->eager == 0 && c->waiting < COMMIT_GROUP_MAX &&
             !c->stopping);
}

/* Under the lock. False: nothing is left and the store is closing. */
static bool await_work(struct committer *c)
{
    c->asleep = true;
    while (c->waiting == 0 && !c->stopping)
        pthread_cond_wait(&c->work, &c->lock);
    if (c->eager == 0 && !c->stopping)
        await_eager(c);
    c->asleep = false;
    return c->waiting > 0;
}

static void *committer_main(void *arg)
{
    struct committer *c = arg;
    struct list taken;
    list_init(&taken);
    pthread_mutex_lock(&c->lock);
    while (await_work(c)) {
        await_company(c);
        take_group(c, &taken);
        pthread_mutex_unlock(&c->lock);
        int64_t begun = clock_now();
        commit_group(&c->commit, &taken);
        pthread_mutex_lock(&c->lock);
        c->commit_time = clock_now() - begun;
        c->company += c->waiting;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- life ---- */

static void committer_free(struct committer *c)
{
    group_destroy(c->commit.group);
    free(c->posts);
    free(c);
}

static struct committer *committer_create(struct lmdb *db)
{
    struct committer *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->db = db;
    c->wanted = 1;
    c->appender.db = db;
    c->commit = (struct commit){db, group_create(db, &c->appender), &c->appender};
    c->posts = calloc(COMMIT_POSTS_MAX, sizeof *c->posts);
    if (!c->commit.group || !c->posts) {
        committer_free(c);
        return NULL;
    }
    for (size_t i = 0; i < COMMIT_POSTS_MAX; i++) {
        c->posts[i].committer = c;
        c->posts[i].next = c->free_posts;
        c->free_posts = &c->posts[i];
    }
    list_init(&c->turns);
    for (size_t i = 0; i < COMMIT_LANES; i++) {
        list_init(&c->lanes[i].waiting);
        list_init(&c->lanes[i].turn);
    }
    return c;
}

struct committer *committer_start(struct lmdb *db, struct segfile *open, uint64_t used)
{
    struct committer *c = committer_create(db);
    if (!c)
        return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->work, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->lock, NULL);
    append_resume(&c->appender, open, used, db->segment_size);
    errno = pthread_create(&c->thread, NULL, committer_main, c);
    if (errno == 0)
        return c;
    committer_free(c);
    return NULL;
}

void committer_stop(struct committer *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    append_finish(&c->appender);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->work);
    committer_free(c);
}
