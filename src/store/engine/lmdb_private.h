/* The LMDB engine: all rows in data.mdb, blobs in segment files beside it.
 *
 * Databases of the environment; numbers big-endian; the last 4 bytes of a value of blobs, segments
 * and meta are CRC-32C over key and value:
 *   rows      partition (8), key            the value; the bare partition: its version (8)
 *   blobs     blob id (8)                   struct blobrow
 *   segments  segment id (8)                struct segrow
 *   garbage   due (8), blob id (8)          nothing; each blob without references, once
 *   ids       partition (8), 0, id (16)     number (8), time (8), outcome (1)
 *             partition (8), 1, number (8)  id (16)
 *   meta      "store"                       struct metarow
 *
 * Threads: reactors and readers take snapshots; the committer alone has write transactions; the
 * keeper (housekeeping) asks the committer. */
#pragma once
#include "store/engine_private.h"
#include "store/segment.h"
#include <lmdb.h>

#define LMDB_FORMAT     1
#define LMDB_READERS    512
#define LMDB_ID_RESERVE ((uint64_t)65536) /* blob ids taken by one write of the meta row */
#define LMDB_BROKEN     (-1)              /* a row that cannot be right; beside LMDB's own codes */
/* Larger blobs get a segment of their own. */
#define LMDB_INLINE_MAX      ((uint64_t)1024 * 1024)
#define LMDB_SEGMENT_DEFAULT ((uint64_t)64 * 1024 * 1024)
#define LMDB_STUCK_MAX       64
#define LMDB_BALLAST_MAX     ((uint64_t)16 * 1024 * 1024)

/* ---- rows about blobs (blobrow.c) ---- */

struct blobrow {
    uint64_t segment, offset, size;
    int64_t due; /* while refs is 0: key of its garbage row */
    uint32_t refs, header_size;
};
enum segrow_state { SEGROW_OPEN = 1, SEGROW_SEALED, SEGROW_SINGLE /* sealed, of one large blob */ };
struct segrow {
    uint64_t used, live; /* bytes: end of the last record; records of blobs that have a row */
    enum segrow_state state;
};
struct metarow {
    uint32_t format;
    bool clean;         /* closed in order */
    uint64_t next_blob; /* no id at or above it was ever given out */
    int64_t time;       /* of the store clock, at the last write of this row */
};

struct lmdb_dbis {
    MDB_dbi rows, blobs, segments, garbage, ids, meta;
};

/* 0, MDB_NOTFOUND, LMDB_BROKEN (logged) or another error. */
int blobrow_get(MDB_txn *txn, const struct lmdb_dbis *dbis, store_blob_id id, struct blobrow *row);
int blobrow_put(
    MDB_txn *txn, const struct lmdb_dbis *dbis, store_blob_id id, const struct blobrow *row);
int segrow_get(MDB_txn *txn, const struct lmdb_dbis *dbis, uint64_t id, struct segrow *row);
int segrow_put(MDB_txn *txn, const struct lmdb_dbis *dbis, uint64_t id, const struct segrow *row);
int metarow_get(MDB_txn *txn, const struct lmdb_dbis *dbis, struct metarow *row);
int metarow_put(MDB_txn *txn, const struct lmdb_dbis *dbis, const struct metarow *row);
/* False: damaged. The id comes from the key. */
bool blobrow_parse(MDB_val key, MDB_val value, store_blob_id *id, struct blobrow *row);
bool segrow_parse(MDB_val key, MDB_val value, uint64_t *id, struct segrow *row);
/* Bytes of its record. */
static inline uint64_t blobrow_record(const struct blobrow *row)
{
    return segment_record_size(row->header_size, row->size);
}

/* ---- rows of partitions (partrows.c) ---- */

/* One transaction seen as rows of partitions; cursors are made when wanted. */
struct partrows {
    const struct lmdb_dbis *dbis;
    MDB_txn *txn;
    bool writing;
    MDB_cursor *cursors[STORE_CURSORS_MAX];
    bool bound[STORE_CURSORS_MAX]; /* to the present snapshot */
};

extern const struct store_rows partrows_ops; /* engine: struct partrows */

/* 0 (version 0 when there is none), LMDB_BROKEN or an error of LMDB. */
int partrows_version(
    MDB_txn *txn, const struct lmdb_dbis *dbis, store_partition p, uint64_t *version);

/* ---- snapshots (snapshot.c) ---- */

struct lmdb;

/* A read transaction, kept for the next reader when given back. Not across a suspension. */
struct snapshot {
    struct partrows rows;
    struct snapshot *next;
};

struct snapshot *snapshot_take(struct lmdb *db); /* NULL: error (logged) */
void snapshot_give(struct lmdb *db, struct snapshot *s);
/* NULL: out of memory. */
struct read_probe *snapshot_probes(unsigned reactors);
void snapshot_free_all(struct lmdb *db); /* and the probes */

/* Runs work(arg): at once when the pages are likely resident, else on a read thread. False: not
 * run. */
TASK_FN
bool snapshot_run(struct lmdb *db, void (*work)(void *arg), void *arg);

/* ---- what is mapped (mapping.c) ---- */

#define LMDB_MAPPED_FEW ((size_t)32 * 1024 * 1024) /* a smaller file may stay mapped */

