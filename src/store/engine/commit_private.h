/* Group commit: members wait in lanes, the committer takes a group of them, appends and syncs their
 * blobs, runs them in one transaction and tells them.
 *
 *   waiting -> taken -> appended -> run -> committed -> finished
 *
 * A member that cannot be run beside others (no space, a row that cannot be read, an intent that
 * failed half-way) makes the group start again, each member in a transaction of its own. */
#pragma once
#include "store/engine/lmdb_private.h"
#include <sys/uio.h>

#define COMMIT_GROUP_MAX   256
#define COMMIT_GROUP_BYTES ((uint64_t)16 * 1024 * 1024)
#define COMMIT_GROUP_TIME  (10 * CLOCK_MS)
#define COMMIT_COMPANY     (500 * CLOCK_US) /* nobody comes for so long: the group is whole */
#define COMMIT_LANES       1024
#define COMMIT_POSTS_MAX   4096
#define COMMIT_POST_DELAY  (10 * CLOCK_MS) /* posts alone wait so long for company */

/* A record, and where it was written. */
struct append {
    struct iovec parts[4]; /* header, head, body, checksums */
    unsigned part_count;
    store_blob_id id;
    uint64_t size; /* of the bytes */
    uint32_t header_size;
    uint64_t segment, offset; /* segment 0: not written */
    bool own_segment;         /* a large blob that was written before */
    bool referenced;          /* a blob row was written */
};

struct group;

struct member {
    struct list node;
    struct store_mutation *mutations; /* of a mutation, an intent or a post */
    size_t count;
    bool intent, taken;
    bool lazy;    /* may wait for company */
    bool awaited; /* lazy, but not as long as a post */
    struct append *appends;
    size_t append_count;
    uint64_t append_bytes;
    /* Instead of mutations; may be NULL. 0 or an error of LMDB: the transaction is given up. */
    int (*job)(struct group *g, struct member *m);
    enum outcome outcome;
    void (*finish)(struct member *m); /* on the committer; the member is the owner's again */
    void *owner;                      /* for finish and job */
    struct completion slot;
};

/* ---- the transaction of a group (group.c) ---- */

struct group_partition {
    store_partition partition;
    uint64_t version;
    bool used, changed;
};
struct group_segment {
    uint64_t id;
    struct segrow before, row; /* before: as committed, for the figures */
    bool fresh, changed;
};

#define GROUP_SLOTS    4096 /* over twice the partitions of a group: 256 and one intent's 1,024 */
#define GROUP_SEGMENTS 1024

struct group {
    struct lmdb *db;
    struct appender *appender;
    struct partrows rows;
    struct writeset *set;
    int64_t now; /* store clock */
    bool tight;  /* only what deletes is taken: data.mdb is full */
    size_t partition_count, segment_count, dead_count;
    uint16_t used[GROUP_SLOTS / 2];
    struct group_partition slots[GROUP_SLOTS];
    struct group_segment segments[GROUP_SEGMENTS];
    uint64_t dead[GROUP_SEGMENTS]; /* segments whose rows this transaction deletes */
};

struct group *group_create(struct lmdb *db, struct appender *a); /* NULL: out of memory */
void group_destroy(struct group *g);
int group_begin(struct group *g, bool *fatal);
void group_abort(struct group *g);
/* Runs the member. 0: its outcome and those of its mutations are set. Else the transaction must be
 * given up. */
int group_run(struct group *g, struct member *m);
/* Writes versions, segment rows and meta, commits, tells watches and the keeper. last: no member of
 * this group still waits to be run, so that segments that are full may be sealed. *fatal: the error
 * is none that LMDB survives. */
int group_commit(struct group *g, bool last, bool *fatal);
/* The entry of a segment; NULL and *error when it cannot be read. `fresh`: make one that has no row
 * yet. */
struct group_segment *group_segment(struct group *g, uint64_t id, bool fresh, int *error);

/* References and remembered ids within a transaction (refs.c). 0: the write set's references can be
 * applied; MDB_NOTFOUND: they cannot (the mutation fails). */
int refs_check(struct group *g, const struct member *m);
int refs_apply(struct group *g, struct member *m);
/* 0 and the first outcome; MDB_NOTFOUND. */
int remember_get(
    struct group *g, store_partition p, const struct store_id *id, enum outcome *outcome);
int remember_put(
    struct group *g, store_partition p, const struct store_id *id, enum outcome outcome);

