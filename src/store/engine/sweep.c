#include "base/clock.h"
#include "base/log.h"
#include "base/pack.h"
#include "store/engine/commit_private.h"

#define STEP         256
#define URGENT_DELAY (INT64_C(10) * 60 * 1000000) /* us */

struct sweep {
    struct member member;
    int64_t limit; /* what is due by then goes */
    size_t freed;
};

/* One garbage row: true and *live when the blob row agrees that nobody refers to the blob. */
static int free_blob(struct group *g, store_blob_id id, int64_t due)
{
    struct blobrow row;
    int error = blobrow_get(g->rows.txn, g->rows.dbis, id, &row);
    if (error == MDB_NOTFOUND || error == LMDB_BROKEN ||
        (!error && (row.refs > 0 || row.due != due))) {
        log_error("store.garbage.bad", log_int("blob", (int64_t)id));
        return 0;
    }
    if (error)
        return error;
    struct group_segment *s = group_segment(g, row.segment, false, &error);
    if (s) {
        uint64_t size = blobrow_record(&row);
        s->row.live = s->row.live > size ? s->row.live - size : 0;
        s->changed = true;
    } else if (error != MDB_NOTFOUND && error != LMDB_BROKEN) {
        return error;
    }
    char k[8];
    pack_u64(k, id);
    MDB_val key = {sizeof k, k};
    return mdb_del(g->rows.txn, g->rows.dbis->blobs, &key, NULL);
}

static int sweep_step(struct group *g, struct member *m)
{
    struct sweep *sweep = list_entry(m, struct sweep, member);
    MDB_cursor *c;
    MDB_val key, value;
    sweep->freed = 0;
    int error = mdb_cursor_open(g->rows.txn, g->rows.dbis->garbage, &c);
    if (error)
        return error;
    while (sweep->freed < STEP) {
        error = mdb_cursor_get(c, &key, &value, MDB_FIRST);
        if (error || (key.mv_size == 16 && (int64_t)unpack_u64(key.mv_data) > sweep->limit))
            break;
        if (key.mv_size == 16)
            error =
                free_blob(g, unpack_u64((char *)key.mv_data + 8), (int64_t)unpack_u64(key.mv_data));
        if (!error)
            error = mdb_cursor_get(c, &key, &value, MDB_FIRST);
        if (!error)
            error = mdb_cursor_del(c, 0);
        if (error)
            break;
        sweep->freed++;
    }
    mdb_cursor_close(c);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Asks without a transaction of the committer, so that an idle store stays idle. */
static bool anything_due(struct lmdb *db, int64_t limit)
{
    struct snapshot *s = snapshot_take(db);
    if (!s)
        return false;
    MDB_cursor *c;
    MDB_val key, value;
    bool due = false;
    if (mdb_cursor_open(s->rows.txn, db->dbis.garbage, &c) == 0) {
        due = mdb_cursor_get(c, &key, &value, MDB_FIRST) == 0 &&
              (key.mv_size != 16 || (int64_t)unpack_u64(key.mv_data) <= limit);
        mdb_cursor_close(c);
    }
    snapshot_give(db, s);
    return due;
}

void sweep_run(struct lmdb *db, bool urgent)
{
    int64_t sooner = urgent && db->gc_delay > URGENT_DELAY ? db->gc_delay - URGENT_DELAY : 0;
    struct sweep sweep = {.limit = lmdb_clock(db) + sooner, .freed = STEP};
    uint64_t freed = 0;
    while (anything_due(db, sweep.limit)) {
        sweep.member = (struct member){.job = sweep_step};
        if (keeper_commit(db, &sweep.member) != OUTCOME_DONE || sweep.freed == 0)
            break;
        freed += sweep.freed;
        if (!keeper_pause(db, urgent ? 0 : 2 * CLOCK_MS))
            break;
    }
    if (freed)
        log_info("store.swept", log_int("blobs", (int64_t)freed));
}
