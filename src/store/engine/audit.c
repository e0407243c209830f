#include "base/pack.h"
#include "store/engine/lmdb_private.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP 256 /* blobs between two snapshots: a long one would keep old pages */

struct audit {
    struct lmdb *db;
    void (*fault)(void *arg, const struct store_fault *f);
    void (*each)(void *arg, store_blob_id id, uint32_t refs, uint64_t size);
    void *arg;
    uint64_t faults, blobs, bytes;
    bool failed;
    struct audit_live *live; /* one a segment row, ascending */
    size_t live_count;
};

struct audit_live {
    uint64_t id, counted;
    struct segrow row;
};

__attribute__((format(printf, 3, 4))) static void report(
    struct audit *a, const char *what, const char *format, ...)
{
    struct store_fault f = {.what = what};
    va_list args;
    va_start(args, format);
    vsnprintf(f.text, sizeof f.text, format, args);
    va_end(args);
    a->faults++;
    a->fault(a->arg, &f);
}

/* ---- walking the blob rows ---- */

struct audit_blob {
    store_blob_id id;
    struct blobrow row;
};

/* The next blobs behind *after, from one snapshot; 0 at the end. Rows that are damaged are reported
 * and passed. */
static size_t next_blobs(struct audit *a, store_blob_id *after, struct audit_blob blobs[STEP])
{
    struct snapshot *s = snapshot_take(a->db);
    MDB_cursor *c;
    size_t count = 0;
    a->failed = !s;
    if (!s)
        return 0;
    if (mdb_cursor_open(s->rows.txn, a->db->dbis.blobs, &c) != 0) {
        snapshot_give(a->db, s);
        a->failed = true;
        return 0;
    }
    char k[8];
    pack_u64(k, *after + 1);
    MDB_val key = {sizeof k, k}, value;
    int error = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
    for (; !error && count < STEP; error = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
        struct audit_blob *b = &blobs[count];
        if (key.mv_size == 8)
            *after = unpack_u64(key.mv_data);
        if (blobrow_parse(key, value, &b->id, &b->row))
            count++;
        else if (a->fault)
            report(a, "blob", "blob %llu: its row is damaged", (unsigned long long)*after);
        else
            a->failed = true;
    }
    mdb_cursor_close(c);
    snapshot_give(a->db, s);
    a->failed = a->failed || (error && error != MDB_NOTFOUND);
    return count;
}

/* The row changes while we look: only what is wrong and still so counts. */
static bool unchanged(struct audit *a, const struct audit_blob *b)
{
    struct snapshot *s = snapshot_take(a->db);
    struct blobrow row;
    if (!s)
        return true;
    int error = blobrow_get(s->rows.txn, s->rows.dbis, b->id, &row);
    snapshot_give(a->db, s);
    return !error && row.segment == b->row.segment && row.offset == b->row.offset;
}

static void check_blob(struct audit *a, const struct audit_blob *b)
{
    struct segfile *f = segfile_open(a->db, b->row.segment);
    const char *wrong = f ? blobfile_check(f->fd, b->id, &b->row) : "its segment cannot be opened";
    if (f)
        segfile_give(a->db, f);
    a->blobs++;
    a->bytes += b->row.size;
    if (wrong && unchanged(a, b))
        report(a, "blob", "blob %llu in segment %016llx at %llu: %s", (unsigned long long)b->id,
            (unsigned long long)b->row.segment, (unsigned long long)b->row.offset, wrong);
}

static void check_blobs(struct audit *a)
{
    struct audit_blob *blobs = malloc(STEP * sizeof *blobs);
    store_blob_id after = 0;
    a->failed = !blobs;
    for (size_t n = STEP; blobs && n > 0 && !a->failed;) {
        n = next_blobs(a, &after, blobs);
        for (size_t i = 0; i < n; i++)
            check_blob(a, &blobs[i]);
    }
    free(blobs);
}

/* ---- counters, all from one snapshot ---- */