/* Any thread. Gives back what is mapped of data.mdb; the bytes that were looked at, 0: none. */
size_t mapping_trim(struct lmdb *db);
/* Minor faults of the process; so many of them may have mapped a quarter of the file. */
long mapping_faults(void);
long mapping_many(const struct lmdb *db);

/* ---- segment files (segfile.c) ---- */

/* An open segment. Whoever holds it may read it even after it was unlinked. */
struct segfile {
    struct segfile *next; /* of its bucket */
    struct list idle;     /* while holders is 0 */
    uint64_t id;
    int fd;
    unsigned holders;
    bool gone; /* unlinked: closed with its last holder */
};

#define SEGFILE_BUCKETS  256
#define SEGFILE_IDLE_MAX 128

struct segfile_cache {
    pthread_mutex_t lock;
    struct segfile *buckets[SEGFILE_BUCKETS];
    struct list idle; /* open but held by nobody, oldest first */
    unsigned idle_count;
};

#define SEGFILE_NAME 17

void segfile_name(uint64_t id, char name[SEGFILE_NAME]);
/* From the cache only; NULL: not open. */
struct segfile *segfile_find(struct lmdb *db, uint64_t id);
/* May block. NULL: errno (ENOENT: compaction may have been faster). */
struct segfile *segfile_open(struct lmdb *db, uint64_t id);
void segfile_give(struct lmdb *db, struct segfile *f);
/* The file is gone: not found any more. */
void segfile_forget(struct lmdb *db, uint64_t id);
void segfile_init(struct segfile_cache *cache);
void segfile_finish(struct segfile_cache *cache);

/* ---- what lies beside data.mdb (home.c) ---- */

/* Takes the lock, makes or checks the format file and the folders. */
bool home_open(struct lmdb *db, enum store_open_error *error, char why[512]);
/* The format file is written last, so that a store that has one is complete. */
bool home_seal(struct lmdb *db, enum store_open_error *error, char why[512]);
void home_close(struct lmdb *db);
/* data.mdb cannot be read: may it go, and a new one be made? Only when the store was never sealed
 * and holds no segment: then the power failed during its first start. True: it is gone. */
bool home_forget_beginning(struct lmdb *db);
void home_ballast_drop(struct lmdb *db);
/* Makes the ballast when it is missing and there is room for it and more. */
void home_ballast_make(struct lmdb *db);
bool home_full(int error); /* ENOSPC and its like, LMDB's own included */
/* LMDB makes EIO of a write that a full disk cut short; then this makes ENOSPC of it. Nothing was
 * committed: the pages of the transaction come before its meta page, and an error of that page
 * makes all later calls fail. */
int home_commit_error(const struct lmdb *db, int error);

/* ---- the engine ---- */

struct committer;
struct keeper;
struct read_probe;

struct lmdb {
    struct store store;
    int dir, segments_dir, lock_fd; /* dir: the caller's, until close */
    bool read_only, fresh;          /* fresh: home_open found nothing */
    uint64_t segment_size, ballast_size, map_size;
    int64_t gc_delay; /* us */
    MDB_env *env;
    struct lmdb_dbis dbis;
    int64_t clock_base; /* store clock, us: this + monotonic time */

    pthread_mutex_t snapshot_lock;
    struct snapshot *snapshots;
    struct read_probe *probes; /* one a reactor */
    uint64_t resident_size;    /* below this size data.mdb is taken to be in memory */

    struct segfile_cache segfiles;
    struct committer *committer;
    struct keeper *keeper;
    uint64_t stuck[LMDB_STUCK_MAX]; /* the keeper's: see compact.c */
    size_t stuck_count;

    _Atomic uint64_t next_blob, reserved_blob, next_segment;
    atomic_bool short_of_space; /* the ballast is gone: only what deletes is taken */
    _Atomic uint64_t mutations, groups, syncs, bytes_written;
    _Atomic uint64_t segments, segment_bytes, live_bytes;
};

static inline struct lmdb *lmdb_of(struct store *s)
{
    return (struct lmdb *)(void *)s;
}

/* us; goes on while the wall clock jumps. */
int64_t lmdb_clock(const struct lmdb *db);

/* Brings rows and files into accord, removes leftovers, seals or resumes the open segment. */
bool recover_run(struct lmdb *db, enum store_open_error *error, char why[512]);
/* Remembers that the store was closed in order. */
void recover_close(struct lmdb *db);

TASK_FN
enum outcome blobfile_open(
    struct store *s, store_blob_id id, struct store_blob **blob, deadline until);
TASK_FN
enum outcome blobfile_read(
    struct store_blob *b, uint64_t offset, void *to, size_t n, size_t *got, deadline until);
void blobfile_close(struct store_blob *b);
/* May block. Reads the whole record and compares every checksum; NULL when it is right, else what
 * is wrong. */
const char *blobfile_check(int fd, store_blob_id id, const struct blobrow *row);

TASK_FN
uint64_t audit_verify(struct store *s, void (*fn)(void *arg, const struct store_fault *f),
    void *arg, uint64_t *blobs, uint64_t *bytes);
TASK_FN
enum outcome audit_each_blob(struct store *s,
    void (*fn)(void *arg, store_blob_id id, uint32_t refs, uint64_t size), void *arg);
