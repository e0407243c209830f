/* A memory store in harsh mode and messages put into its queue. */
#pragma once
#include "queue/row.h"
#include "queue/verify.h"
#include "store/spool.h"
#include "unit/task/check.h"
#include "unit/unit.h"

#define SOON deadline_in(60 * CLOCK_SEC)

static struct store *fixture_store;

static inline void fixture_open(uint64_t seed)
{
    char why[512];
    enum store_open_error error;
    struct store_options options = {.engine = "memory", .dir = -1, .harsh = true, .seed = seed};
    fixture_store = store_open(&options, &error, why);
    CHECK(fixture_store);
}

static inline void fixture_close(void)
{
    store_close(fixture_store);
}

struct fixture_put {
    struct queue_new *new;
    struct store_new_blob *blob;
};

static inline enum outcome fixture_put_fn(struct store_txn *t, void *arg)
{
    struct fixture_put *p = arg;
    p->new->message.blob = p->blob->id;
    p->new->message.size = p->blob->size;
    return queue_put(t, p->new);
}

static inline enum outcome fixture_put(struct queue_new *new, struct slice text)
{
    struct spool_options options = {.tmp_dir = -1};
    struct spool *body = spool_create(&options);
    CHECK(body && spool_write(body, text) == SPOOL_OK && spool_end(body, SOON) == OUTCOME_DONE);
    struct store_new_blob blob = {.body = body};
    struct fixture_put put = {new, &blob};
    struct store_mutation m = {
        .partition = queue_partition(NULL), .fn = fixture_put_fn, .arg = &put};
    enum outcome o = store_mutate(fixture_store, &m, &blob, SOON);
    spool_destroy(body);
    return o;
}

/* How many rows begin with so much of a key. */
struct fixture_count {
    struct slice prefix;
    uint64_t rows;
};

static inline void fixture_count_fn(struct store_view *v, void *arg)
{
    struct fixture_count *c = arg;
    struct store_cursor cursor;
    struct slice key, row;
    c->rows = 0;
    store_seek(v, c->prefix, &cursor);
    while (store_next_with(&cursor, c->prefix, &key, &row))
        c->rows++;
}

static inline uint64_t fixture_count(enum keyspace_queue kind)
{
    char prefix = (char)kind;
    struct fixture_count c = {.prefix = slice(&prefix, 1)};
    CHECK(store_read(fixture_store, queue_partition(NULL), fixture_count_fn, &c, NULL, SOON) ==
          OUTCOME_DONE);
    return c.rows;
}

static inline void fixture_count_blob(void *arg, store_blob_id id, uint32_t refs, uint64_t size)
{
    *(uint64_t *)arg += refs;
}

static inline uint64_t fixture_refs(void)
{
    uint64_t refs = 0;
    CHECK(store_each_blob(fixture_store, fixture_count_blob, &refs) == OUTCOME_DONE);
    return refs;
}

static inline void fixture_fault(void *arg, const char *text)
{
    fprintf(stderr, "queue: %s\n", text);
}

static inline void fixture_blob(void *arg, store_blob_id blob, uint64_t size)
{
    ++*(uint64_t *)arg;
}

/* Faults; *blobs: references told. */
static inline uint64_t fixture_verify(uint64_t *blobs)
{
    *blobs = 0;
    struct queue_verify v = {.fault = fixture_fault, .blob = fixture_blob, .arg = blobs};
    CHECK(queue_verify(fixture_store, &v));
    return v.faults;
}