static struct audit_live *live_of(struct audit *a, uint64_t id)
{
    size_t low = 0, high = a->live_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->live[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < a->live_count && a->live[low].id == id ? &a->live[low] : NULL;
}

static int load_segments(struct audit *a, MDB_txn *txn)
{
    MDB_stat stat;
    MDB_cursor *c;
    MDB_val key, value;
    int error = mdb_stat(txn, a->db->dbis.segments, &stat);
    if (error)
        return error;
    a->live = calloc(stat.ms_entries + 1, sizeof *a->live);
    if (!a->live)
        return ENOMEM;
    error = mdb_cursor_open(txn, a->db->dbis.segments, &c);
    if (error)
        return error;
    while ((error = mdb_cursor_get(c, &key, &value, MDB_NEXT)) == 0) {
        struct audit_live *live = &a->live[a->live_count];
        if (segrow_parse(key, value, &live->id, &live->row) && a->live_count < stat.ms_entries)
            a->live_count++;
        else
            report(
                a, "segment", "segment %016llx: its row is damaged", (unsigned long long)live->id);
    }
    mdb_cursor_close(c);
    return error == MDB_NOTFOUND ? 0 : error;
}

static void count_blob(struct audit *a, MDB_txn *txn, store_blob_id id, const struct blobrow *row)
{
    struct audit_live *live = live_of(a, row->segment);
    uint64_t size = blobrow_record(row);
    if (!live)
        report(a, "blob", "blob %llu: segment %016llx has no row", (unsigned long long)id,
            (unsigned long long)row->segment);
    else if (row->offset + size > live->row.used)
        report(a, "blob", "blob %llu: lies behind the end of segment %016llx",
            (unsigned long long)id, (unsigned long long)row->segment);
    if (live)
        live->counted += size;
    char k[16];
    pack_u64(k, (uint64_t)row->due);
    pack_u64(k + 8, id);
    MDB_val key = {sizeof k, k}, value;
    bool garbage = mdb_get(txn, a->db->dbis.garbage, &key, &value) == 0;
    if (garbage != (row->refs == 0))
        report(a, "blob", "blob %llu: %s", (unsigned long long)id,
            garbage ? "is in use and among the garbage" : "has no references and is no garbage");
}

static void check_counters(struct audit *a)
{
    struct snapshot *s = snapshot_take(a->db);
    MDB_cursor *c;
    MDB_val key, value;
    uint64_t unused = 0;
    if (!s)
        return;
    int error = load_segments(a, s->rows.txn);
    if (!error)
        error = mdb_cursor_open(s->rows.txn, a->db->dbis.blobs, &c);
    if (!error) {
        while ((error = mdb_cursor_get(c, &key, &value, MDB_NEXT)) == 0) {
            struct audit_blob b;
            if (!blobrow_parse(key, value, &b.id, &b.row))
                continue;
            count_blob(a, s->rows.txn, b.id, &b.row);
            unused += b.row.refs == 0;
        }
        mdb_cursor_close(c);
    }
    MDB_stat stat = {0};
    mdb_stat(s->rows.txn, a->db->dbis.garbage, &stat);
    snapshot_give(a->db, s);
    if (error != MDB_NOTFOUND)
        report(a, "store", "its rows cannot be read: %s", mdb_strerror(error));
    if (stat.ms_entries != unused)
        report(a, "counter", "%llu garbage rows for %llu blobs without references",
            (unsigned long long)stat.ms_entries, (unsigned long long)unused);
    for (size_t i = 0; i < a->live_count; i++)
        if (a->live[i].counted != a->live[i].row.live)
            report(a, "counter", "segment %016llx: %llu live bytes noted, %llu found",
                (unsigned long long)a->live[i].id, (unsigned long long)a->live[i].row.live,
                (unsigned long long)a->live[i].counted);
    free(a->live);
}

/* ---- entry ---- */

static void verify_work(void *arg)
{
    struct audit *a = arg;
    check_counters(a);
    check_blobs(a);
    if (a->failed)
        report(a, "store", "not everything could be read");
}

TASK_FN
uint64_t audit_verify(struct store *s, void (*fn)(void *arg, const struct store_fault *f),
    void *arg, uint64_t *blobs, uint64_t *bytes)
{
    struct audit a = {.db = lmdb_of(s), .fault = fn, .arg = arg};
    if (!offload_run(OFFLOAD_READ, verify_work, &a))
        report(&a, "store", "too busy to be verified now");
    *blobs = a.blobs;
    *bytes = a.bytes;
    return a.faults;
}

static void each_work(void *arg)
{
    struct audit *a = arg;
    struct audit_blob *blobs = malloc(STEP * sizeof *blobs);
    store_blob_id after = 0;
    a->failed = !blobs;
    for (size_t n = STEP; blobs && n > 0 && !a->failed;) {
        n = next_blobs(a, &after, blobs);
        for (size_t i = 0; i < n; i++)
            a->each(a->arg, blobs[i].id, blobs[i].row.refs, blobs[i].row.size);
    }
    free(blobs);
}

TASK_FN
enum outcome audit_each_blob(struct store *s,
    void (*fn)(void *arg, store_blob_id id, uint32_t refs, uint64_t size), void *arg)
{
    struct audit a = {.db = lmdb_of(s), .each = fn, .arg = arg};
    if (!offload_run(OFFLOAD_READ, each_work, &a) || a.failed)
        return OUTCOME_FAILED;
    return OUTCOME_DONE;
}
