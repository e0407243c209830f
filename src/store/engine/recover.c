#include "base/clock.h"
#include "base/log.h"
#include "base/pack.h"
#include "store/engine/commit_private.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPLAINTS_MAX 10

struct recovery {
    struct lmdb *db;
    MDB_txn *txn;
    struct metarow meta;
    uint64_t *files; /* ids of the segment files, ascending */
    size_t file_count, file_room;
    uint64_t last_id;
    bool begins, orphans; /* no row was ever written, and yet there are segments */
    unsigned complaints;
    uint64_t resume, resume_used; /* the open segment to go on with; 0: none */
};

static bool broken(enum store_open_error *error, char why[512], const char *what, int code)
{
    *error = code == EACCES || code == EPERM || code == EROFS ? STORE_OPEN_DENIED
             : code == LMDB_BROKEN                            ? STORE_OPEN_BROKEN
                                                              : STORE_OPEN_SYSTEM;
    snprintf(why, 512, "%s: %s", what,
        code == LMDB_BROKEN ? "damaged; restore data_dir from a backup" : mdb_strerror(code));
    return false;
}

/* ---- files ---- */

static bool parse_name(const char *name, uint64_t *id)
{
    char *end;
    if (strlen(name) != 16 || strspn(name, "0123456789abcdef") != 16)
        return false;
    *id = strtoull(name, &end, 16);
    return *id != 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool add_file(struct recovery *r, uint64_t id)
{
    if (r->file_count == r->file_room) {
        size_t room = r->file_room ? r->file_room * 2 : 64;
        uint64_t *files = realloc(r->files, room * sizeof *files);
        if (!files)
            return false;
        r->files = files;
        r->file_room = room;
    }
    r->files[r->file_count++] = id;
    return true;
}

/* Notes the segment files; unfinished ones go. */
static int list_files(struct recovery *r)
{
    int fd = openat(r->db->segments_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    int error = 0;
    for (struct dirent *entry; !error && (entry = readdir(folder));) {
        uint64_t id;
        size_t n = strlen(entry->d_name);
        if (parse_name(entry->d_name, &id))
            error = add_file(r, id) ? 0 : ENOMEM;
        else if (n > 4 && strcmp(entry->d_name + n - 4, ".new") == 0)
            unlinkat(r->db->segments_dir, entry->d_name, 0);
    }
    closedir(folder);
    if (r->file_count)
        qsort(r->files, r->file_count, sizeof *r->files, compare_ids);
    return error;
}

static bool file_exists(const struct recovery *r, uint64_t id)
{
    return r->file_count && bsearch(&id, r->files, r->file_count, sizeof id, compare_ids);
}

static void complain(struct recovery *r, uint64_t id, const char *what)
{
    if (r->complaints++ >= COMPLAINTS_MAX)
        return;
    char name[SEGFILE_NAME];
    segfile_name(id, name);
    log_error("store.segment.bad", log_text("segment", name), log_text("what", what));
}

/* ---- rows ---- */

/* A row that cannot be right is made again: from the file and the blob rows. */
static int rebuild_row(struct recovery *r, uint64_t id, struct segrow *row)
{
    char name[SEGFILE_NAME];
    struct stat st;
    segfile_name(id, name);
    complain(r, id, "its row was damaged and is made again");
    if (fstatat(r->db->segments_dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        st.st_size = 0;
    *row = (struct segrow){.used = (uint64_t)st.st_size & ~UINT64_C(7), .state = SEGROW_SEALED};
    MDB_cursor *c;
    MDB_val key, value;
    int error = mdb_cursor_open(r->txn, r->db->dbis.blobs, &c);
    if (error)
        return error;
    while ((error = mdb_cursor_get(c, &key, &value, MDB_NEXT)) == 0) {
        struct blobrow blob;
        store_blob_id blob_id;
        if (blobrow_parse(key, value, &blob_id, &blob) && blob.segment == id)
            row->live += blobrow_record(&blob);
    }
    mdb_cursor_close(c);
    if (error != MDB_NOTFOUND)
        return error;
    if (row->used < row->live)
        row->used = row->live;
    return segrow_put(r->txn, &r->db->dbis, id, row);
}

/* The segment that was being written. What lies behind `used` was never committed. After a crash
 * nothing is appended to it any more: what the kernel could not write may have been forgotten. */
static int settle_open(struct recovery *r, uint64_t id, struct segrow *row)
{
    char name[SEGFILE_NAME];
    struct stat st;
    segfile_name(id, name);
    int fd = openat(r->db->segments_dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    int error = fstat(fd, &st) ? errno : 0;
    uint64_t size = error ? 0 : (uint64_t)st.st_size;
    if (!error && size < row->used)
        complain(r, id, "the file is shorter than what was committed");
    if (!error && r->meta.clean && size >= r->db->segment_size && !r->resume) {
        r->resume = id;
        r->resume_used = row->used;
        close(fd);
        return 0;
    }
    if (!error && size > row->used && ftruncate(fd, (off_t)row->used) != 0)
        error = errno;
    if (!error && fsync(fd) != 0)
        error = errno;
    close(fd);
    row->state = SEGROW_SEALED;
    return error ? error : segrow_put(r->txn, &r->db->dbis, id, row);
}

static void count_row(struct lmdb *db, const struct segrow *row)
{
    atomic_fetch_add(&db->segments, 1);
    atomic_fetch_add(&db->segment_bytes, row->used);
    atomic_fetch_add(&db->live_bytes, row->live);
}

static int check_row(struct recovery *r, MDB_cursor *c, MDB_val key, MDB_val value)
{
    struct segrow row;
    uint64_t id = 0;
    if (key.mv_size != 8 || unpack_u64(key.mv_data) == 0)
        return r->db->read_only ? 0 : mdb_cursor_del(c, 0);
    bool right = segrow_parse(key, value, &id, &row);
    if (!right) {
        int error = r->db->read_only ? LMDB_BROKEN : rebuild_row(r, id, &row);
        if (error)
            return error == LMDB_BROKEN ? 0 : error;
    }
    if (id > r->last_id)
        r->last_id = id;
    bool there = file_exists(r, id);
    if (!there)
        complain(r, id, "the file is missing");
    if (row.live == 0 && row.state != SEGROW_OPEN && !r->db->read_only)
        return mdb_cursor_del(c, 0); /* its file goes as one without a row */
    int error = 0;
    if (row.state == SEGROW_OPEN && there && !r->db->read_only)
        error = settle_open(r, id, &row);
    count_row(r->db, &row);
    return error;
}

static int check_rows(struct recovery *r)
{
    MDB_cursor *c;
    MDB_val key, value;
    char k[8] = {0};
    int error = mdb_cursor_open(r->txn, r->db->dbis.segments, &c);
    if (error)
        return error;
    key = (MDB_val){sizeof k, k};
    /* Each step seeks anew, because the step before may have written. */
    while (!error && (error = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE)) == 0) {
        uint64_t id = key.mv_size == 8 ? unpack_u64(key.mv_data) : 0;
        error = check_row(r, c, key, value);
        if (id == UINT64_MAX)
            break;
        if (id)
            pack_u64(k, id + 1);
        key = (MDB_val){sizeof k, k};
    }
    mdb_cursor_close(c);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Files that no row names: written, and then the commit did not come. */
static int remove_strays(struct recovery *r)
{
    size_t removed = 0;
    for (size_t i = 0; i < r->file_count; i++) {
        struct segrow row;
        char name[SEGFILE_NAME];
        if (r->files[i] > r->last_id)
            r->last_id = r->files[i];
        int error = segrow_get(r->txn, &r->db->dbis, r->files[i], &row);
        if (error && error != MDB_NOTFOUND)
            return error == LMDB_BROKEN ? 0 : error;
        if (!error)
            continue;
        segfile_name(r->files[i], name);
        unlinkat(r->db->segments_dir, name, 0);
        removed++;
    }
    if (removed)
        log_info("store.recovered", log_int("unused_segments", (int64_t)removed));
    return 0;
}

/* ---- all of it ---- */

static int read_meta(struct recovery *r)
{
    int error = metarow_get(r->txn, &r->db->dbis, &r->meta);
    if (error != MDB_NOTFOUND)
        return error;
    MDB_stat rows;
    error = mdb_stat(r->txn, r->db->dbis.blobs, &rows);
    if (!error && (rows.ms_entries > 0 || !r->db->fresh))
        return LMDB_BROKEN;
    r->meta = (struct metarow){LMDB_FORMAT, true, 1, clock_wall()};
    r->begins = true;
    return error;
}

static int recover(struct recovery *r, bool *newer)
{
    struct lmdb *db = r->db;
    int error = read_meta(r);
    *newer = !error && r->meta.format > LMDB_FORMAT;
    if (error || *newer)
        return error;
    error = list_files(r);
    r->orphans = !error && r->begins && r->file_count > 0;
    if (r->orphans)
        return LMDB_BROKEN;
    if (!error)
        error = check_rows(r);
    if (!error && !db->read_only)
        error = remove_strays(r);
    int64_t wall = clock_wall();
    db->clock_base = (wall > r->meta.time ? wall : r->meta.time) - clock_now() / CLOCK_US;
    atomic_store(&db->next_blob, r->meta.next_blob);
    atomic_store(&db->reserved_blob, r->meta.next_blob + 2 * LMDB_ID_RESERVE);
    atomic_store(&db->next_segment, r->last_id + 1);
    if (error || db->read_only)
        return error;
    struct metarow meta = {LMDB_FORMAT, false, atomic_load(&db->reserved_blob), lmdb_clock(db)};
    return metarow_put(r->txn, &db->dbis, &meta);
}

static bool start(struct recovery *r, enum store_open_error *error, char why[512])
{
    struct lmdb *db = r->db;
    struct segfile *open = r->resume ? segfile_open(db, r->resume) : NULL;
    db->keeper = keeper_create(db);
    db->committer = db->keeper ? committer_start(db, open, r->resume_used) : NULL;
    if (!db->committer || !keeper_start(db->keeper)) {
        if (open && !db->committer)
            segfile_give(db, open);
        committer_stop(db->committer);
        keeper_destroy(db->keeper);
        db->committer = NULL;
        db->keeper = NULL;
        return broken(error, why, "the threads of the store cannot be started", errno);
    }
    return true;
}

bool recover_run(struct lmdb *db, enum store_open_error *error, char why[512])
{
    struct recovery r = {.db = db};
    bool newer = false;
    int code = mdb_txn_begin(db->env, NULL, db->read_only ? MDB_RDONLY : 0, &r.txn);
    if (!code)
        code = recover(&r, &newer);
    free(r.files);
    if (!code && !newer && !db->read_only)
        code = mdb_txn_commit(r.txn);
    else if (r.txn)
        mdb_txn_abort(r.txn);
    if (newer) {
        *error = STORE_OPEN_FORMAT;
        snprintf(why, 512,
            "data.mdb has format %u, this program knows formats up to %u: use a "
            "newer barid",
            r.meta.format, (unsigned)LMDB_FORMAT);
        return false;
    }
    if (code && r.orphans)
        return broken(error, why, "data_dir/segments holds mail that data.mdb does not know", code);
    if (code)
        return broken(error, why, "data_dir/data.mdb cannot be recovered", code);
    return db->read_only || start(&r, error, why);
}

void recover_close(struct lmdb *db)
{
    MDB_txn *txn;
    if (mdb_txn_begin(db->env, NULL, 0, &txn) != 0)
        return;
    struct metarow meta = {LMDB_FORMAT, true, atomic_load(&db->next_blob), lmdb_clock(db)};
    int error = metarow_put(txn, &db->dbis, &meta);
    if (error)
        mdb_txn_abort(txn);
    else
        error = mdb_txn_commit(txn);
    if (error)
        log_warn("store.close", log_text("error", mdb_strerror(error)));
}
