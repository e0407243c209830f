#include "base/hash.h"
#include "base/log.h"
#include "base/pack.h"
#include "store/engine/lmdb_private.h"

/*  blobs     0 segment, 8 offset, 16 size, 24 due, 32 refs (4), 36 size of the header (4), 40 crc
 *  segments  0 used, 8 live, 16 state (4), 20 crc
 *  meta      0 format (4), 4 clean (4), 8 next blob, 16 time, 24 crc */
#define BLOBROW_SIZE 44
#define SEGROW_SIZE  24
#define METAROW_SIZE 28
#define OFFSET_MAX   (UINT64_C(1) << 62)

static uint32_t row_crc(MDB_val key, const void *value, size_t n)
{
    return crc32c(crc32c(0, key.mv_data, key.mv_size), value, n);
}

static bool row_right(MDB_val key, MDB_val value, size_t n)
{
    const char *p = value.mv_data;
    return value.mv_size == n && unpack_u32(p + n - 4) == row_crc(key, p, n - 4);
}

static int row_put(MDB_txn *txn, MDB_dbi dbi, MDB_val key, char *value, size_t n)
{
    pack_u32(value + n - 4, row_crc(key, value, n - 4));
    MDB_val v = {n, value};
    return mdb_put(txn, dbi, &key, &v, 0);
}

static int broken(const char *what, uint64_t id)
{
    log_error("store.row.broken", log_text("what", what), log_int("id", (int64_t)id));
    return LMDB_BROKEN;
}

bool blobrow_parse(MDB_val key, MDB_val value, store_blob_id *id, struct blobrow *row)
{
    if (key.mv_size != 8 || !row_right(key, value, BLOBROW_SIZE))
        return false;
    const char *p = value.mv_data;
    *id = unpack_u64(key.mv_data);
    *row = (struct blobrow){
        .segment = unpack_u64(p),
        .offset = unpack_u64(p + 8),
        .size = unpack_u64(p + 16),
        .due = (int64_t)unpack_u64(p + 24),
        .refs = unpack_u32(p + 32),
        .header_size = unpack_u32(p + 36),
    };
    return *id != 0 && row->segment != 0 && row->offset % 8 == 0 && row->offset < OFFSET_MAX &&
           row->size <= SEGMENT_SIZE_MAX && row->header_size >= SEGMENT_FIXED &&
           row->header_size <= SEGMENT_HEADER_MAX && row->header_size % 8 == 0;
}

int blobrow_get(MDB_txn *txn, const struct lmdb_dbis *dbis, store_blob_id id, struct blobrow *row)
{
    char k[8];
    pack_u64(k, id);
    MDB_val key = {sizeof k, k}, value;
    int error = mdb_get(txn, dbis->blobs, &key, &value);
    if (error)
        return error;
    store_blob_id found;
    return blobrow_parse(key, value, &found, row) ? 0 : broken("blob", id);
}

int blobrow_put(
    MDB_txn *txn, const struct lmdb_dbis *dbis, store_blob_id id, const struct blobrow *row)
{
    char k[8], p[BLOBROW_SIZE];
    pack_u64(k, id);
    pack_u64(p, row->segment);
    pack_u64(p + 8, row->offset);
    pack_u64(p + 16, row->size);
    pack_u64(p + 24, (uint64_t)row->due);
    pack_u32(p + 32, row->refs);
    pack_u32(p + 36, row->header_size);
    return row_put(txn, dbis->blobs, (MDB_val){sizeof k, k}, p, sizeof p);
}

bool segrow_parse(MDB_val key, MDB_val value, uint64_t *id, struct segrow *row)
{
    if (key.mv_size != 8)
        return false;
    *id = unpack_u64(key.mv_data);
    if (!row_right(key, value, SEGROW_SIZE))
        return false;
    const char *p = value.mv_data;
    uint32_t state = unpack_u32(p + 16);
    *row = (struct segrow){unpack_u64(p), unpack_u64(p + 8), (enum segrow_state)state};
    return *id != 0 && state >= SEGROW_OPEN && state <= SEGROW_SINGLE && row->used < OFFSET_MAX &&
           row->live <= row->used && row->used % 8 == 0;
}

int segrow_get(MDB_txn *txn, const struct lmdb_dbis *dbis, uint64_t id, struct segrow *row)
{
    char k[8];
    pack_u64(k, id);
    MDB_val key = {sizeof k, k}, value;
    int error = mdb_get(txn, dbis->segments, &key, &value);
    if (error)
        return error;
    uint64_t found;
    return segrow_parse(key, value, &found, row) ? 0 : broken("segment", id);
}

int segrow_put(MDB_txn *txn, const struct lmdb_dbis *dbis, uint64_t id, const struct segrow *row)
{
    char k[8], p[SEGROW_SIZE];
    pack_u64(k, id);
    pack_u64(p, row->used);
    pack_u64(p + 8, row->live);
    pack_u32(p + 16, row->state);
    return row_put(txn, dbis->segments, (MDB_val){sizeof k, k}, p, sizeof p);
}

static char meta_key[] = "store";

int metarow_get(MDB_txn *txn, const struct lmdb_dbis *dbis, struct metarow *row)
{
    MDB_val key = {sizeof meta_key - 1, meta_key}, value;
    int error = mdb_get(txn, dbis->meta, &key, &value);
    if (error)
        return error;
    if (!row_right(key, value, METAROW_SIZE))
        return broken("meta", 0);
    const char *p = value.mv_data;
    *row = (struct metarow){
        unpack_u32(p), unpack_u32(p + 4) != 0, unpack_u64(p + 8), (int64_t)unpack_u64(p + 16)};
    return row->next_blob ? 0 : broken("meta", 0);
}

int metarow_put(MDB_txn *txn, const struct lmdb_dbis *dbis, const struct metarow *row)
{
    char p[METAROW_SIZE];
    pack_u32(p, row->format);
    pack_u32(p + 4, row->clean);
    pack_u64(p + 8, row->next_blob);
    pack_u64(p + 16, (uint64_t)row->time);
    return row_put(txn, dbis->meta, (MDB_val){sizeof meta_key - 1, meta_key}, p, sizeof p);
}
