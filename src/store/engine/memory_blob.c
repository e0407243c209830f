#include "base/hash.h"
#include "base/pack.h"
#include "store/engine/memory_private.h"
#include "store/spool.h"
#include <stdio.h>
#include <stdlib.h>

#define URGENT_DELAY (600 * CLOCK_SEC)
#define BATCH        256 /* blobs handed out by each in one hold of the lock */

struct memory_open {
    struct store_blob base;
    struct memory_blob *blob;
};

static struct memory_blob *blob_in(const struct memory_node *node)
{
    struct memory_blob *blob;
    memcpy(&blob, memory_map_value(node).p, sizeof blob);
    return blob;
}

/* Under blob_lock, as all that follows unless it takes it. */
static struct memory_blob *find_blob(const struct memory_store *ms, store_blob_id id)
{
    char key[8];
    pack_u64(key, id);
    const struct memory_node *node = memory_map_find(&ms->blobs, slice(key, sizeof key));
    return node ? blob_in(node) : NULL;
}

/* ---- writing ---- */

/* Gives it the next id; it is garbage until somebody retains it. */
static bool enter_blob(struct memory_store *ms, struct memory_blob *blob)
{
    pthread_mutex_lock(&ms->blob_lock);
    char key[8];
    pack_u64(key, ms->last_blob + 1);
    bool entered = memory_map_put(&ms->blobs, slice(key, sizeof key), slice(&blob, sizeof(void *)));
    if (entered) {
        blob->id = ++ms->last_blob;
        blob->released = clock_now();
        list_push_back(&ms->garbage, &blob->garbage);
        ms->blob_bytes += blob->size;
    }
    pthread_mutex_unlock(&ms->blob_lock);
    return entered;
}

TASK_FN
static bool copy_body(struct memory_blob *blob, size_t head_n, struct spool *body)
{
    uint64_t size = blob->size - head_n;
    for (uint64_t at = 0; at < size;) {
        size_t got = 0;
        enum outcome outcome =
            spool_read(body, at, blob->bytes + head_n + at, (size_t)(size - at), &got);
        if (outcome != OUTCOME_DONE || got == 0)
            return false;
        at += got;
    }
    return true;
}

TASK_FN
enum outcome memory_blob_write(struct memory_store *ms, struct store_new_blob *new, deadline until)
{
    struct memory_blob *blob = calloc(1, sizeof *blob);
    if (!blob)
        return OUTCOME_FAILED;
    list_init(&blob->garbage);
    list_init(&blob->plan);
    blob->pins = 1;
    blob->size = new->head.n + (new->body ? spool_size(new->body) : 0);
    blob->bytes = malloc(blob->size ? blob->size : 1);
    bool written = blob->bytes != NULL;
    if (written && new->head.n)
        memcpy(blob->bytes, new->head.p, new->head.n);
    written = written && (!new->body || copy_body(blob, new->head.n, new->body));
    if (written)
        blob->crc = crc32c(0, blob->bytes, blob->size);
    if (!written || !enter_blob(ms, blob)) {
        free(blob->bytes);
        free(blob);
        return OUTCOME_FAILED;
    }
    new->id = blob->id;
    new->size = blob->size;
    return OUTCOME_DONE;
}

void memory_blob_unpin(struct memory_store *ms, store_blob_id id)
{
    pthread_mutex_lock(&ms->blob_lock);
    struct memory_blob *blob = find_blob(ms, id);
    if (blob)
        blob->pins--;
    pthread_mutex_unlock(&ms->blob_lock);
}

/* ---- references ---- */

