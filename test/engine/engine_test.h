/* The conformance suite: the same tests over every engine. The whole suite runs inside one task of
 * reactor 0 of a runtime with two reactors; a task of its own may not use cmocka's asserts (they
 * jump to the suite's stack) and reports by value. */
#pragma once
#include "base/buffer.h"
#include "base/pack.h"
#include "base/random.h"
#include "store/engine.h"
#include "store/spool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEST_PARTITION ((store_partition)3 << 56 | 7)

struct fixture {
    struct store *store;
    struct store_options options;
    char path[64]; /* of the temporary data_dir; empty for the memory engine */
};

/* ---- fixture.c ---- */

enum engine_kind { ENGINE_MEMORY, ENGINE_HARSH, ENGINE_LMDB };
extern enum engine_kind engine_kind;

/* cmocka's setup and teardown of each test: a fresh store. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Opens with f->options; asserts that it works. */
void fixture_open(struct fixture *f);
/* Closes and opens again: lmdb from its files; memory is empty afterwards. */
void fixture_reopen(struct fixture *f);
/* As setup, with these options changed: gc_delay (0: the default), unknown_one_in. */
void fixture_restart(struct fixture *f, int64_t gc_delay, unsigned unknown_one_in);
bool fixture_durable(const struct fixture *f);

/* A mutation as data. */
enum op_kind { OP_PUT, OP_DEL, OP_RETAIN, OP_RELEASE, OP_RETAIN_NEW };
struct op {
    enum op_kind kind;
    struct slice key, value;
    store_blob_id blob;
    const struct store_new_blob *made; /* OP_RETAIN_NEW: retains made->id */
};
struct batch {
    const struct op *ops;
    size_t n;
    enum outcome answer; /* what the fn returns */
};
enum outcome batch_fn(struct store_txn *t, void *arg);
/* Runs the ops as one mutation without an id. */
TASK_FN
enum outcome apply(struct fixture *f, store_partition p, const struct op *ops, size_t n);
TASK_FN
enum outcome put(struct fixture *f, store_partition p, struct slice key, struct slice value);
/* The value of a key, NUL-terminated, in a static buffer; NULL: not there. Asserts that reading
 * works. */
TASK_FN
const char *get(struct fixture *f, store_partition p, struct slice key);
TASK_FN
uint64_t version_of(struct fixture *f, store_partition p);
/* All keys of the partition in order, each followed by '=' value ' ', in a static buffer. */
TASK_FN
const char *dump(struct fixture *f, store_partition p);
/* Rows in the partition. */
TASK_FN
size_t count_rows(struct fixture *f, store_partition p);

/* n bytes that depend on the seed and on the place. */
void fill_bytes(void *to, uint64_t offset, size_t n, uint64_t seed);
bool check_bytes(const void *from, uint64_t offset, size_t n, uint64_t seed);
/* A complete spool with n of these bytes; offset 0. */
TASK_FN
struct spool *make_spool(struct fixture *f, uint64_t n, uint64_t seed);
/* Writes a blob (head_n bytes of head, then the body) and puts key = its id, retaining it. */
TASK_FN
store_blob_id make_blob(struct fixture *f, size_t head_n, uint64_t body_n, uint64_t seed);
/* References of the blob; -1: no such blob. */
TASK_FN
int64_t blob_refs(struct fixture *f, store_blob_id id);
/* Asserts that store_verify finds no fault. */
TASK_FN
void verify_clean(struct fixture *f);

/* ---- one function a file: runs its tests, returns the number of failures ---- */

int rows_tests(void);
int write_tests(void);
int limit_tests(void);
int intent_tests(void);
int blob_tests(void);
int watch_tests(void);
int life_tests(void);
int model_tests(void);
