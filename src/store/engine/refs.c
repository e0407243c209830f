#include "base/pack.h"
#include "store/engine/commit_private.h"

#define REMEMBERED     1024
#define REMEMBER_LEAST (INT64_C(10) * 60 * 1000000) /* us */

/* ---- references ---- */

static const struct append *new_blob(const struct member *m, store_blob_id id)
{
    for (size_t i = 0; i < m->append_count; i++)
        if (m->appends[i].id == id && m->appends[i].segment)
            return &m->appends[i];
    return NULL;
}

int refs_check(struct group *g, const struct member *m)
{
    const struct writeset_ref *ref = writeset_first_ref(g->set);
    for (; ref; ref = writeset_next_ref(ref)) {
        struct blobrow row = {0};
        int error = blobrow_get(g->rows.txn, g->rows.dbis, ref->blob, &row);
        if (error && (error != MDB_NOTFOUND || !new_blob(m, ref->blob)))
            return error;
        uint64_t refs = (uint64_t)row.refs + ref->retains;
        if (refs < ref->releases || refs - ref->releases > UINT32_MAX)
            return MDB_NOTFOUND;
    }
    return 0;
}

static void garbage_key(char to[16], int64_t due, store_blob_id id)
{
    pack_u64(to, (uint64_t)due);
    pack_u64(to + 8, id);
}

static int garbage_put(struct group *g, int64_t due, store_blob_id id)
{
    char k[16];
    garbage_key(k, due, id);
    MDB_val key = {sizeof k, k}, value = {0, k};
    return mdb_put(g->rows.txn, g->rows.dbis->garbage, &key, &value, 0);
}

