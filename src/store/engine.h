/* The store contract: durable bytes with transactions. Knows no mail. Written so that an embedded
 * engine (LMDB beside segment files) and a networked one (RADOS: omap per partition, objects as
 * blobs, watch/notify) can both keep it.
 *
 * Partition  an ordered key-value map and the unit of atomicity: one mutation touches one
 * partition. Mutation   a pure function over a transaction: reads, fills a bounded write set,
 * returns an outcome. The engine applies the write set only on OUTCOME_DONE and may run the
 * function again. Awaited until durable. Intent     one change of several partitions: durable as a
 * whole once its first row is; destinations first, sources last. Blob       immutable bytes,
 * written before the mutation that refers to them; counted references; freed with a delay. Watch a
 * bit and a version: "this partition has changed since you looked".
 *
 * Limits of every engine: key STORE_KEY_MAX, value 64 KiB, 16,384 keys and 8 MiB a mutation. */
#pragma once
#include "base/outcome.h"
#include "base/slice.h"
#include "task/task.h"

#define STORE_KEY_MAX         408 /* a name of 400 bytes behind its prefix */
#define STORE_VALUE_MAX       ((size_t)64 * 1024)
#define STORE_WRITE_KEYS_MAX  16384
#define STORE_WRITE_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define STORE_INTENT_MAX      1024 /* partitions in one intent */

struct store;
struct spool;

/* kind << 56 | number; kinds are in store/keyspace.h. */
typedef uint64_t store_partition;
/* Ascending over the life of a store, never reused; 0 is none. Stable: compaction moves bytes, not
 * names. */
typedef uint64_t store_blob_id;

/* Names a mutation for ever. All zero: nobody will ever repeat it, nothing is remembered. */
struct store_id {
    uint8_t bytes[16];
};

/* ---- open and close ---- */

enum store_open_error {
    STORE_OPEN_OK,
    STORE_OPEN_LOCKED, /* another process has data_dir/lock */
    STORE_OPEN_FORMAT, /* unknown newer format, or not a store */
    STORE_OPEN_DENIED, /* permissions, ownership, read-only */
    STORE_OPEN_BROKEN, /* damaged; the text says what and what to do */
    STORE_OPEN_SYSTEM, /* out of memory, fds, I/O error */
};

struct store_options {
    const char *engine; /* "lmdb" or "memory" */
    int dir;            /* data_dir, opened by the caller, who keeps it; -1 for memory */
    uint64_t map_size;  /* lmdb: address space; 0: 1 TiB (16 GiB under sanitizers and valgrind) */
    uint64_t segment_size; /* 0: 64 MiB */
    int64_t gc_delay; /* ns from the last release to the freeing of a blob; 0: 24 h. Tests shorten
                         it. */
    bool read_only;   /* verify beside nothing else: no recovery is written, no committer */
    bool harsh; /* memory: every fn runs twice, waits are random, some commits end unknown, watches
                   are lost or doubled */
    uint64_t seed;           /* of harsh mode */
    unsigned unknown_one_in; /* harsh: one in N commits ends unknown (applied or not, by chance); 0:
                                never */
};

/* On a task (intent replay runs before it returns) or, for tests of the engine itself, on any
 * thread with a runtime. NULL: *error and why (one line: what is wrong and what to do). */
TASK_FN
struct store *store_open(
    const struct store_options *options, enum store_open_error *error, char why[512]);
/* Takes no more work, finishes what was submitted, closes. */
TASK_FN
void store_close(struct store *s);
/* After an error of write, fsync or commit the store is failed: all waiters got OUTCOME_UNKNOWN,
 * nothing is taken any more, the worker must exit and recover. fn is called once, on any thread. */
void store_on_failure(struct store *s, void (*fn)(void *arg, const char *why), void *arg);

/* ---- reading ---- */

/* One version of one partition, with the write set of the running mutation merged over it. Slices
 * are valid until the fn returns or (in a mutation) until the next put or del. */
struct store_view;

/* False: no such key (or the view is broken; store_read then ends FAILED, the mutation too). */
bool store_get(struct store_view *v, struct slice key, struct slice *value);

struct store_cursor {
    struct store_view *view;
    char key[STORE_KEY_MAX]; /* where we are; owned by the engine */
    size_t key_n;
    bool started, strict; /* strict: start behind key */
    void *engine;
};

/* Ascending from the first key >= at. There is no descending iteration. */
void store_seek(struct store_view *v, struct slice at, struct store_cursor *c);
/* False at the end of the partition. Puts and dels of the same mutation are seen. Several cursors
 * may be open (at most 8). */
bool store_next(struct store_cursor *c, struct slice *key, struct slice *value);
/* As store_next while the key starts with prefix. */
bool store_next_with(
    struct store_cursor *c, struct slice prefix, struct slice *key, struct slice *value);
/* Version of the partition seen: grows with each mutation of it. */
uint64_t store_version(const struct store_view *v);

/* Pure: sees one version, may run again and on another thread, never suspends, copies what it wants
 * into the caller's bounded memory (starting afresh when run again). At most about 5 ms or 1,000
 * rows a call: return a cursor for the next batch in arg. */
typedef void (*store_read_fn)(struct store_view *v, void *arg);

/* DONE, or FAILED (damaged page, store failed). version may be NULL. Sees every mutation that
 * completed and every store_post that was made before the call. */
TASK_FN
enum outcome store_read(struct store *s, store_partition p, store_read_fn fn, void *arg,
    uint64_t *version, deadline until);

/* ---- writing ---- */