bool memory_blob_check(struct memory_store *ms, const struct writeset *set, bool plan)
{
    bool legal = true;
    pthread_mutex_lock(&ms->blob_lock);
    const struct writeset_ref *ref = writeset_first_ref(set);
    for (; ref && legal; ref = writeset_next_ref(ref)) {
        struct memory_blob *blob = find_blob(ms, ref->blob);
        int64_t change = (int64_t)ref->retains - ref->releases;
        legal = blob && blob->refs + blob->planned + change >= 0 &&
                blob->refs + blob->planned + change <= UINT32_MAX;
        if (!legal || !plan)
            continue;
        blob->planned += change;
        list_remove(&blob->plan);
        list_push_back(&ms->planned, &blob->plan);
    }
    pthread_mutex_unlock(&ms->blob_lock);
    return legal;
}

void memory_blob_forget_plan(struct memory_store *ms)
{
    pthread_mutex_lock(&ms->blob_lock);
    for (struct list *node; (node = list_pop_front(&ms->planned));)
        list_entry(node, struct memory_blob, plan)->planned = 0;
    pthread_mutex_unlock(&ms->blob_lock);
}

void memory_blob_change(
    struct memory_store *ms, store_blob_id id, uint32_t retains, uint32_t releases)
{
    pthread_mutex_lock(&ms->blob_lock);
    struct memory_blob *blob = find_blob(ms, id);
    if (blob) {
        uint32_t before = blob->refs;
        blob->refs = before + retains - releases;
        if (before)
            ms->live_bytes -= blob->size;
        if (blob->refs)
            ms->live_bytes += blob->size;
        if (!before || !blob->refs)
            list_remove(&blob->garbage);
        if (!blob->refs) {
            blob->released = clock_now();
            list_push_back(&ms->garbage, &blob->garbage);
        }
    }
    pthread_mutex_unlock(&ms->blob_lock);
}

/* ---- sweeping ---- */

static void free_blob(struct memory_store *ms, struct memory_blob *blob)
{
    if (ms->options.harsh) {
        memset(blob->bytes, 0xdb, blob->size);
        __asm__ volatile("" : : "r"(blob->bytes) : "memory"); /* or the memset is dropped */
    }
    free(blob->bytes);
    free(blob);
}

static void drop_blob(struct memory_store *ms, struct memory_blob *blob)
{
    char key[8];
    pack_u64(key, blob->id);
    memory_map_del(&ms->blobs, slice(key, sizeof key));
    list_remove(&blob->garbage);
    ms->blob_bytes -= blob->size;
    free_blob(ms, blob);
}

int64_t memory_blob_sweep(struct memory_store *ms, bool urgent)
{
    int64_t now = clock_now(), delay = ms->options.gc_delay, next = 3600 * CLOCK_SEC;
    if (urgent && delay > URGENT_DELAY)
        delay = URGENT_DELAY;
    pthread_mutex_lock(&ms->blob_lock);
    list_for_safe(&ms->garbage, node)
    {
        struct memory_blob *blob = list_entry(node, struct memory_blob, garbage);
        if (blob->released + delay > now) {
            next = blob->released + delay - now < next ? blob->released + delay - now : next;
            break;
        }
        if (!blob->pins)
            drop_blob(ms, blob);
        else
            next = CLOCK_SEC / 10;
    }
    pthread_mutex_unlock(&ms->blob_lock);
    return next;
}

void memory_blob_finish(struct memory_store *ms)
{
    const struct memory_node *node = memory_map_seek(&ms->blobs, S(""), false);
    for (; node; node = memory_map_next(node))
        free_blob(ms, blob_in(node));
    memory_map_finish(&ms->blobs);
}

/* ---- reading ---- */

TASK_FN
enum outcome memory_blob_open(
    struct store *s, store_blob_id id, struct store_blob **opened, deadline until)
{
    struct memory_store *ms = memory_of(s);
    struct memory_open *open = malloc(sizeof *open);
    if (!open)
        return OUTCOME_FAILED;
    if (memory_chance(ms, 4))
        task_yield();
    pthread_mutex_lock(&ms->blob_lock);
    struct memory_blob *blob = find_blob(ms, id);
    if (blob)
        blob->pins++;
    pthread_mutex_unlock(&ms->blob_lock);
    if (!blob) {
        free(open);
        return OUTCOME_REFUSED;
    }
    *open = (struct memory_open){{.store = s, .id = id, .size = blob->size}, blob};
    *opened = &open->base;
    return OUTCOME_DONE;
}

