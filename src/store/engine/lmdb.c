#include "base/clock.h"
#include "base/log.h"
#include "store/engine/commit_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define GIB       (UINT64_C(1) << 30)
#define GC_DELAY  (INT64_C(24) * 3600 * CLOCK_SEC)
#define DATABASES 6
/* Behind the size that was asked for: with it what only deletes stays possible when that is full.
 */
#define MAP_RESERVE (UINT64_C(64) * 1024 * 1024)

int64_t lmdb_clock(const struct lmdb *db)
{
    return db->clock_base + clock_now() / CLOCK_US;
}

/* ---- the environment ---- */

static bool refuse(enum store_open_error *error, char why[512], const char *what, int code)
{
    *error = code == EACCES || code == EPERM || code == EROFS ? STORE_OPEN_DENIED
             : code == MDB_INVALID || code == MDB_VERSION_MISMATCH || code == MDB_CORRUPTED ||
                     code == MDB_PAGE_NOTFOUND
                 ? STORE_OPEN_BROKEN
                 : STORE_OPEN_SYSTEM;
    snprintf(why, 512, "%s: %s", what, mdb_strerror(code));
    return false;
}

static int open_databases(struct lmdb *db)
{
    static const char *const names[DATABASES] = {
        "rows", "blobs", "segments", "garbage", "ids", "meta"};
    MDB_dbi *dbis[DATABASES] = {&db->dbis.rows, &db->dbis.blobs, &db->dbis.segments,
        &db->dbis.garbage, &db->dbis.ids, &db->dbis.meta};
    MDB_txn *txn;
    int error = mdb_txn_begin(db->env, NULL, db->read_only ? MDB_RDONLY : 0, &txn);
    if (error)
        return error;
    for (size_t i = 0; i < DATABASES && !error; i++)
        error = mdb_dbi_open(txn, names[i], db->read_only ? 0 : MDB_CREATE, dbis[i]);
    if (error) {
        mdb_txn_abort(txn);
        return error;
    }
    return mdb_txn_commit(txn);
}

/* A file that ends before its last page would kill us with SIGBUS when that page is touched. */
static bool complete(struct lmdb *db)
{
    struct stat st;
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(db->env, &info);
    mdb_env_stat(db->env, &stat);
    return fstatat(db->dir, "data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)st.st_size >= (uint64_t)stat.ms_psize * 2 &&
           ((uint64_t)info.me_last_pgno < 2 ||
               (uint64_t)st.st_size >= (uint64_t)stat.ms_psize * (info.me_last_pgno + 1));
}

static int open_file(struct lmdb *db)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d/data.mdb", db->dir);
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD | (db->read_only ? MDB_RDONLY : 0);
    int code = mdb_env_create(&db->env);
    if (!code)
        code = mdb_env_set_maxdbs(db->env, DATABASES);
    if (!code)
        code = mdb_env_set_maxreaders(db->env, LMDB_READERS);
    if (!code)
        code = mdb_env_set_mapsize(db->env, db->map_size + MAP_RESERVE);
    if (!code)
        code = mdb_env_open(db->env, path, flags, 0600);
    return code;
}

static bool open_environment(struct lmdb *db, enum store_open_error *error, char why[512])
{
    int code = open_file(db);
    bool cut = !code && !complete(db);
    if ((code == MDB_INVALID || cut) && home_forget_beginning(db)) {
        mdb_env_close(db->env);
        db->env = NULL;
        code = open_file(db);
        cut = !code && !complete(db);
    }
    if (code)
        return refuse(error, why, "data_dir/data.mdb cannot be opened", code);
    if (cut) {
        *error = STORE_OPEN_BROKEN;
        snprintf(why, 512, "data_dir/data.mdb is cut short: restore data_dir from a backup");
        return false;
    }
    code = open_databases(db);
    if (!code && !db->read_only && fsync(db->dir) != 0)
        code = errno;
    return code ? refuse(error, why, "data_dir/data.mdb cannot be opened", code) : true;
}

/* ---- open and close ---- */

