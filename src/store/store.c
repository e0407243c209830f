#include "base/log.h"
#include "store/engine_private.h"
#include "store/spool.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- open, close, failure ---- */

TASK_FN
struct store *store_open(
    const struct store_options *options, enum store_open_error *error, char why[512])
{
    static const struct store_engine_ops *const engines[] = {&store_lmdb_ops, &store_memory_ops};
    *error = STORE_OPEN_OK;
    why[0] = 0;
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
        if (strcmp(options->engine, engines[i]->name) == 0)
            return engines[i]->open(options, error, why);
    *error = STORE_OPEN_FORMAT;
    snprintf(why, 512, "there is no store engine \"%.32s\": use \"lmdb\" or \"memory\"",
        options->engine);
    return NULL;
}

TASK_FN
void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

bool store_init(struct store *s, const struct store_engine_ops *ops)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->watches = watch_hub_create();
    if (!s->watches)
        return false;
    pthread_mutex_init(&s->failure_lock, NULL);
    return true;
}

void store_finish(struct store *s)
{
    watch_hub_destroy(s->watches);
    pthread_mutex_destroy(&s->failure_lock);
}

void store_on_failure(struct store *s, void (*fn)(void *arg, const char *why), void *arg)
{
    pthread_mutex_lock(&s->failure_lock);
    s->on_failure = fn;
    s->on_failure_arg = arg;
    bool late = store_failed(s);
    pthread_mutex_unlock(&s->failure_lock);
    if (late && fn)
        fn(arg, s->why);
}

void store_fail(struct store *s, const char *why)
{
    pthread_mutex_lock(&s->failure_lock);
    bool first = !store_failed(s);
    if (first) {
        snprintf(s->why, sizeof s->why, "%s", why);
        atomic_store_explicit(&s->failed, true, memory_order_release);
    }
    void (*fn)(void *, const char *) = s->on_failure;
    void *arg = s->on_failure_arg;
    pthread_mutex_unlock(&s->failure_lock);
    if (!first)
        return;
    log_error("store.failed", log_text("why", s->why));
    if (fn)
        fn(arg, s->why);
}

/* ---- waiting for another thread ---- */

static void waiter_wake(void *arg, int64_t result)
{
    struct store_waiter *w = arg;
    w->result = result;
    event_raise(&w->done);
}

bool store_waiter_prepare(struct store_waiter *w)
{
    event_init(&w->done);
    w->result = 0;
    return completion_reserve(&w->slot, waiter_wake, w);
}

void store_waiter_drop(struct store_waiter *w)
{
    completion_abandon(w->slot);
    completion_post(w->slot, 0); /* gives the slot back */
}

TASK_FN
int64_t store_waiter_wait(struct store_waiter *w)
{
    event_await(&w->done);
    return w->result;
}

/* ---- dispatch and limits ---- */

TASK_FN
enum outcome store_read(struct store *s, store_partition p, store_read_fn fn, void *arg,
    uint64_t *version, deadline until)
{
    if (store_failed(s))
        return OUTCOME_FAILED;
    uint64_t ignored;
    return s->ops->read(s, p, fn, arg, version ? version : &ignored, until);
}

static bool blob_within_limits(const struct store_new_blob *blob)
{
    return !blob || (blob->head.n <= STORE_HEAD_MAX && blob->owner_count <= STORE_OWNERS_MAX);
}

TASK_FN
enum outcome store_mutate(
    struct store *s, struct store_mutation *m, struct store_new_blob *blob, deadline until)
{
    m->outcome = OUTCOME_FAILED;
    if (store_failed(s) || !blob_within_limits(blob) || clock_now() >= until)
        return OUTCOME_FAILED;
    return s->ops->mutate(s, m, 1, false, blob, until);
}

static int compare_partitions(const void *a, const void *b)
{
    store_partition x = *(const store_partition *)a, y = *(const store_partition *)b;
    return x < y ? -1 : x > y;
}

static bool all_different(const struct store_mutation *m, size_t n)
{
    store_partition *sorted = malloc(n * sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        sorted[i] = m[i].partition;
    qsort(sorted, n, sizeof *sorted, compare_partitions);
    bool different = true;
    for (size_t i = 1; i < n; i++)
        different = different && sorted[i - 1] != sorted[i];
    free(sorted);
    return different;
}

TASK_FN
enum outcome store_intent(struct store *s, struct store_mutation *destinations, size_t n,
    struct store_new_blob *blob, deadline until)
{
    for (size_t i = 0; i < n; i++)
        destinations[i].outcome = OUTCOME_FAILED;
    if (store_failed(s) || n == 0 || n > STORE_INTENT_MAX || !blob_within_limits(blob))
        return OUTCOME_FAILED;
    if (clock_now() >= until || (n > 1 && !all_different(destinations, n)))
        return OUTCOME_FAILED;
    return s->ops->mutate(s, destinations, n, true, blob, until);
}

void store_post(
    struct store *s, store_partition p, store_mutate_fn fn, const void *arg, size_t arg_n)
{
    assert(arg_n <= STORE_POST_MAX);
    if (arg_n <= STORE_POST_MAX && !store_failed(s))
        s->ops->post(s, p, fn, arg, arg_n);
}

TASK_FN
enum outcome store_blob_open(
    struct store *s, store_blob_id id, struct store_blob **blob, deadline until)
{
    *blob = NULL;
    if (store_failed(s))
        return OUTCOME_FAILED;
    return id == 0 ? OUTCOME_REFUSED : s->ops->blob_open(s, id, blob, until);
}

uint64_t store_blob_size(const struct store_blob *b)
{
    return b->size;
}

TASK_FN
enum outcome store_blob_read(
    struct store_blob *b, uint64_t offset, void *to, size_t n, size_t *got, deadline until)
{
    *got = 0;
    if (offset >= b->size || n == 0)
        return OUTCOME_DONE;
    if (n > b->size - offset)
        n = (size_t)(b->size - offset);
    return b->store->ops->blob_read(b, offset, to, n, got, until);
}

void store_blob_close(struct store_blob *b)
{
    if (b)
        b->store->ops->blob_close(b);
}

TASK_FN
void store_housekeep(struct store *s, bool urgent)
{
    if (!store_failed(s))
        s->ops->housekeep(s, urgent);
}

TASK_FN
uint64_t store_verify(struct store *s, void (*fn)(void *arg, const struct store_fault *f),
    void *arg, uint64_t *blobs, uint64_t *bytes)
{
    *blobs = *bytes = 0;
    return s->ops->verify(s, fn, arg, blobs, bytes);
}

TASK_FN
enum outcome store_each_blob(struct store *s,
    void (*fn)(void *arg, store_blob_id id, uint32_t refs, uint64_t size), void *arg)
{
    return s->ops->each_blob(s, fn, arg);
}

void store_figures(struct store *s, struct store_figures *f)
{
    memset(f, 0, sizeof *f);
    s->ops->figures(s, f);
}
