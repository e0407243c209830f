/* The seam between the contract (engine.h) and the engines. Shared here: dispatch and limits
 * (store.c), views and cursors that merge a write set over committed rows (view.c), write sets
 * (writeset.c), watches (watch.c).
 *
 * An engine has a struct of its own that starts with struct store, and a table of functions; it
 * implements rows of one partition (struct store_rows) and never sees cursors, limits or
 * subscriptions. */
#pragma once
#include "base/list.h"
#include "store/engine.h"
#include <pthread.h>

#define STORE_HEAD_MAX    ((size_t)64 * 1024) /* store_new_blob.head */
#define STORE_OWNERS_MAX  1024
#define STORE_POST_MAX    256 /* bytes of arg */
#define STORE_CURSORS_MAX 8

/* ---- the table ---- */

struct store_engine_ops {
    const char *name;
    /* Allocates, calls store_init first, and returns the engine ready for work. */
    TASK_FN
    struct store *(*open)(
        const struct store_options *options, enum store_open_error *error, char why[512]);
    /* Finishes, calls store_finish, frees. */
    TASK_FN
    void (*close)(struct store *s);
    TASK_FN
    enum outcome (*read)(struct store *s, store_partition p, store_read_fn fn, void *arg,
        uint64_t *version, deadline until);
    /* n mutations of different partitions, all or nothing (n > 1 or intent: with the rules of
     * store_intent; sets m[i].outcome of each). Limits of blob and n were checked. */
    TASK_FN
    enum outcome (*mutate)(struct store *s, struct store_mutation *m, size_t n, bool intent,
        struct store_new_blob *blob, deadline until);
    void (*post)(
        struct store *s, store_partition p, store_mutate_fn fn, const void *arg, size_t arg_n);
    TASK_FN
    enum outcome (*blob_open)(
        struct store *s, store_blob_id id, struct store_blob **blob, deadline until);
    TASK_FN
    enum outcome (*blob_read)(
        struct store_blob *b, uint64_t offset, void *to, size_t n, size_t *got, deadline until);
    void (*blob_close)(struct store_blob *b);
    TASK_FN
    void (*housekeep)(struct store *s, bool urgent);
    TASK_FN
    uint64_t (*verify)(struct store *s, void (*fn)(void *arg, const struct store_fault *f),
        void *arg, uint64_t *blobs, uint64_t *bytes);
    TASK_FN
    enum outcome (*each_blob)(struct store *s,
        void (*fn)(void *arg, store_blob_id id, uint32_t refs, uint64_t size), void *arg);
    void (*figures)(struct store *s, struct store_figures *f);
};

extern const struct store_engine_ops store_lmdb_ops, store_memory_ops;

struct watch_hub;

/* First member of every engine's own struct. */
struct store {
    const struct store_engine_ops *ops;
    struct watch_hub *watches;
    atomic_bool failed;
    pthread_mutex_t failure_lock; /* guards the three below */
    void (*on_failure)(void *arg, const char *why);
    void *on_failure_arg;
    char why[256];
};

/* False: out of memory. */
bool store_init(struct store *s, const struct store_engine_ops *ops);
void store_finish(struct store *s);
/* Any thread. The store is failed from here on: logs and calls on_failure, both once. The engine
 * itself gives its waiters OUTCOME_UNKNOWN. */
void store_fail(struct store *s, const char *why);
static inline bool store_failed(const struct store *s)
{
    return atomic_load_explicit(&s->failed, memory_order_acquire);
}

/* First member of an engine's open blob. */
struct store_blob {
    struct store *store;
    store_blob_id id;
    uint64_t size;
};

/* ---- waiting for another thread (store.c) ---- */

/* On the stack of a task: prepare before the work is handed over, then exactly one
 * completion_post(w.slot, result) by the other side, and wait, which nothing cancels. */
struct store_waiter {
    struct completion slot;
    struct event done;
    int64_t result;
};

/* False: too much in flight on this reactor (outcome FAILED). */
bool store_waiter_prepare(struct store_waiter *w);
/* Instead of wait, when the work was not handed over after all. */
void store_waiter_drop(struct store_waiter *w);
TASK_FN
int64_t store_waiter_wait(struct store_waiter *w);

