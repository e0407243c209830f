#include "base/log.h"
#include "store/engine/lmdb_private.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define AWAY_FIRST 64
#define AWAY_MAX   1024

/* Learns whether reading on this reactor touches the disk: a read that faulted sends the next ones
 * to the read threads, more of them each time; one that did not brings the reactor back. */
struct read_probe {
    unsigned away; /* so many reads go to the read threads before the next trial */
    unsigned next; /* away after the next fault */
};

static struct snapshot *snapshot_create(struct lmdb *db)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->rows.dbis = &db->dbis;
    int error = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &s->rows.txn);
    if (!error)
        return s;
    log_error("store.snapshot.failed", log_text("error", mdb_strerror(error)));
    free(s);
    return NULL;
}

static void snapshot_free(struct snapshot *s)
{
    for (size_t i = 0; i < STORE_CURSORS_MAX; i++)
        if (s->rows.cursors[i])
            mdb_cursor_close(s->rows.cursors[i]);
    mdb_txn_abort(s->rows.txn);
    free(s);
}

static bool snapshot_renew(struct snapshot *s)
{
    memset(s->rows.bound, 0, sizeof s->rows.bound);
    int error = mdb_txn_renew(s->rows.txn);
    if (error)
        log_error("store.snapshot.failed", log_text("error", mdb_strerror(error)));
    return error == 0;
}

struct snapshot *snapshot_take(struct lmdb *db)
{
    pthread_mutex_lock(&db->snapshot_lock);
    struct snapshot *s = db->snapshots;
    if (s)
        db->snapshots = s->next;
    pthread_mutex_unlock(&db->snapshot_lock);
    if (!s)
        return snapshot_create(db);
    if (snapshot_renew(s))
        return s;
    snapshot_free(s);
    return NULL;
}

void snapshot_give(struct lmdb *db, struct snapshot *s)
{
    mdb_txn_reset(s->rows.txn);
    pthread_mutex_lock(&db->snapshot_lock);
    s->next = db->snapshots;
    db->snapshots = s;
    pthread_mutex_unlock(&db->snapshot_lock);
}

void snapshot_free_all(struct lmdb *db)
{
    while (db->snapshots) {
        struct snapshot *s = db->snapshots;
        db->snapshots = s->next;
        snapshot_free(s);
    }
    free(db->probes);
    db->probes = NULL;
}

/* ---- where to read ---- */

struct read_probe *snapshot_probes(unsigned reactors)
{
    return calloc(reactors, sizeof(struct read_probe));
}

static bool file_resident(const struct lmdb *db)
{
    MDB_envinfo info;
    mdb_env_info(db->env, &info);
    return (info.me_last_pgno + 1) * 4096 <= db->resident_size;
}

static long major_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_majflt;
}

TASK_FN
bool snapshot_run(struct lmdb *db, void (*work)(void *arg), void *arg)
{
    struct reactor *self = reactor_self();
    if (!self || file_resident(db)) {
        work(arg);
        return true;
    }
    struct read_probe *probe = &db->probes[reactor_index(self)];
    if (probe->away > 0) {
        probe->away--;
        return offload_run(OFFLOAD_READ, work, arg);
    }
    long before = major_faults();
    work(arg);
    if (major_faults() != before) {
        probe->next = probe->next ? probe->next : AWAY_FIRST;
        probe->away = probe->next;
        probe->next = probe->next * 2 > AWAY_MAX ? AWAY_MAX : probe->next * 2;
    } else if (probe->next > AWAY_FIRST) {
        probe->next /= 2;
    }
    return true;
}
