#include "base/log.h"
#include "base/pack.h"
#include "store/engine/commit_private.h"
#include <stdlib.h>

struct group *group_create(struct lmdb *db, struct appender *a)
{
    struct group *g = calloc(1, sizeof *g);
    struct writeset *set = writeset_create();
    if (!g || !set) {
        free(g);
        writeset_destroy(set);
        return NULL;
    }
    g->db = db;
    g->appender = a;
    g->set = set;
    g->rows.dbis = &db->dbis;
    g->rows.writing = true;
    return g;
}

void group_destroy(struct group *g)
{
    if (!g)
        return;
    writeset_destroy(g->set);
    free(g);
}

static void group_reset(struct group *g)
{
    for (size_t i = 0; i < g->partition_count; i++)
        g->slots[g->used[i]].used = false;
    g->partition_count = g->segment_count = g->dead_count = 0;
    /* The cursors of a write transaction ended with it. */
    memset(g->rows.cursors, 0, sizeof g->rows.cursors);
    memset(g->rows.bound, 0, sizeof g->rows.bound);
    g->rows.txn = NULL;
}

/* Is data.mdb full but for its reserve? Pages that were freed inside it count as room. */
static bool is_tight(struct group *g)
{
    MDB_envinfo info;
    MDB_stat stat;
    const MDB_dbi dbis[] = {g->db->dbis.rows, g->db->dbis.blobs, g->db->dbis.segments,
        g->db->dbis.garbage, g->db->dbis.ids};
    mdb_env_info(g->db->env, &info);
    mdb_env_stat(g->db->env, &stat);
    if ((uint64_t)stat.ms_psize * info.me_last_pgno < g->db->map_size)
        return false;
    uint64_t pages = 0, size = stat.ms_psize;
    for (size_t i = 0; i < sizeof dbis / sizeof *dbis; i++)
        if (mdb_stat(g->rows.txn, dbis[i], &stat) == 0)
            pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    return pages * size >= g->db->map_size - g->db->map_size / 16;
}

int group_begin(struct group *g, bool *fatal)
{
    group_reset(g);
    g->now = lmdb_clock(g->db);
    int error = mdb_txn_begin(g->db->env, NULL, 0, &g->rows.txn);
    *fatal = error != 0;
    g->tight = !error && is_tight(g);
    return error;
}

void group_abort(struct group *g)
{
    if (g->rows.txn)
        mdb_txn_abort(g->rows.txn);
    group_reset(g);
}

/* ---- partitions and segments of this transaction ---- */

