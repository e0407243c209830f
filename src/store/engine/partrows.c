#include "base/log.h"
#include "base/pack.h"
#include "store/engine/lmdb_private.h"

#define KEY_ROOM (8 + STORE_KEY_MAX)

static void make_key(char to[KEY_ROOM], store_partition p, struct slice key, MDB_val *made)
{
    pack_u64(to, p);
    if (key.n)
        memcpy(to + 8, key.p, key.n);
    *made = (MDB_val){8 + key.n, to};
}

static bool broke(struct store_view *v, const char *what, int error)
{
    v->broken = true;
    log_error("store.read.failed", log_int("partition", (int64_t)v->partition),
        log_text("what", what),
        log_text("error", error == LMDB_BROKEN ? "damaged row" : mdb_strerror(error)));
    return false;
}

int partrows_version(
    MDB_txn *txn, const struct lmdb_dbis *dbis, store_partition p, uint64_t *version)
{
    char k[8];
    pack_u64(k, p);
    MDB_val key = {sizeof k, k}, value;
    int error = mdb_get(txn, dbis->rows, &key, &value);
    *version = 0;
    if (error)
        return error == MDB_NOTFOUND ? 0 : error;
    if (value.mv_size != 8)
        return LMDB_BROKEN;
    *version = unpack_u64(value.mv_data);
    return 0;
}

static bool take_value(struct store_view *v, MDB_val found, struct slice *value)
{
    if (found.mv_size == 0 || found.mv_size > STORE_VALUE_MAX)
        return broke(v, "value", LMDB_BROKEN);
    *value = slice(found.mv_data, found.mv_size);
    return true;
}

static bool rows_get(struct store_view *v, struct slice key, struct slice *value)
{
    struct partrows *rows = v->engine;
    char k[KEY_ROOM];
    MDB_val wanted, found;
    make_key(k, v->partition, key, &wanted);
    int error = mdb_get(rows->txn, rows->dbis->rows, &wanted, &found);
    if (error == MDB_NOTFOUND)
        return false;
    if (error)
        return broke(v, "get", error);
    return take_value(v, found, value);
}

/* A cursor of this transaction: those of read transactions are used again for the next one. */
static MDB_cursor *bind(struct partrows *rows, unsigned slot, int *error)
{
    *error = 0;
    if (rows->bound[slot])
        return rows->cursors[slot];
    if (rows->cursors[slot])
        *error = mdb_cursor_renew(rows->txn, rows->cursors[slot]);
    else
        *error = mdb_cursor_open(rows->txn, rows->dbis->rows, &rows->cursors[slot]);
    rows->bound[slot] = *error == 0;
    return *error ? NULL : rows->cursors[slot];
}

/* What the cursor found, as a row of the partition. */
static bool take_row(struct store_view *v, int error, MDB_val key, MDB_val found,
    struct slice *row_key, struct slice *value)
{
    if (error == MDB_NOTFOUND)
        return false;
    if (error)
        return broke(v, "next", error);
    if (key.mv_size < 8 || key.mv_size > KEY_ROOM)
        return broke(v, "key", LMDB_BROKEN);
    if (unpack_u64(key.mv_data) != v->partition)
        return false;
    if (key.mv_size == 8)
        return broke(v, "key", LMDB_BROKEN);
    *row_key = slice((const char *)key.mv_data + 8, key.mv_size - 8);
    return take_value(v, found, value);
}

static bool rows_seek(struct store_view *v, unsigned slot, struct slice at, bool strict,
    struct slice *row_key, struct slice *value)
{
    char k[KEY_ROOM];
    MDB_val key, found;
    int error;
    MDB_cursor *cursor = bind(v->engine, slot, &error);
    if (!cursor)
        return broke(v, "cursor", error);
    make_key(k, v->partition, at, &key);
    MDB_val wanted = key;
    error = mdb_cursor_get(cursor, &key, &found, MDB_SET_RANGE);
    /* The empty key is the version of the partition, which is no row. */
    bool same = !error && key.mv_size == wanted.mv_size &&
                memcmp(key.mv_data, wanted.mv_data, key.mv_size) == 0;
    if (same && (strict || at.n == 0))
        error = mdb_cursor_get(cursor, &key, &found, MDB_NEXT);
    return take_row(v, error, key, found, row_key, value);
}

static bool rows_next(
    struct store_view *v, unsigned slot, struct slice *row_key, struct slice *value)
{
    struct partrows *rows = v->engine;
    MDB_val key, found;
    int error = mdb_cursor_get(rows->cursors[slot], &key, &found, MDB_NEXT);
    return take_row(v, error, key, found, row_key, value);
}

const struct store_rows partrows_ops = {rows_get, rows_seek, rows_next};