static void lmdb_free(struct lmdb *db)
{
    snapshot_free_all(db);
    segfile_finish(&db->segfiles);
    if (db->env)
        mdb_env_close(db->env);
    home_close(db);
    pthread_mutex_destroy(&db->snapshot_lock);
    store_finish(&db->store);
    free(db);
}

static struct lmdb *lmdb_create(const struct store_options *options)
{
    struct lmdb *db = calloc(1, sizeof *db);
    if (!db)
        return NULL;
    if (!store_init(&db->store, &store_lmdb_ops)) {
        free(db);
        return NULL;
    }
    bool small = SANITIZED || RUNNING_ON_VALGRIND;
    struct sysinfo machine = {.mem_unit = 1};
    sysinfo(&machine);
    db->dir = options->dir;
    db->segments_dir = db->lock_fd = -1;
    db->read_only = options->read_only;
    db->segment_size = options->segment_size ? options->segment_size : LMDB_SEGMENT_DEFAULT;
    db->ballast_size = db->segment_size / 4;
    if (db->ballast_size > LMDB_BALLAST_MAX)
        db->ballast_size = LMDB_BALLAST_MAX;
    db->map_size = options->map_size ? options->map_size : small ? 16 * GIB : 1024 * GIB;
    db->gc_delay = (options->gc_delay ? options->gc_delay : GC_DELAY) / CLOCK_US;
    db->resident_size = (uint64_t)machine.totalram * machine.mem_unit / 4;
    pthread_mutex_init(&db->snapshot_lock, NULL);
    segfile_init(&db->segfiles);
    db->probes = snapshot_probes(runtime_reactors());
    return db;
}

TASK_FN
static struct store *lmdb_open(
    const struct store_options *options, enum store_open_error *error, char why[512])
{
    struct lmdb *db = lmdb_create(options);
    if (!db || !db->probes) {
        if (db)
            lmdb_free(db);
        *error = STORE_OPEN_SYSTEM;
        snprintf(why, 512, "out of memory");
        return NULL;
    }
    if (home_open(db, error, why) && open_environment(db, error, why) &&
        recover_run(db, error, why)) {
        if (db->read_only || home_seal(db, error, why)) {
            if (!db->read_only)
                home_ballast_make(db);
            return &db->store;
        }
        keeper_stop(db->keeper);
        committer_stop(db->committer);
        keeper_destroy(db->keeper);
    }
    lmdb_free(db);
    return NULL;
}

/* Ending threads and the last commit may block. */
static void close_work(void *arg)
{
    struct lmdb *db = arg;
    if (!db->read_only) {
        keeper_stop(db->keeper);
        committer_stop(db->committer);
        keeper_destroy(db->keeper);
        if (!store_failed(&db->store))
            recover_close(db);
    }
    lmdb_free(db);
}

TASK_FN
static void lmdb_close(struct store *s)
{
    if (!task_self() || !offload_run(OFFLOAD_DISK, close_work, lmdb_of(s)))
        close_work(lmdb_of(s));
}

/* ---- reading ---- */

struct read_request {
    struct lmdb *db;
    store_partition partition;
    store_read_fn fn;
    void *arg;
    uint64_t version;
    enum outcome outcome;
};

static void read_work(void *arg)
{
    struct read_request *r = arg;
    r->outcome = OUTCOME_FAILED;
    struct snapshot *s = snapshot_take(r->db);
    if (!s)
        return;
    int error = partrows_version(s->rows.txn, s->rows.dbis, r->partition, &r->version);
    if (!error) {
        struct store_view view;
        store_view_init(&view, &partrows_ops, &s->rows, r->partition, r->version, NULL);
        r->outcome = store_view_read(&view, r->fn, r->arg);
    } else {
        log_error("store.version.bad", log_int("partition", (int64_t)r->partition));
    }
    snapshot_give(r->db, s);
}

/* ---- writing ---- */

static void tell_task(struct member *m)
{
    completion_post(m->slot, m->outcome);
}