TASK_FN
enum outcome memory_blob_read(
    struct store_blob *b, uint64_t offset, void *to, size_t n, size_t *got, deadline until)
{
    const struct memory_open *open = (struct memory_open *)(void *)b;
    struct memory_store *ms = memory_of(b->store);
    *got = 0;
    if (memory_chance(ms, 4))
        task_yield();
    if (offset >= b->size)
        return OUTCOME_DONE;
    *got = n < b->size - offset ? n : (size_t)(b->size - offset);
    memcpy(to, open->blob->bytes + offset, *got);
    return OUTCOME_DONE;
}

void memory_blob_close(struct store_blob *b)
{
    struct memory_open *open = (struct memory_open *)(void *)b;
    struct memory_store *ms = memory_of(b->store);
    pthread_mutex_lock(&ms->blob_lock);
    open->blob->pins--;
    pthread_mutex_unlock(&ms->blob_lock);
    free(open);
}

/* ---- verify, each ---- */

static void tell_fault(void (*fn)(void *arg, const struct store_fault *f), void *arg,
    const char *what, uint64_t id, const char *text)
{
    struct store_fault fault = {.what = what};
    snprintf(fault.text, sizeof fault.text, "%s %llu: %s", what, (unsigned long long)id, text);
    fn(arg, &fault);
}

TASK_FN
uint64_t memory_blob_verify(struct store *s, void (*fn)(void *arg, const struct store_fault *f),
    void *arg, uint64_t *blobs, uint64_t *bytes)
{
    struct memory_store *ms = memory_of(s);
    uint64_t faults = 0, live = 0;
    *blobs = *bytes = 0;
    pthread_mutex_lock(&ms->blob_lock);
    const struct memory_node *node = memory_map_seek(&ms->blobs, S(""), false);
    for (; node; node = memory_map_next(node)) {
        const struct memory_blob *blob = blob_in(node);
        ++*blobs;
        *bytes += blob->size;
        live += blob->refs ? blob->size : 0;
        if (crc32c(0, blob->bytes, blob->size) == blob->crc)
            continue;
        faults++;
        tell_fault(fn, arg, "blob", blob->id, "its bytes do not match their checksum");
    }
    if (live != ms->live_bytes) {
        faults++;
        tell_fault(fn, arg, "counter", ms->live_bytes, "live bytes do not match the blobs");
    }
    pthread_mutex_unlock(&ms->blob_lock);
    return faults;
}

struct listed {
    store_blob_id id;
    uint32_t refs;
    uint64_t size;
};

static size_t list_blobs(struct memory_store *ms, store_blob_id after, struct listed *to)
{
    char key[8];
    pack_u64(key, after);
    size_t n = 0;
    pthread_mutex_lock(&ms->blob_lock);
    const struct memory_node *node = memory_map_seek(&ms->blobs, slice(key, sizeof key), true);
    for (; node && n < BATCH; node = memory_map_next(node)) {
        const struct memory_blob *blob = blob_in(node);
        to[n++] = (struct listed){blob->id, blob->refs, blob->size};
    }
    pthread_mutex_unlock(&ms->blob_lock);
    return n;
}

TASK_FN
enum outcome memory_blob_each(struct store *s,
    void (*fn)(void *arg, store_blob_id id, uint32_t refs, uint64_t size), void *arg)
{
    struct listed *batch = malloc(BATCH * sizeof *batch);
    if (!batch)
        return OUTCOME_FAILED;
    store_blob_id after = 0;
    for (size_t n; (n = list_blobs(memory_of(s), after, batch)) > 0;) {
        for (size_t i = 0; i < n; i++)
            fn(arg, batch[i].id, batch[i].refs, batch[i].size);
        after = batch[n - 1].id;
        task_yield();
    }
    free(batch);
    return OUTCOME_DONE;
}