static struct group_partition *partition_of(struct group *g, store_partition p, int *error)
{
    size_t i = (size_t)((p * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % GROUP_SLOTS;
    while (g->slots[i].used && g->slots[i].partition != p)
        i = (i + 1) % GROUP_SLOTS;
    struct group_partition *slot = &g->slots[i];
    if (slot->used)
        return slot;
    if (g->partition_count >= GROUP_SLOTS / 2) {
        *error = MDB_TXN_FULL;
        return NULL;
    }
    uint64_t version;
    *error = partrows_version(g->rows.txn, g->rows.dbis, p, &version);
    if (*error)
        return NULL;
    *slot = (struct group_partition){.partition = p, .version = version, .used = true};
    g->used[g->partition_count++] = (uint16_t)i;
    return slot;
}

struct group_segment *group_segment(struct group *g, uint64_t id, bool fresh, int *error)
{
    for (size_t i = g->segment_count; i-- > 0;)
        if (g->segments[i].id == id)
            return &g->segments[i];
    if (g->segment_count == GROUP_SEGMENTS) {
        *error = MDB_TXN_FULL;
        return NULL;
    }
    struct group_segment made = {.id = id};
    *error = segrow_get(g->rows.txn, g->rows.dbis, id, &made.row);
    if (*error == MDB_NOTFOUND && fresh) {
        made.fresh = true;
        made.row.state = SEGROW_OPEN;
        *error = 0;
    }
    if (*error)
        return NULL;
    made.before = made.row;
    g->segments[g->segment_count] = made;
    return &g->segments[g->segment_count++];
}

/* ---- running ---- */

/* While space is short: nothing that only adds. */
static bool deletes(const struct writeset *set)
{
    const struct writeset_row *row = writeset_seek(set, S(""), false);
    for (; row; row = writeset_next(row))
        if (row->deleted)
            return true;
    const struct writeset_ref *ref = writeset_first_ref(set);
    for (; ref; ref = writeset_next_ref(ref))
        if (ref->releases > ref->retains)
            return true;
    return false;
}

static int apply_rows(struct group *g, store_partition p)
{
    char k[8 + STORE_KEY_MAX];
    pack_u64(k, p);
    const struct writeset_row *row = writeset_seek(g->set, S(""), false);
    int error = 0;
    for (; row && !error; row = writeset_next(row)) {
        memcpy(k + 8, row->key.p, row->key.n);
        MDB_val key = {8 + row->key.n, k};
        MDB_val value = {row->value.n, (void *)row->value.p};
        if (!row->deleted)
            error = mdb_put(g->rows.txn, g->rows.dbis->rows, &key, &value, 0);
        else
            error = mdb_del(g->rows.txn, g->rows.dbis->rows, &key, NULL);
        if (error == MDB_NOTFOUND)
            error = 0;
    }
    return error;
}

static bool is_named(const struct store_id *id)
{
    static const struct store_id none;
    return memcmp(id, &none, sizeof none) != 0;
}

/* One destination. Its outcome is FAILED with nothing written, or what fn said, applied. */
static int run_one(struct group *g, struct member *m, struct store_mutation *mut)
{
    int error = 0;
    mut->outcome = OUTCOME_FAILED;
    struct group_partition *part = partition_of(g, mut->partition, &error);
    if (!part)
        return error;
    bool named = is_named(&mut->id);
    if (named) {
        error = remember_get(g, mut->partition, &mut->id, &mut->outcome);
        if (error != MDB_NOTFOUND)
            return error;
    }
    struct store_txn txn;
    store_view_init(&txn.view, &partrows_ops, &g->rows, part->partition, part->version, g->set);
    enum outcome outcome = store_txn_run(&txn, mut->fn, mut->arg);
    if (outcome == OUTCOME_DONE) {
        if ((g->tight || atomic_load(&g->db->short_of_space)) && !deletes(g->set))
            return 0;
        error = refs_check(g, m);
        if (error)
            return error == MDB_NOTFOUND ? 0 : error;
        error = apply_rows(g, mut->partition);
        if (!error)
            error = refs_apply(g, m);
        if (error)
            return error;
        part->version++;
        part->changed = true;
    } else if (outcome != OUTCOME_REFUSED) {
        return 0;
    }
    mut->outcome = outcome;
    return named ? remember_put(g, mut->partition, &mut->id, outcome) : 0;
}

/* All or nothing: a destination that fails behind one that was applied spoils the transaction. */
int group_run(struct group *g, struct member *m)
{
    m->outcome = OUTCOME_DONE;
    for (size_t i = 0; i < m->append_count; i++)
        m->appends[i].referenced = false;
    if (m->job)
        return m->job(g, m);
    size_t done = 0;
    for (size_t i = 0; i < m->count; i++) {
        struct store_mutation *mut = &m->mutations[i];
        int error = run_one(g, m, mut);
        if (!error && mut->outcome == OUTCOME_FAILED) {
            m->outcome = OUTCOME_FAILED;
            error = done ? LMDB_BROKEN : 0;
            if (!error)
                return 0;
        }
        if (error)
            return error;
        done += mut->outcome == OUTCOME_DONE;
    }
    if (m->count > 0 && done == 0)
        m->outcome = OUTCOME_REFUSED;
    return 0;
}

/* ---- committing ---- */

static int write_versions(struct group *g)
{
    int error = 0;
    for (size_t i = 0; i < g->partition_count && !error; i++) {
        struct group_partition *part = &g->slots[g->used[i]];
        if (!part->changed)
            continue;
        char k[8], v[8];
        pack_u64(k, part->partition);
        pack_u64(v, part->version);
        MDB_val key = {sizeof k, k}, value = {sizeof v, v};
        error = mdb_put(g->rows.txn, g->rows.dbis->rows, &key, &value, 0);
    }
    return error;
}

/* The appender's news: how far the current segment is used, and which ones are full. */
static int note_appends(struct group *g, bool last)
{
    struct appender *a = g->appender;
    int error = 0;
    if (a->file && a->changed) {
        struct group_segment *s = group_segment(g, a->file->id, true, &error);
        if (!s)
            return error;
        s->row.used = a->used;
        s->changed = true;
    }
    for (size_t i = 0; i < a->full_count; i++) {
        struct group_segment *s = group_segment(g, a->full[i].id, true, &error);
        if (!s)
            return error;
        s->row.used = a->full[i].used;
        s->row.state = last ? SEGROW_SEALED : SEGROW_OPEN;
        s->changed = true;
    }
    return 0;
}

static int write_segments(struct group *g)
{
    int error = 0;
    for (size_t i = 0; i < g->segment_count && !error; i++) {
        struct group_segment *s = &g->segments[i];
        if (!s->changed)
            continue;
        if (s->row.live > 0 || s->row.state == SEGROW_OPEN) {
            error = segrow_put(g->rows.txn, g->rows.dbis, s->id, &s->row);
            continue;
        }
        char k[8];
        pack_u64(k, s->id);
        MDB_val key = {sizeof k, k};
        error = mdb_del(g->rows.txn, g->rows.dbis->segments, &key, NULL);
        if (error == MDB_NOTFOUND)
            error = 0;
        g->dead[g->dead_count++] = s->id;
    }
    return error;
}

/* Takes the next range of blob ids before the last one is used up. */
static int write_meta(struct group *g, uint64_t *reserve)
{
    uint64_t next = atomic_load(&g->db->next_blob), reserved = atomic_load(&g->db->reserved_blob);
    *reserve = reserved;
    if (next + LMDB_ID_RESERVE <= reserved)
        return 0;
    *reserve = next + 2 * LMDB_ID_RESERVE;
    struct metarow meta = {LMDB_FORMAT, false, *reserve, g->now};
    return metarow_put(g->rows.txn, g->rows.dbis, &meta);
}

static void count_segments(struct group *g)
{
    struct lmdb *db = g->db;
    for (size_t i = 0; i < g->segment_count; i++) {
        struct group_segment *s = &g->segments[i];
        if (!s->changed)
            continue;
        atomic_fetch_add(&db->segments, s->fresh);
        atomic_fetch_add(&db->segment_bytes, s->row.used - s->before.used);
        atomic_fetch_add(&db->live_bytes, s->row.live - s->before.live);
    }
    for (size_t i = 0; i < g->dead_count; i++) {
        int error;
        struct group_segment *s = group_segment(g, g->dead[i], false, &error);
        atomic_fetch_sub(&db->segments, 1);
        atomic_fetch_sub(&db->segment_bytes, s ? s->row.used : 0);
        keeper_unlink(db, g->dead[i]);
    }
}

int group_commit(struct group *g, bool last, bool *fatal)
{
    uint64_t reserve;
    *fatal = false;
    int error = write_versions(g);
    if (!error)
        error = note_appends(g, last);
    if (!error)
        error = write_segments(g);
    if (!error)
        error = write_meta(g, &reserve);
    if (error) {
        group_abort(g);
        return error;
    }
    error = mdb_txn_commit(g->rows.txn);
    g->rows.txn = NULL;
    if (error) {
        error = home_commit_error(g->db, error);
        *fatal = !home_full(error);
        group_reset(g);
        return error;
    }
    atomic_fetch_add(&g->db->syncs, 2);
    atomic_fetch_add(&g->db->groups, 1);
    atomic_store(&g->db->reserved_blob, reserve);
    g->appender->changed = false;
    if (last)
        g->appender->full_count = 0;
    count_segments(g);
    for (size_t i = 0; i < g->partition_count; i++) {
        struct group_partition *part = &g->slots[g->used[i]];
        if (part->changed)
            watch_hub_notify(g->db->store.watches, part->partition, part->version);
    }
    return 0;
}