struct store_txn;
struct store_view *store_txn_view(struct store_txn *t);
/* Over a limit: the mutation ends FAILED whatever fn returns. Values are never empty. */
void store_put(struct store_txn *t, struct slice key, struct slice value);
void store_del(struct store_txn *t, struct slice key); /* absent is fine */
/* One more, one less reference to a blob, applied with the write set. Releasing what has none is
 * FAILED. The last release starts the gc delay; a retain in time saves it. */
void store_retain(struct store_txn *t, store_blob_id blob);
void store_release(struct store_txn *t, store_blob_id blob);

/* Pure as store_read_fn. DONE: apply. REFUSED: nothing is applied, the caller knows why from arg.
 */
typedef enum outcome (*store_mutate_fn)(struct store_txn *t, void *arg);

/* For whom a blob is: written into its record, for rebuilding a lost index. */
struct store_blob_owner {
    uint64_t account;
    uint32_t mailbox;
};

struct store_new_blob {
    struct slice head;  /* goes before the body (trace headers); at most 64 KiB */
    struct spool *body; /* complete; stays the caller's */
    int64_t date;       /* wall us, for rebuild */
    const struct store_blob_owner *owners;
    size_t owner_count;
    store_blob_id id; /* out: set before any fn runs; no reference yet: the fn retains it */
    uint64_t size;    /* out: head + body */
};

struct store_mutation {
    store_partition partition;
    struct store_id id;
    store_mutate_fn fn;
    void *arg;    /* the store's until completion; fn may run on another thread */
    bool patient; /* awaited like any other, but its commit may wait for others' company, about
                     as long as a commit takes (store_mutate alone) */
    enum outcome outcome; /* out, of an intent's destination */
};

/* Awaited until durable. Never cancelled once submitted: `until` bounds the admission only (passed:
 * FAILED). blob may be NULL; it is durable before the mutation applies, and garbage when fn
 * refuses. */
TASK_FN
enum outcome store_mutate(
    struct store *s, struct store_mutation *m, struct store_new_blob *blob, deadline until);
/* Several partitions, each at most once, all or nothing. A destination's fn that returns REFUSED
 * leaves its partition alone and the others go on (its outcome says so); DONE when every
 * destination that did not refuse is durable. REFUSED when all refused. */
TASK_FN
enum outcome store_intent(struct store *s, struct store_mutation *destinations, size_t n,
    struct store_new_blob *blob, deadline until);
/* Joins the next commit and is not awaited; arg (at most 256 bytes) is copied. Reactor. Lost when
 * the process dies first; dropped with a metric when the queue is full. */
void store_post(
    struct store *s, store_partition p, store_mutate_fn fn, const void *arg, size_t arg_n);

/* ---- blobs ---- */

struct store_blob; /* open: pinned, so that no sweeper frees it */

/* REFUSED: no such blob. FAILED: I/O error or a bad record (logged). */
TASK_FN
enum outcome store_blob_open(
    struct store *s, store_blob_id id, struct store_blob **blob, deadline until);
uint64_t store_blob_size(const struct store_blob *b);
/* Up to n bytes from offset; *got less than n only at the end. Checked against the record's
 * checksums (each 64 KiB block has one): a mismatch is FAILED and never gives bytes. Any alignment;
 * 64 KiB aligned reads cost least. */
TASK_FN
enum outcome store_blob_read(
    struct store_blob *b, uint64_t offset, void *to, size_t n, size_t *got, deadline until);
/* Reactor. NULL is fine. */
void store_blob_close(struct store_blob *b);

/* ---- watching ---- */

struct store_watch {
    struct list node;
    store_partition partition;
    struct store *store;
    struct reactor *reactor;
    uint64_t version;                   /* newest known */
    bool raised;                        /* cleared by the owner before it reads */
    deadline quiet_until;               /* leading edge at once, then at most 5 calls a second */
    void (*fire)(struct store_watch *); /* on the reactor, no task; only when raised turns true */
    struct list quiet;                  /* waiting for quiet_until */
};

/* Reactor. Watches of one partition on one reactor share one subscription. */
void store_watch_start(
    struct store *s, struct store_watch *w, store_partition p, void (*fire)(struct store_watch *));
void store_watch_stop(struct store_watch *w);

/* ---- housekeeping, verify, figures ---- */

/* One round: sweeps due garbage and compacts segments that are mostly dead, rate-limited; the
 * engine also does so by itself in the background. urgent: 10 min instead of the gc delay (space is
 * short). For tests and admin. */
TASK_FN
void store_housekeep(struct store *s, bool urgent);

struct store_fault {
    const char *what; /* "blob", "segment", "counter" ... */
    char text[256];   /* one line */
};
/* Reads everything: records against checksums, blob rows against records, live counters against
 * blob rows. Calls fn for each fault. Number of faults; blobs and bytes checked through the
 * pointers. The mail rooms verify what they store. */
TASK_FN
uint64_t store_verify(struct store *s, void (*fn)(void *arg, const struct store_fault *f),
    void *arg, uint64_t *blobs, uint64_t *bytes);
/* Calls fn for every blob with a reference count, in order of id (for the mail rooms' verify). */
TASK_FN
enum outcome store_each_blob(struct store *s,
    void (*fn)(void *arg, store_blob_id id, uint32_t refs, uint64_t size), void *arg);

struct store_figures {
    uint64_t mutations, groups, syncs, bytes_written; /* since open */
    uint64_t segments, segment_bytes, live_bytes, blobs, garbage;
    uint64_t key_bytes; /* size of the key-value file */
};
void store_figures(struct store *s, struct store_figures *f);