static int garbage_del(struct group *g, int64_t due, store_blob_id id)
{
    char k[16];
    garbage_key(k, due, id);
    MDB_val key = {sizeof k, k};
    int error = mdb_del(g->rows.txn, g->rows.dbis->garbage, &key, NULL);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* The first reference to a blob of this member: from here on its record is live. */
static int birth(struct group *g, struct append *a, struct blobrow *row)
{
    *row = (struct blobrow){
        .segment = a->segment, .offset = a->offset, .size = a->size, .header_size = a->header_size};
    int error;
    struct group_segment *s = group_segment(g, a->segment, true, &error);
    if (!s)
        return error;
    s->row.live += blobrow_record(row);
    s->changed = true;
    if (a->own_segment) {
        s->row.used = blobrow_record(row);
        s->row.state = SEGROW_SINGLE;
    }
    if (s->row.used < a->offset + blobrow_record(row)) /* the appender knows better; see commit */
        s->row.used = a->offset + blobrow_record(row);
    a->referenced = true;
    return 0;
}

static int apply_one(struct group *g, struct member *m, const struct writeset_ref *ref)
{
    struct blobrow row;
    int error = blobrow_get(g->rows.txn, g->rows.dbis, ref->blob, &row);
    bool born = false;
    if (error == MDB_NOTFOUND) {
        if (ref->retains == ref->releases)
            return 0;
        struct append *a = (struct append *)new_blob(m, ref->blob);
        if (!a)
            return LMDB_BROKEN;
        born = true;
        error = birth(g, a, &row);
    }
    if (error)
        return error;
    uint32_t before = row.refs;
    row.refs = (uint32_t)((uint64_t)row.refs + ref->retains - ref->releases);
    if (before == row.refs)
        return 0;
    if (before == 0 && !born)
        error = garbage_del(g, row.due, ref->blob);
    row.due = row.refs == 0 ? g->now + g->db->gc_delay : 0;
    if (!error && row.refs == 0)
        error = garbage_put(g, row.due, ref->blob);
    return error ? error : blobrow_put(g->rows.txn, g->rows.dbis, ref->blob, &row);
}

int refs_apply(struct group *g, struct member *m)
{
    int error = 0;
    const struct writeset_ref *ref = writeset_first_ref(g->set);
    for (; ref && !error; ref = writeset_next_ref(ref))
        error = apply_one(g, m, ref);
    return error;
}

/* ---- remembered ids ---- */

#define NAME_KEY   25
#define NUMBER_KEY 17
#define NAME_ROW   17

static void name_key(char to[NAME_KEY], store_partition p, const struct store_id *id)
{
    pack_u64(to, p);
    to[8] = 0;
    memcpy(to + 9, id->bytes, 16);
}

static void number_key(char to[NUMBER_KEY], store_partition p, uint64_t number)
{
    pack_u64(to, p);
    to[8] = 1;
    pack_u64(to + 9, number);
}

int remember_get(
    struct group *g, store_partition p, const struct store_id *id, enum outcome *outcome)
{
    char k[NAME_KEY];
    name_key(k, p, id);
    MDB_val key = {sizeof k, k}, value;
    int error = mdb_get(g->rows.txn, g->rows.dbis->ids, &key, &value);
    if (error)
        return error;
    const uint8_t *v = value.mv_data;
    if (value.mv_size != NAME_ROW || v[16] > OUTCOME_REFUSED)
        return LMDB_BROKEN;
    *outcome = (enum outcome)v[16];
    return 0;
}

/* Moves from any key to the next; 0 when it is a number of this partition. */
static int number_at(MDB_cursor *c, MDB_cursor_op op, MDB_val *key, store_partition p,
    uint64_t *number, struct store_id *id)
{
    MDB_val value;
    int error = mdb_cursor_get(c, key, &value, op);
    if (error)
        return error;
    const char *k = key->mv_data;
    if (key->mv_size != NUMBER_KEY || unpack_u64(k) != p || k[8] != 1 || value.mv_size != 16)
        return MDB_NOTFOUND;
    *number = unpack_u64(k + 9);
    memcpy(id->bytes, value.mv_data, 16);
    return 0;
}

static int last_number(MDB_cursor *c, store_partition p, uint64_t *number)
{
    char k[NUMBER_KEY];
    struct store_id id;
    number_key(k, p, UINT64_MAX);
    MDB_val key = {sizeof k, k}, value;
    int error = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
    error = number_at(c, error ? MDB_LAST : MDB_PREV, &key, p, number, &id);
    if (error == MDB_NOTFOUND) {
        *number = 0;
        error = 0;
    }
    return error;
}

/* Two go for each that comes, so that a backlog shrinks. */
static int forget_old(struct group *g, MDB_cursor *c, store_partition p, uint64_t newest)
{
    for (unsigned i = 0; i < 2; i++) {
        char k[NUMBER_KEY], n[NAME_KEY];
        uint64_t number;
        struct store_id id;
        number_key(k, p, 0);
        MDB_val key = {sizeof k, k}, value;
        int error = number_at(c, MDB_SET_RANGE, &key, p, &number, &id);
        if (error)
            return error == MDB_NOTFOUND ? 0 : error;
        if (newest - number < REMEMBERED)
            return 0;
        name_key(n, p, &id);
        MDB_val name = {sizeof n, n};
        error = mdb_get(g->rows.txn, g->rows.dbis->ids, &name, &value);
        bool known = !error && value.mv_size == NAME_ROW;
        if (known && g->now - (int64_t)unpack_u64((char *)value.mv_data + 8) < REMEMBER_LEAST)
            return 0;
        if (known)
            error = mdb_del(g->rows.txn, g->rows.dbis->ids, &name, NULL);
        if (error && error != MDB_NOTFOUND)
            return error;
        number_key(k, p, number);
        key = (MDB_val){sizeof k, k};
        error = mdb_del(g->rows.txn, g->rows.dbis->ids, &key, NULL);
        if (error)
            return error;
    }
    return 0;
}

int remember_put(
    struct group *g, store_partition p, const struct store_id *id, enum outcome outcome)
{
    MDB_cursor *c;
    uint64_t number;
    int error = mdb_cursor_open(g->rows.txn, g->rows.dbis->ids, &c);
    if (error)
        return error;
    error = last_number(c, p, &number);
    if (!error)
        error = forget_old(g, c, p, ++number);
    mdb_cursor_close(c);
    if (error)
        return error;
    char n[NAME_KEY], row[NAME_ROW], k[NUMBER_KEY];
    name_key(n, p, id);
    pack_u64(row, number);
    pack_u64(row + 8, (uint64_t)g->now);
    row[16] = (char)outcome;
    MDB_val key = {sizeof n, n}, value = {sizeof row, row};
    error = mdb_put(g->rows.txn, g->rows.dbis->ids, &key, &value, 0);
    if (error)
        return error;
    number_key(k, p, number);
    key = (MDB_val){sizeof k, k};
    value = (MDB_val){16, (void *)id->bytes};
    return mdb_put(g->rows.txn, g->rows.dbis->ids, &key, &value, 0);
}
