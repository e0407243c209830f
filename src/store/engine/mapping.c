/* What is mapped of data.mdb counts as our memory, although it is the page cache's: whatever was
 * read once stays in the page tables. It is given back now and then; what is wanted again costs a
 * minor fault for every few pages. */
#include "store/engine/lmdb_private.h"
#include <sys/mman.h>
#include <sys/resource.h>

#define META_MAGIC    0xBEEFC0DEu /* of LMDB's page 0, behind its header */
#define META_MAGIC_AT 16
#define FAULT_AROUND  ((size_t)512 * 1024) /* a fault may map so much: large folios, seen */

/* LMDB does not tell where its map is. Each page begins with its number, so any row does. */
static char *find_start(const struct lmdb *db, MDB_txn *txn, size_t page, size_t last)
{
    MDB_cursor *c;
    MDB_val key, value;
    size_t number;
    uint32_t magic;
    if (mdb_cursor_open(txn, db->dbis.meta, &c) != 0)
        return NULL;
    int error = mdb_cursor_get(c, &key, &value, MDB_FIRST);
    mdb_cursor_close(c);
    if (error)
        return NULL;
    char *at = (char *)value.mv_data - (uintptr_t)value.mv_data % page;
    memcpy(&number, at, sizeof number);
    if (number == 0 || number > last)
        return NULL;
    char *start = at - number * page;
    memcpy(&magic, start + META_MAGIC_AT, sizeof magic);
    return magic == META_MAGIC ? start : NULL;
}

static size_t file_size(const struct lmdb *db, MDB_envinfo *info, MDB_stat *stat)
{
    mdb_env_info(db->env, info);
    mdb_env_stat(db->env, stat);
    return (info->me_last_pgno + 1) * stat->ms_psize;
}

long mapping_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

long mapping_many(const struct lmdb *db)
{
    MDB_envinfo info;
    MDB_stat stat;
    size_t quarter = file_size(db, &info, &stat) / 4;
    return (long)((quarter > LMDB_MAPPED_FEW ? quarter : LMDB_MAPPED_FEW) / FAULT_AROUND);
}

size_t mapping_trim(struct lmdb *db)
{
    MDB_envinfo info;
    MDB_stat stat;
    size_t size = file_size(db, &info, &stat);
    struct snapshot *s = size > LMDB_MAPPED_FEW ? snapshot_take(db) : NULL;
    if (!s)
        return 0;
    char *start = find_start(db, s->rows.txn, stat.ms_psize, info.me_last_pgno);
    snapshot_give(db, s);
    /* The map is shared and read-only: nothing is lost, and who reads meanwhile faults. */
    return start && madvise(start, size, MADV_DONTNEED) == 0 ? size : 0;
}
