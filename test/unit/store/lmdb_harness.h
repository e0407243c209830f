/* What the tests of the LMDB engine share: a throw-away folder, a runtime with two reactors, a
 * store in it. */
#pragma once
#include "base/log.h"
#include "store/engine.h"
#include "store/engine/commit_private.h"
#include "store/spool.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct harness {
    char path[64];
    int dir;
    struct store_options options;
    struct store *store;
    void (*body)(struct harness *);
    bool memory_spools; /* bodies take no disk space */
};

static inline int harness_remove(
    const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static inline void harness_main(void *arg)
{
    struct harness *h = arg;
    h->body(h);
}

static inline bool harness_try_open(struct harness *h, enum store_open_error *error, char why[512])
{
    h->store = store_open(&h->options, error, why);
    return h->store != NULL;
}

static inline void harness_open(struct harness *h)
{
    enum store_open_error error;
    char why[512];
    if (!harness_try_open(h, &error, why))
        fail_msg("store_open: %d %s", error, why);
}

static inline void harness_close(struct harness *h)
{
    store_close(h->store);
    h->store = NULL;
}

static inline void harness_reopen(struct harness *h)
{
    harness_close(h);
    harness_open(h);
}

/* Runs body as a task over an empty folder; the body opens the store. */
static inline void harness_run_in(const char *path, void (*body)(struct harness *))
{
    struct harness h = {.body = body};
    snprintf(h.path, sizeof h.path, "%s/barid-XXXXXX", path);
    assert_non_null(mkdtemp(h.path));
    h.dir = open(h.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(h.dir >= 0);
    h.options = (struct store_options){
        .engine = "lmdb", .dir = h.dir, .segment_size = 1024 * 1024, .gc_delay = 1000000};
    struct runtime_options options = {.reactors = 2, .stacks = 128};
    assert_true(runtime_run(&options, harness_main, &h));
    close(h.dir);
    nftw(h.path, harness_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void harness_run(void (*body)(struct harness *))
{
    harness_run_in("/var/tmp", body);
}

/* ---- small mutations ---- */

struct harness_put {
    struct slice key, value;
    store_blob_id retain, release;
    const store_blob_id *fresh; /* the id of the blob that comes with it */
    enum outcome says;
};

static inline enum outcome harness_put_fn(struct store_txn *t, void *arg)
{
    const struct harness_put *p = arg;
    if (p->key.n && p->value.n)
        store_put(t, p->key, p->value);
    else if (p->key.n)
        store_del(t, p->key);
    if (p->retain)
        store_retain(t, p->retain);
    if (p->fresh)
        store_retain(t, *p->fresh);
    if (p->release)
        store_release(t, p->release);
    return p->says;
}

static inline enum outcome harness_mutate(
    struct harness *h, store_partition partition, struct harness_put *put)
{
    struct store_mutation m = {.partition = partition, .fn = harness_put_fn, .arg = put};
    return store_mutate(h->store, &m, NULL, DEADLINE_NEVER);
}

static inline enum outcome harness_put(
    struct harness *h, store_partition partition, const char *key, const char *value)
{
    struct harness_put put = {.key = slice_str(key), .value = slice_str(value)};
    return harness_mutate(h, partition, &put);
}

struct harness_get {
    struct slice key;
    char value[128];
    size_t n;
    bool found;
};

static inline void harness_get_fn(struct store_view *v, void *arg)
{
    struct harness_get *g = arg;
    struct slice value;
    g->found = store_get(v, g->key, &value);
    g->n = 0;
    if (!g->found || value.n >= sizeof g->value)
        return;
    memcpy(g->value, value.p, value.n);
    g->n = value.n;
    g->value[g->n] = 0;
}

/* "" when there is none. */
static inline struct harness_get harness_get(
    struct harness *h, store_partition partition, const char *key)
{
    struct harness_get g = {.key = slice_str(key)};
    uint64_t version;
    assert_int_equal(store_read(h->store, partition, harness_get_fn, &g, &version, DEADLINE_NEVER),
        OUTCOME_DONE);
    return g;
}

/* ---- blobs ---- */

/* The byte at `at` of blob number `seed`. */
static inline char harness_byte(uint64_t seed, uint64_t at)
{
    return (char)((at * 2654435761u >> 7) + seed * 31);
}

static inline struct spool *harness_spool(uint64_t seed, size_t n, int tmp_dir)
{
    struct spool_options options = {.tmp_dir = tmp_dir};
    struct spool *s = spool_create(&options);
    assert_non_null(s);
    char piece[4096];
    for (size_t at = 0; at < n; at += sizeof piece) {
        size_t size = n - at < sizeof piece ? n - at : sizeof piece;
        for (size_t i = 0; i < size; i++)
            piece[i] = harness_byte(seed, at + i);
        spool_write(s, slice(piece, size));
        while (spool_state(s) == SPOOL_WAIT)
            task_yield();
    }
    assert_int_equal(spool_end(s, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(spool_size(s), n);
    return s;
}

/* A blob of n bytes, retained once by a row of the partition. 0: not DONE. */
static inline store_blob_id harness_blob(
    struct harness *h, store_partition partition, uint64_t seed, size_t n)
{
    char key[16];
    int tmp = openat(h->dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct store_blob_owner owner = {7, 9};
    struct store_new_blob blob = {.body = harness_spool(seed, n, h->memory_spools ? -1 : tmp),
        .date = 1,
        .owners = &owner,
        .owner_count = 1};
    snprintf(key, sizeof key, "blob %u", (unsigned)seed);
    struct harness_put put = {.key = slice_str(key), .value = S("x"), .fresh = &blob.id};
    struct store_mutation m = {.partition = partition, .fn = harness_put_fn, .arg = &put};
    enum outcome outcome = store_mutate(h->store, &m, &blob, DEADLINE_NEVER);
    spool_destroy(blob.body);
    close(tmp);
    return outcome == OUTCOME_DONE ? blob.id : 0;
}

static inline enum outcome harness_release(struct harness *h, store_partition p, store_blob_id id)
{
    struct harness_put put = {.release = id};
    return harness_mutate(h, p, &put);
}

/* Reads the whole blob in pieces of odd size and compares. */
static inline enum outcome harness_check(
    struct harness *h, store_blob_id id, uint64_t seed, size_t n)
{
    struct store_blob *b;
    enum outcome outcome = store_blob_open(h->store, id, &b, DEADLINE_NEVER);
    if (outcome != OUTCOME_DONE)
        return outcome;
    assert_int_equal(store_blob_size(b), n);
    static char piece[100001];
    for (size_t at = 0; at < n && outcome == OUTCOME_DONE;) {
        size_t got;
        outcome = store_blob_read(b, at, piece, sizeof piece, &got, DEADLINE_NEVER);
        for (size_t i = 0; i < got; i++)
            if (piece[i] != harness_byte(seed, at + i))
                fail_msg("blob %u: byte %zu is wrong", (unsigned)id, at + i);
        at += got;
    }
    store_blob_close(b);
    return outcome;
}

static inline void harness_print_fault(void *arg, const struct store_fault *f)
{
    (void)arg;
    print_message("%s: %s\n", f->what, f->text);
}

static inline uint64_t harness_faults(struct harness *h)
{
    uint64_t blobs, bytes;
    return store_verify(h->store, harness_print_fault, NULL, &blobs, &bytes);
}
