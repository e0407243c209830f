#include "base/metrics.h"
#include "store/engine/memory_private.h"
#include <stdio.h>
#include <stdlib.h>

#define GC_DELAY_DEFAULT (24 * 3600 * CLOCK_SEC)

METRIC(posts_dropped, METRIC_COUNTER, "barid_store_posts_dropped_total", "engine=\"memory\"",
    "Changes that nobody waits for, dropped because the queue was full")

/* ---- harsh ---- */

/* splitmix64 over a shared counter: each draw of the store is one of the sequence of its seed. */
uint64_t memory_draw(struct memory_store *ms, uint64_t below)
{
    uint64_t z = atomic_fetch_add(&ms->chance, UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (uint64_t)(((unsigned __int128)z * below) >> 64);
}

bool memory_chance(struct memory_store *ms, unsigned one_in)
{
    return ms->options.harsh && one_in && memory_draw(ms, one_in) == 0;
}

/* ---- submitting ---- */

/* Hands the job over and waits for its end. False: the store is closing or this reactor has too
 * much in flight; the job did not run. */
TASK_FN
static bool submit(struct memory_store *ms, struct memory_job *job)
{
    struct store_waiter waiter;
    if (!store_waiter_prepare(&waiter))
        return false;
    job->waiter = &waiter;
    list_init(&job->node);
    pthread_mutex_lock(&ms->queue_lock);
    bool open = !ms->closing;
    if (open) {
        ms->figures.mutations += job->n;
        list_push_back(&ms->queue, &job->node);
        pthread_cond_signal(&ms->queue_more);
    }
    pthread_mutex_unlock(&ms->queue_lock);
    if (open)
        store_waiter_wait(&waiter);
    else
        store_waiter_drop(&waiter);
    return open;
}

TASK_FN
static enum outcome memory_mutate(struct store *s, struct store_mutation *m, size_t n, bool intent,
    struct store_new_blob *blob, deadline until)
{
    struct memory_store *ms = memory_of(s);
    struct memory_job job = {
        .kind = MEMORY_MUTATE, .m = m, .n = n, .intent = intent, .result = OUTCOME_FAILED};
    if (atomic_load(&ms->crashed))
        return OUTCOME_FAILED;
    atomic_fetch_add(&ms->inside, 1);
    if (!blob || memory_blob_write(ms, blob, until) == OUTCOME_DONE) {
        submit(ms, &job);
        if (blob)
            memory_blob_unpin(ms, blob->id);
    }
    enum outcome outcome = (enum outcome)job.result;
    atomic_fetch_sub(&ms->inside, 1);
    return outcome;
}

static void memory_post(
    struct store *s, store_partition p, store_mutate_fn fn, const void *arg, size_t arg_n)
{
    struct memory_store *ms = memory_of(s);
    struct memory_post *post = calloc(1, sizeof *post);
    if (post) {
        post->job = (struct memory_job){.kind = MEMORY_POST, .partition = p};
        post->fn = fn;
        if (arg_n)
            memcpy(post->arg, arg, arg_n);
        list_init(&post->job.node);
    }
    pthread_mutex_lock(&ms->queue_lock);
    bool taken = post && !ms->closing && ms->posts_waiting < MEMORY_POSTS_MAX;
    if (taken) {
        ms->posts_waiting++;
        list_push_back(&ms->queue, &post->job.node);
        pthread_cond_signal(&ms->queue_more);
    }
    pthread_mutex_unlock(&ms->queue_lock);
    if (taken)
        return;
    metric_add(&posts_dropped, 1);
    free(post);
}

struct read_call {
    struct memory_store *ms;
    store_partition partition;
    store_read_fn fn;
    void *arg;
    uint64_t *version;
    enum outcome outcome;
};

static void read_here(void *arg)
{
    struct read_call *call = arg;
    pthread_rwlock_rdlock(&call->ms->rows);
    const struct memory_partition *part = memory_apply_find(call->ms, call->partition);
    *call->version = part ? part->version : 0;
    call->outcome = memory_view_read(call->ms, call->partition, part, call->fn, call->arg);
    pthread_rwlock_unlock(&call->ms->rows);
}

/* A read behind a post waits for it in the queue. */
static bool posts_waiting(struct memory_store *ms)
{
    pthread_mutex_lock(&ms->queue_lock);
    bool waiting = ms->posts_waiting > 0;
    pthread_mutex_unlock(&ms->queue_lock);
    return waiting;
}

TASK_FN
static enum outcome memory_read(struct store *s, store_partition p, store_read_fn fn, void *arg,
    uint64_t *version, deadline until)
{
    struct memory_store *ms = memory_of(s);
    struct read_call call = {ms, p, fn, arg, version, OUTCOME_FAILED};
    if (atomic_load(&ms->crashed) || clock_now() >= until)
        return OUTCOME_FAILED;
    atomic_fetch_add(&ms->inside, 1);
    if (posts_waiting(ms) || memory_chance(ms, 8)) {
        struct memory_job job = {.kind = MEMORY_READ,
            .partition = p,
            .read = fn,
            .read_arg = arg,
            .version = version,
            .result = OUTCOME_FAILED};
        submit(ms, &job);
        call.outcome = (enum outcome)job.result;
    } else if (!memory_chance(ms, 8) || !offload_run(OFFLOAD_READ, read_here, &call)) {
        read_here(&call);
    }
    atomic_fetch_sub(&ms->inside, 1);
    return call.outcome;
}

TASK_FN
static void memory_housekeep(struct store *s, bool urgent)
{
    struct memory_job job = {.kind = MEMORY_SWEEP, .urgent = urgent};
    submit(memory_of(s), &job);
}

void memory_crash_after(struct store *s, unsigned steps)
{
    atomic_store(&memory_of(s)->steps_left, steps);
}

TASK_FN
void memory_restart(struct store *s)
{
    struct memory_job job = {.kind = MEMORY_RESTART};
    atomic_store(&memory_of(s)->crashed, true);
    submit(memory_of(s), &job);
}

static void memory_figures(struct store *s, struct store_figures *f)
{
    struct memory_store *ms = memory_of(s);
    pthread_mutex_lock(&ms->queue_lock);
    *f = ms->figures;
    pthread_mutex_unlock(&ms->queue_lock);
    pthread_mutex_lock(&ms->blob_lock);
    f->segment_bytes = ms->blob_bytes;
    f->live_bytes = ms->live_bytes;
    f->blobs = ms->blobs.n;
    list_for(&ms->garbage, node) f->garbage++;
    pthread_mutex_unlock(&ms->blob_lock);
}

/* ---- open and close ---- */

static void init_locks(struct memory_store *ms)
{
    pthread_rwlockattr_t fair;
    pthread_rwlockattr_init(&fair);
    pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&ms->rows, &fair);
    pthread_rwlockattr_destroy(&fair);
    pthread_mutex_init(&ms->queue_lock, NULL);
    pthread_mutex_init(&ms->blob_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ms->queue_more, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void free_store(struct memory_store *ms)
{
    memory_apply_finish(ms);
    memory_blob_finish(ms);
    writeset_destroy(ms->set);
    pthread_rwlock_destroy(&ms->rows);
    pthread_mutex_destroy(&ms->queue_lock);
    pthread_mutex_destroy(&ms->blob_lock);
    pthread_cond_destroy(&ms->queue_more);
    free(ms);
}

TASK_FN
static struct store *memory_open(
    const struct store_options *options, enum store_open_error *error, char why[512])
{
    *error = STORE_OPEN_SYSTEM;
    snprintf(why, 512, "out of memory or threads");
    struct memory_store *ms = calloc(1, sizeof *ms);
    if (!ms || !store_init(&ms->base, &store_memory_ops)) {
        free(ms);
        return NULL;
    }
    ms->options = *options;
    if (!ms->options.gc_delay)
        ms->options.gc_delay = GC_DELAY_DEFAULT;
    atomic_init(&ms->chance, options->seed);
    atomic_init(&ms->steps_left, MEMORY_NO_CRASH);
    init_locks(ms);
    list_init(&ms->queue);
    list_init(&ms->untold);
    list_init(&ms->garbage);
    list_init(&ms->planned);
    memory_map_init(&ms->partitions, options->harsh);
    memory_map_init(&ms->blobs, options->harsh);
    ms->set = writeset_create();
    if (!ms->set || pthread_create(&ms->committer, NULL, memory_commit_thread, ms) != 0) {
        store_finish(&ms->base);
        free_store(ms);
        return NULL;
    }
    *error = STORE_OPEN_OK;
    why[0] = '\0';
    return &ms->base;
}

TASK_FN
static void memory_close(struct store *s)
{
    struct memory_store *ms = memory_of(s);
    pthread_mutex_lock(&ms->queue_lock);
    ms->closing = true;
    pthread_cond_signal(&ms->queue_more);
    pthread_mutex_unlock(&ms->queue_lock);
    while (atomic_load(&ms->inside) > 0)
        task_sleep(deadline_in(CLOCK_MS));
    pthread_join(ms->committer, NULL);
    store_finish(s);
    free_store(ms);
}

const struct store_engine_ops store_memory_ops = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .read = memory_read,
    .mutate = memory_mutate,
    .post = memory_post,
    .blob_open = memory_blob_open,
    .blob_read = memory_blob_read,
    .blob_close = memory_blob_close,
    .housekeep = memory_housekeep,
    .verify = memory_blob_verify,
    .each_blob = memory_blob_each,
    .figures = memory_figures,
};