/* ---- appending (append.c) ---- */

struct append_full {
    uint64_t id, used;
};

struct appender {
    struct lmdb *db;
    struct segfile *file; /* the current segment; NULL: none */
    uint64_t used, room;  /* of it; used is where the next record goes */
    bool changed;         /* since the last commit */
    uint64_t frugal;      /* not 0: space is short, a new segment gets this size */
    struct append_full full[COMMIT_GROUP_MAX * 2]; /* to be sealed by the next commit */
    size_t full_count;
    struct iovec parts[1024];
    int part_count;
    uint64_t queued;   /* bytes in parts */
    int64_t sync_time; /* ns, of the last sync */
};

/* Appends and syncs the records of all members. Those whose record did not fit on the disk keep
 * segment 0. False: an error after which the store must stop (why says which). */
bool append_group(struct appender *a, struct list *members, char why[256]);
/* Goes on in an open segment. */
void append_resume(struct appender *a, struct segfile *file, uint64_t used, uint64_t room);
void append_finish(struct appender *a);

/* ---- records of new blobs, on the submitting task (blobprep.c) ---- */

struct blobprep {
    struct append append;
    char small[SEGMENT_FIXED + 4 * SEGMENT_OWNER]; /* header of up to four owners */
    char table[80];                                /* checksums of up to 18 blocks */
    char *header, *body;                           /* malloc; NULL: not needed */
    size_t budget;
};
/* Makes the record ready; a large one is written at once. FAILED: no space, no memory, I/O error.
 */
TASK_FN
enum outcome blobprep_make(struct lmdb *db, struct blobprep *p, struct store_new_blob *blob);
/* After the outcome; takes back what was written and is not referenced. */
TASK_FN
void blobprep_finish(struct lmdb *db, struct blobprep *p, enum outcome outcome);
/* May block. Writes the record into a segment file of its own, durable. 0 or errno. */
int blobprep_write_single(
    struct lmdb *db, struct append *a, struct slice head, const struct spool *body);

/* ---- running a group (commit.c) ---- */

struct commit {
    struct lmdb *db;
    struct group *group;
    struct appender *appender;
};

/* On the committer: appends, runs, commits and finishes all members; the list is empty afterwards.
 */
void commit_group(struct commit *c, struct list *members);

/* ---- the committer (committer.c) ---- */

/* NULL: errno. */
struct committer *committer_start(struct lmdb *db, struct segfile *open, uint64_t used);
/* Finishes what waits, ends the thread. May block. NULL is fine. */
void committer_stop(struct committer *c);
/* Any thread. The member is the committer's until finish. p chooses the lane. */
void committer_submit(struct committer *c, store_partition p, struct member *m);
/* Takes a member back that was not taken yet. */
bool committer_withdraw(struct committer *c, store_partition p, struct member *m);
/* Dropped when full. */
void committer_post(
    struct committer *c, store_partition p, store_mutate_fn fn, const void *arg, size_t arg_n);
/* Are there posts to this partition (or another of its lane) that are not durable? */
bool committer_posts_pending(struct committer *c, store_partition p);

/* ---- housekeeping (keeper.c, sweep.c, compact.c) ---- */

/* Created before the committer starts, destroyed after it stopped; its thread runs within. */
struct keeper *keeper_create(struct lmdb *db); /* NULL: out of memory */
bool keeper_start(struct keeper *k);           /* false: errno */
void keeper_stop(struct keeper *k);            /* may block */
void keeper_destroy(struct keeper *k);         /* NULL is fine */
/* Any thread: the file of a segment without a row, to be unlinked. */
void keeper_unlink(struct lmdb *db, uint64_t segment);
/* Any thread. A round now, not when the interval is over: the disk has become full. */
void keeper_hurry(struct lmdb *db);
TASK_FN
void keeper_housekeep(struct store *s, bool urgent);
/* On the keeper: submits and waits. */
enum outcome keeper_commit(struct lmdb *db, struct member *m);
/* On the keeper: sleeps; false: the store is closing or has failed. */
bool keeper_pause(struct lmdb *db, int64_t ns);

/* On the keeper: removes the files of segments that are gone by now. */
void keeper_run_unlinks(struct lmdb *db);

/* Both on the keeper. Frees what is due, in steps. */
void sweep_run(struct lmdb *db, bool urgent);
/* Moves the live records out of segments that are mostly dead. */
void compact_run(struct lmdb *db, bool urgent);
