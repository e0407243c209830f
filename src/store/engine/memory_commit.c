#include "store/engine/memory_private.h"
#include <stdlib.h>
#include <time.h>

#define TELL_LATER_MAX (3 * CLOCK_MS) /* harsh */
#define NOTIFY_LATE    (100 * CLOCK_MS)

bool memory_commit_step(struct memory_store *ms)
{
    uint64_t left = atomic_load(&ms->steps_left);
    if (left == MEMORY_NO_CRASH)
        return true;
    if (left == 0) {
        atomic_store(&ms->crashed, true);
        return false;
    }
    atomic_store(&ms->steps_left, left - 1);
    return true;
}

static void run_post(struct memory_store *ms, struct memory_post *post)
{
    struct store_mutation m = {.partition = post->job.partition, .fn = post->fn, .arg = post->arg};
    memory_apply_one(ms, &m, false);
}

static void run_restart(struct memory_store *ms)
{
    atomic_store(&ms->steps_left, MEMORY_NO_CRASH);
    atomic_store(&ms->crashed, false);
    memory_intent_replay(ms);
}

static void run_mutation(struct memory_store *ms, struct memory_job *job)
{
    enum outcome outcome =
        job->intent ? memory_intent_run(ms, job->m, job->n) : memory_apply_one(ms, job->m, true);
    if (!job->intent)
        job->m->outcome = outcome;
    job->result = outcome;
}

/* After the crash nothing is known of what was submitted. */
static void run_dead(struct memory_job *job)
{
    job->result = job->kind == MEMORY_READ ? OUTCOME_FAILED : OUTCOME_UNKNOWN;
    for (size_t i = 0; job->kind == MEMORY_MUTATE && i < job->n; i++)
        job->m[i].outcome = OUTCOME_UNKNOWN;
}

static void run_job(struct memory_store *ms, struct memory_job *job)
{
    if (job->kind != MEMORY_RESTART && (atomic_load(&ms->crashed) || store_failed(&ms->base))) {
        run_dead(job);
        return;
    }
    switch (job->kind) {
    case MEMORY_MUTATE:
        run_mutation(ms, job);
        break;
    case MEMORY_POST:
        run_post(ms, (struct memory_post *)(void *)job);
        break;
    case MEMORY_READ: {
        const struct memory_partition *part = memory_apply_find(ms, job->partition);
        *job->version = part ? part->version : 0;
        job->result = memory_view_read(ms, job->partition, part, job->read, job->read_arg);
        break;
    }
    case MEMORY_SWEEP:
        memory_blob_sweep(ms, job->urgent);
        break;
    case MEMORY_RESTART:
        run_restart(ms);
        break;
    }
}

/* Under queue_lock. The job is gone as soon as it is told. */
static void tell(struct memory_job *job)
{
    list_remove(&job->node);
    completion_post(job->waiter->slot, job->result);
}

static void job_ran(struct memory_store *ms, struct memory_job *job)
{
    pthread_mutex_lock(&ms->queue_lock);
    if (!job->waiter) {
        ms->posts_waiting--;
        free(job);
    } else if (memory_chance(ms, 2)) {
        job->tell_at = clock_now() + (int64_t)memory_draw(ms, TELL_LATER_MAX);
        list_push_back(&ms->untold, &job->node);
    } else {
        tell(job);
    }
    pthread_mutex_unlock(&ms->queue_lock);
}

/* Under queue_lock: tells what is due (all when closing); when the next one is. */
static int64_t tell_due(struct memory_store *ms, bool all)
{
    int64_t now = clock_now(), next = INT64_MAX;
    list_for_safe(&ms->untold, node)
    {
        struct memory_job *job = list_entry(node, struct memory_job, node);
        if (all || job->tell_at <= now)
            tell(job);
        else if (job->tell_at < next)
            next = job->tell_at;
    }
    return next;
}

/* On the kernel's clock, which a test may have left behind with its own. */
static void wait_until(struct memory_store *ms, int64_t until)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t left = until - clock_now(), at = ts.tv_sec * CLOCK_SEC + ts.tv_nsec;
    at += left > 0 ? left : 0;
    ts = (struct timespec){at / CLOCK_SEC, at % CLOCK_SEC};
    pthread_cond_timedwait(&ms->queue_more, &ms->queue_lock, &ts);
}

/* The next job; NULL: there is housekeeping to do, or (*stop) all is done. */
static struct memory_job *next_job(struct memory_store *ms, int64_t housekeep_at, bool *stop)
{
    struct list *node = NULL;
    pthread_mutex_lock(&ms->queue_lock);
    for (;;) {
        int64_t next = tell_due(ms, false);
        node = list_pop_front(&ms->queue);
        *stop = !node && ms->closing;
        if (node || *stop || clock_now() >= housekeep_at)
            break;
        wait_until(ms, next < housekeep_at ? next : housekeep_at);
    }
    if (*stop)
        tell_due(ms, true);
    if (node && list_empty(&ms->queue))
        ms->figures.groups++;
    pthread_mutex_unlock(&ms->queue_lock);
    return node ? list_entry(node, struct memory_job, node) : NULL;
}

/* What is due beside jobs; when to come back. */
static int64_t housekeep(struct memory_store *ms, int64_t *notify_at)
{
    int64_t now = clock_now(), next = now + memory_blob_sweep(ms, false);
    if (!ms->options.harsh)
        return next;
    if (now >= *notify_at) {
        memory_apply_notify_late(ms);
        *notify_at = now + NOTIFY_LATE;
    }
    return next < *notify_at ? next : *notify_at;
}

void *memory_commit_thread(void *arg)
{
    struct memory_store *ms = arg;
    int64_t notify_at = 0;
    for (bool stop = false; !stop;) {
        struct memory_job *job = next_job(ms, housekeep(ms, &notify_at), &stop);
        if (!job)
            continue;
        run_job(ms, job);
        job_ran(ms, job);
    }
    return NULL;
}