/* The deadline counts until the committer takes the member; from then on it is waited for. */
TASK_FN
static enum outcome submit(struct lmdb *db, store_partition p, struct member *m, deadline until)
{
    struct store_waiter waiter;
    if (!store_waiter_prepare(&waiter))
        return OUTCOME_FAILED;
    m->slot = waiter.slot;
    m->finish = tell_task;
    committer_submit(db->committer, p, m);
    enum wait wait = event_wait(&waiter.done, until);
    if (wait == WAIT_TIMEOUT && committer_withdraw(db->committer, p, m)) {
        store_waiter_drop(&waiter);
        return OUTCOME_FAILED;
    }
    return (enum outcome)(wait == WAIT_OK ? waiter.result : store_waiter_wait(&waiter));
}

TASK_FN
static enum outcome lmdb_read(struct store *s, store_partition p, store_read_fn fn, void *arg,
    uint64_t *version, deadline until)
{
    struct read_request r = {lmdb_of(s), p, fn, arg, 0, OUTCOME_FAILED};
    if (r.db->committer && committer_posts_pending(r.db->committer, p)) {
        struct member barrier = {0}; /* behind the posts in their lane */
        if (submit(r.db, p, &barrier, until) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    }
    if (!snapshot_run(r.db, read_work, &r))
        return OUTCOME_FAILED;
    *version = r.version;
    return r.outcome;
}

TASK_FN
static enum outcome lmdb_mutate(struct store *s, struct store_mutation *m, size_t n, bool intent,
    struct store_new_blob *blob, deadline until)
{
    struct lmdb *db = lmdb_of(s);
    struct blobprep prep;
    bool patient = !intent && m->patient;
    struct member member = {
        .mutations = m, .count = n, .intent = intent, .lazy = patient, .awaited = patient};
    enum outcome outcome = OUTCOME_DONE;
    if (!db->committer)
        return OUTCOME_FAILED;
    if (blob) {
        outcome = blobprep_make(db, &prep, blob);
        member.appends = &prep.append;
        member.append_count = 1;
        if (!prep.append.own_segment)
            member.append_bytes = segment_record_size(prep.append.header_size, prep.append.size);
    }
    if (outcome == OUTCOME_DONE)
        outcome = submit(db, m->partition, &member, until);
    if (blob)
        blobprep_finish(db, &prep, outcome);
    return outcome;
}

static void lmdb_post(
    struct store *s, store_partition p, store_mutate_fn fn, const void *arg, size_t arg_n)
{
    if (lmdb_of(s)->committer)
        committer_post(lmdb_of(s)->committer, p, fn, arg, arg_n);
}

/* ---- figures ---- */

static void lmdb_figures(struct store *s, struct store_figures *f)
{
    struct lmdb *db = lmdb_of(s);
    MDB_envinfo info;
    MDB_stat stat;
    f->mutations = atomic_load(&db->mutations);
    f->groups = atomic_load(&db->groups);
    f->syncs = atomic_load(&db->syncs);
    f->bytes_written = atomic_load(&db->bytes_written);
    f->segments = atomic_load(&db->segments);
    f->segment_bytes = atomic_load(&db->segment_bytes);
    f->live_bytes = atomic_load(&db->live_bytes);
    mdb_env_info(db->env, &info);
    mdb_env_stat(db->env, &stat);
    f->key_bytes = (uint64_t)stat.ms_psize * (info.me_last_pgno + 1);
    struct snapshot *snapshot = snapshot_take(db);
    if (!snapshot)
        return;
    if (mdb_stat(snapshot->rows.txn, db->dbis.blobs, &stat) == 0)
        f->blobs = stat.ms_entries;
    if (mdb_stat(snapshot->rows.txn, db->dbis.garbage, &stat) == 0)
        f->garbage = stat.ms_entries;
    snapshot_give(db, snapshot);
}

const struct store_engine_ops store_lmdb_ops = {
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .read = lmdb_read,
    .mutate = lmdb_mutate,
    .post = lmdb_post,
    .blob_open = blobfile_open,
    .blob_read = blobfile_read,
    .blob_close = blobfile_close,
    .housekeep = keeper_housekeep,
    .verify = audit_verify,
    .each_blob = audit_each_blob,
    .figures = lmdb_figures,
};
