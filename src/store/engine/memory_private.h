/* The memory engine inside: one committer thread applies everything; reads run where they are
 * asked for. */
#pragma once
#include "store/engine/memory_map.h"
#include "store/engine_private.h"
#include "store/memory.h"

#define MEMORY_IDS_MAX   1024 /* remembered by a partition */
#define MEMORY_POSTS_MAX 4096 /* waiting */
#define MEMORY_NO_CRASH  UINT64_MAX

struct memory_remembered {
    struct store_id id;
    enum outcome outcome;
};

struct memory_partition {
    struct memory_map rows;
    uint64_t version;
    struct memory_remembered *ids; /* a ring once it is full */
    size_t id_count, id_at;
    bool notify_late; /* harsh: a lost notification, made up for later */
};

/* Garbage when refs is 0: then it is in memory_store.garbage, oldest release first. */
struct memory_blob {
    struct list garbage;
    store_blob_id id;
    uint64_t size;
    int64_t released; /* clock_now() of the last release */
    uint32_t refs, pins, crc;
    int64_t planned; /* change of refs while an intent is checked: in memory_store.planned */
    struct list plan;
    char *bytes; /* exactly size */
};

enum memory_job_kind { MEMORY_MUTATE, MEMORY_POST, MEMORY_READ, MEMORY_SWEEP, MEMORY_RESTART };

/* Everything but a post lies on the stack of the task that waits for it. */
struct memory_job {
    struct list node;
    enum memory_job_kind kind;
    struct store_waiter *waiter; /* NULL: a post */
    int64_t result, tell_at;     /* harsh: completion is told later */
    struct store_mutation *m;
    size_t n;
    bool intent, urgent;
    store_partition partition;
    store_read_fn read;
    void *read_arg;
    uint64_t *version;
};

struct memory_post {
    struct memory_job job; /* first */
    store_mutate_fn fn;
    size_t arg_n;
    _Alignas(16) char arg[STORE_POST_MAX];
};

/* Locks, taken in this order: rows, blob_lock. queue_lock is never held with another. */
struct memory_store {
    struct store base;
    struct store_options options;
    pthread_t committer;

    pthread_mutex_t queue_lock;
    pthread_cond_t queue_more;
    struct list queue;    /* memory_job */
    size_t posts_waiting; /* in the queue or being run */
    struct list untold;   /* harsh: run, completion due at tell_at */
    bool closing;         /* no more work is taken */
    struct store_figures figures;
    atomic_size_t inside;    /* tasks inside read and mutate */
    _Atomic uint64_t chance; /* state of the harsh generator */

    pthread_rwlock_t rows;        /* written by the committer only, which reads without it */
    struct memory_map partitions; /* 8-byte number -> struct memory_partition * */
    struct writeset *set;         /* the committer's */
    uint64_t intents;             /* number of the last one */
    _Atomic uint64_t steps_left;  /* until the crash */
    atomic_bool crashed;

    pthread_mutex_t blob_lock;
    struct memory_map blobs; /* 8-byte id -> struct memory_blob * */
    store_blob_id last_blob;
    struct list garbage, planned;
    uint64_t blob_bytes, live_bytes;
};

static inline struct memory_store *memory_of(struct store *s)
{
    return (struct memory_store *)(void *)s;
}

/* ---- memory.c ---- */

/* Harsh mode: true once in so many times. Any thread. */
bool memory_chance(struct memory_store *ms, unsigned one_in);
uint64_t memory_draw(struct memory_store *ms, uint64_t below);

/* ---- memory_commit.c ---- */

/* The committer: arg is the store; ends when the store is closing and all is done. */
void *memory_commit_thread(void *arg);
/* One step towards the crash of memory_crash_after. False: we are dead. */
bool memory_commit_step(struct memory_store *ms);

/* ---- memory_view.c ---- */

/* Runs fn over a partition (NULL: an empty one), twice in harsh mode. The caller holds `rows` or is
 * the committer. */
enum outcome memory_view_read(struct memory_store *ms, store_partition p,
    const struct memory_partition *part, store_read_fn fn, void *arg);
/* As above, filling ms->set. */
enum outcome memory_view_mutate(struct memory_store *ms, store_partition p,
    const struct memory_partition *part, store_mutate_fn fn, void *arg);

/* ---- memory_apply.c: on the committer ---- */

/* NULL: none yet. */
struct memory_partition *memory_apply_find(struct memory_store *ms, store_partition p);
/* may_be_unknown: harsh mode may end it UNKNOWN. */
enum outcome memory_apply_one(
    struct memory_store *ms, struct store_mutation *m, bool may_be_unknown);
/* Applies ms->set. False: out of memory, the store is failed. */
bool memory_apply_set(struct memory_store *ms, store_partition p, struct store_id id);
/* Remembers the outcome of an id (none: nothing). */
void memory_apply_remember(struct memory_partition *part, struct store_id id, enum outcome outcome);
bool memory_apply_recall(
    const struct memory_partition *part, struct store_id id, enum outcome *outcome);
/* Tells the watches, or in harsh mode perhaps twice, or late. */
void memory_apply_notify(struct memory_store *ms, store_partition p);
/* Makes up for notifications that were lost on purpose. */
void memory_apply_notify_late(struct memory_store *ms);
void memory_apply_finish(struct memory_store *ms);

/* ---- memory_intent.c: on the committer ---- */

enum outcome memory_intent_run(struct memory_store *ms, struct store_mutation *m, size_t n);
/* Finishes every intent whose row is there. */
void memory_intent_replay(struct memory_store *ms);

/* ---- memory_blob.c ---- */

/* Task: copies head and body, sets id and size. DONE or FAILED. The blob is pinned until
 * memory_blob_unpin, which the mutation that it is for calls at its end. */
TASK_FN
enum outcome memory_blob_write(
    struct memory_store *ms, struct store_new_blob *blob, deadline until);
void memory_blob_unpin(struct memory_store *ms, store_blob_id id);
/* Are the references of the set legal, with what `planned` says of other sets? Adds them to planned
 * when asked. */
bool memory_blob_check(struct memory_store *ms, const struct writeset *set, bool plan);
void memory_blob_forget_plan(struct memory_store *ms);
void memory_blob_change(
    struct memory_store *ms, store_blob_id id, uint32_t retains, uint32_t releases);
/* Frees due garbage; ns until the next is due (at most an hour). */
int64_t memory_blob_sweep(struct memory_store *ms, bool urgent);
void memory_blob_finish(struct memory_store *ms);
TASK_FN
enum outcome memory_blob_open(
    struct store *s, store_blob_id id, struct store_blob **blob, deadline until);
TASK_FN
enum outcome memory_blob_read(
    struct store_blob *b, uint64_t offset, void *to, size_t n, size_t *got, deadline until);
void memory_blob_close(struct store_blob *b);
TASK_FN
uint64_t memory_blob_verify(struct store *s, void (*fn)(void *arg, const struct store_fault *f),
    void *arg, uint64_t *blobs, uint64_t *bytes);
TASK_FN
enum outcome memory_blob_each(struct store *s,
    void (*fn)(void *arg, store_blob_id id, uint32_t refs, uint64_t size), void *arg);
