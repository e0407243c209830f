#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/engine/commit_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

METRIC(commits, METRIC_COUNTER, "barid_store_commits_total", "", "Commits of the store")
METRIC(committed, METRIC_COUNTER, "barid_store_mutations_total", "",
    "Mutations committed; by barid_store_commits_total: size of the groups")
METRIC(refusals, METRIC_COUNTER, "barid_store_failed_total", "",
    "Mutations that ended failed or unknown")
METRIC(posts_dropped, METRIC_COUNTER, "barid_store_posts_dropped_total", "",
    "Unawaited changes dropped because too many waited")
METRIC(depth, METRIC_GAUGE, "barid_store_queue", "", "Changes waiting for the committer")
METRIC(commit_time, METRIC_HISTOGRAM, "barid_store_commit_seconds", "",
    "Time of one commit, syncs included")

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
    struct group *group;
    struct appender appender;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t work;
    struct list turns;     /* lanes that have members */
    size_t waiting, eager; /* members; those that are not lazy */
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

/* ---- running a group ---- */

static void finish(struct member *m, enum outcome outcome)
{
    m->outcome = outcome;
    if (outcome == OUTCOME_FAILED || outcome == OUTCOME_UNKNOWN) {
        for (size_t i = 0; i < m->count; i++)
            m->mutations[i].outcome = outcome;
        metric_add(&refusals, 1);
    }
    m->finish(m);
}

static void finish_all(struct list *members, enum outcome outcome)
{
    for (struct list *node; (node = list_pop_front(members));)
        finish(list_entry(node, struct member, node), outcome);
}

/* With what their functions said. */
static void finish_run(struct committer *c, struct list *run)
{
    metric_add(&commits, 1);
    for (struct list *node; (node = list_pop_front(run));) {
        struct member *m = list_entry(node, struct member, node);
        metric_add(&committed, (int64_t)m->count);
        atomic_fetch_add(&c->db->mutations, m->count);
        finish(m, m->outcome);
    }
}

static void stop_store(struct committer *c, const char *what, int error)
{
    char why[256];
    snprintf(why, sizeof why, "%s: %s", what, error > 0 ? strerror(error) : mdb_strerror(error));
    store_fail(&c->db->store, why);
}

/* The member in a transaction of its own. False: the store has failed. */
static bool run_alone(struct committer *c, struct list *node, bool last)
{
    struct member *m = list_entry(node, struct member, node);
    struct list run;
    int error = 0;
    bool fatal = false;
    for (unsigned trial = 0; trial < 2; trial++) {
        error = group_begin(c->group, &fatal);
        if (!error)
            error = group_run(c->group, m);
        if (!error)
            error = group_commit(c->group, last, &fatal);
        else
            group_abort(c->group);
        if (!error || fatal || error == MDB_MAP_FULL || !home_full(error))
            break;
        home_ballast_drop(c->db);
    }
    list_init(&run);
    list_push_back(&run, node);
    if (!error) {
        finish_run(c, &run);
        return true;
    }
    if (fatal)
        stop_store(c, "committing", error);
    else
        log_warn("store.mutation.failed",
            log_text("error", error == LMDB_BROKEN ? "part of it failed" : mdb_strerror(error)));
    finish_all(&run, fatal ? OUTCOME_UNKNOWN : OUTCOME_FAILED);
    return !fatal;
}

static bool run_each_alone(struct committer *c, struct list *members, struct list *rest)
{
    for (struct list *node; (node = list_pop_front(members));)
        if (!run_alone(c, node, list_empty(members) && list_empty(rest))) {
            finish_all(members, OUTCOME_UNKNOWN);
            return false;
        }
    return true;
}

/* Runs members until the time is up and commits those. False: the store has failed. */
static bool run_together(struct committer *c, struct list *members)
{
    struct list run;
    list_init(&run);
    bool fatal = false;
    int64_t start = clock_now();
    int error = group_begin(c->group, &fatal);
    while (!error && !list_empty(members)) {
        struct list *node = members->next;
        error = group_run(c->group, list_entry(node, struct member, node));
        list_remove(node);
        list_push_back(&run, node);
        if (clock_now() - start > COMMIT_GROUP_TIME)
            break;
    }
    if (error)
        group_abort(c->group);
    else
        error = group_commit(c->group, list_empty(members), &fatal);
    if (!error) {
        metric_observe(&commit_time, clock_now() - start);
        finish_run(c, &run);
        return true;
    }
    if (!fatal)
        return run_each_alone(c, &run, members);
    stop_store(c, "committing", error);
    finish_all(&run, OUTCOME_UNKNOWN);
    return false;
}

/* Members whose record found no room on the disk. */
static void refuse_unwritten(struct list *members)
{
    list_for_safe(members, node)
    {
        struct member *m = list_entry(node, struct member, node);
        bool written = true;
        for (size_t i = 0; i < m->append_count; i++)
            written = written && m->appends[i].segment;
        if (written)
            continue;
        list_remove(node);
        finish(m, OUTCOME_FAILED);
    }
}

static void run_group(struct committer *c, struct list *members)
{
    char why[256];
    if (!store_failed(&c->db->store) && !append_group(&c->appender, members, why))
        store_fail(&c->db->store, why);
    if (!store_failed(&c->db->store))
        refuse_unwritten(members);
    while (!list_empty(members) && !store_failed(&c->db->store))
        if (!run_together(c, members))
            break;
    finish_all(members, OUTCOME_UNKNOWN);
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
 * without them would split them over two groups for good, with the syncs of both. Waits no
 * longer than a sync takes. */
static void await_company(struct committer *c)
{
    int64_t sync = c->appender.sync_time;
    int64_t patience = sync < COMMIT_COMPANY ? sync : COMMIT_COMPANY;
    size_t wanted = c->company < COMMIT_GROUP_MAX ? c->company : COMMIT_GROUP_MAX;
    if (wanted < 2 || c->waiting >= wanted || c->stopping)
        return;
    c->asleep = true;
    c->wanted = wanted;
    int64_t end = clock_now() + patience;
    for (int64_t left = patience; left > 0 && c->waiting < wanted && !c->stopping;) {
        if (!doze(c, left))
            break;
        left = end - clock_now();
    }
    c->wanted = 1;
    c->asleep = false;
}

/* Under the lock. False: nothing is left and the store is closing. */
static bool await_work(struct committer *c)
{
    c->asleep = true;
    while (c->waiting == 0 && !c->stopping)
        pthread_cond_wait(&c->work, &c->lock);
    if (c->eager == 0 && !c->stopping) {
        int64_t end = clock_now() + COMMIT_POST_DELAY;
        for (int64_t left = COMMIT_POST_DELAY; left > 0 && c->eager == 0 && !c->stopping;) {
            if (!doze(c, left))
                break;
            left = end - clock_now();
        }
    }
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
        run_group(c, &taken);
        pthread_mutex_lock(&c->lock);
        c->company += c->waiting;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- life ---- */

static void committer_free(struct committer *c)
{
    group_destroy(c->group);
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
    c->group = group_create(db, &c->appender);
    c->posts = calloc(COMMIT_POSTS_MAX, sizeof *c->posts);
    if (!c->group || !c->posts) {
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