/* ---- write sets (writeset.c) ---- */

/* What one mutation wants to change: rows in order of key, reference counts in order of blob.
 * Bounded by the limits of engine.h; going over one sets `over` and drops the change. Keys and
 * values are copied into memory of its own, which is kept over resets. One thread at a time. */
struct writeset;

struct writeset_row {
    struct slice key, value;
    bool deleted;
};
struct writeset_ref {
    store_blob_id blob;
    uint32_t retains, releases;
};

/* NULL: out of memory. */
struct writeset *writeset_create(void);
void writeset_destroy(struct writeset *w); /* NULL is fine */
void writeset_reset(struct writeset *w);
bool writeset_over(const struct writeset *w);
bool writeset_empty(const struct writeset *w);
void writeset_put(struct writeset *w, struct slice key, struct slice value);
void writeset_del(struct writeset *w, struct slice key);
void writeset_retain(struct writeset *w, store_blob_id blob);
void writeset_release(struct writeset *w, store_blob_id blob);
/* The row of this key; NULL: not touched. */
const struct writeset_row *writeset_find(const struct writeset *w, struct slice key);
/* The first row with key >= at (strict: > at); NULL at the end. seek with the empty slice, not
 * strict, and next walk all. */
const struct writeset_row *writeset_seek(const struct writeset *w, struct slice at, bool strict);
const struct writeset_row *writeset_next(const struct writeset_row *row);
const struct writeset_ref *writeset_first_ref(const struct writeset *w);
const struct writeset_ref *writeset_next_ref(const struct writeset_ref *ref);

/* ---- views (view.c) ---- */

struct store_view;

/* Committed rows of v->partition, as one version, found through v->engine. Slices stay valid until
 * the view ends. False: no such row; damage sets v->broken as well. `slot` (below
 * STORE_CURSORS_MAX) is a place in the rows that the engine remembers from one call to the next. */
struct store_rows {
    bool (*get)(struct store_view *v, struct slice key, struct slice *value);
    /* The first row with key >= at (strict: > at). */
    bool (*seek)(struct store_view *v, unsigned slot, struct slice at, bool strict,
        struct slice *key, struct slice *value);
    /* The row behind the one that seek or next gave last in this slot. */
    bool (*next)(struct store_view *v, unsigned slot, struct slice *key, struct slice *value);
    /* NULL, or called when the mutation has put or deleted something: takes back every slice that
     * was handed out and forgets all slots. */
    void (*wrote)(struct store_view *v);
};

/* A cursor's place in the committed rows: the next row that has not been given yet. Cursors beyond
 * STORE_CURSORS_MAX take the place of the least recently used one, which then seeks again. */
struct store_view_slot {
    const struct store_cursor *owner;
    uint64_t used;
    enum { SLOT_NOWHERE, SLOT_ROW, SLOT_END } at;
    struct slice key, value;
};

struct store_view {
    const struct store_rows *rows;
    void *engine;
    struct writeset *set; /* NULL: a plain read */
    store_partition partition;
    uint64_t version;
    bool broken;
    uint64_t clock; /* of `used` */
    struct store_view_slot slots[STORE_CURSORS_MAX];
};

struct store_txn {
    struct store_view view; /* view.set is never NULL */
};

/* set may be NULL. */
void store_view_init(struct store_view *v, const struct store_rows *rows, void *engine,
    store_partition p, uint64_t version, struct writeset *set);
/* Runs fn over the view with suspending forbidden. DONE, or FAILED when the view broke. */
enum outcome store_view_read(struct store_view *v, store_read_fn fn, void *arg);
/* Empties the write set and runs fn. DONE: the set is within its limits and may be applied. */
enum outcome store_txn_run(struct store_txn *t, store_mutate_fn fn, void *arg);

/* ---- watches (watch.c) ---- */

/* NULL: out of memory. */
struct watch_hub *watch_hub_create(void);
/* No watch may be started any more. NULL is fine. */
void watch_hub_destroy(struct watch_hub *h);
/* Any thread, after the commit and before its waiters are told. Never blocks for long, never fails
 * (when too many partitions change at once, every watch of a reactor is raised). */
void watch_hub_notify(struct watch_hub *h, store_partition p, uint64_t version);
