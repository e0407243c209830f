#include "base/clock.h"
#include "base/log.h"
#include "base/pack.h"
#include "store/engine/commit_private.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_RECORDS 64
#define BATCH_BYTES   ((size_t)3 * 1024 * 1024)  /* holds the largest record beside others */
#define RATE          ((int64_t)8 * 1024 * 1024) /* bytes a second */
#define SEGMENTS_MAX  16                         /* of one round; the next one goes on */

/* Live records on their way from one segment into the current one. */
struct compact {
    struct member member;
    struct lmdb *db;
    struct segfile *from;
    uint64_t used; /* of the old segment */
    struct append appends[BATCH_RECORDS];
    uint64_t offsets[BATCH_RECORDS]; /* in the old segment */
    size_t count, bytes;
    char *buffer;
};

/* On the committer: those that nobody freed or moved meanwhile now live in their new place. */
static int move_rows(struct group *g, struct member *m)
{
    struct compact *c = list_entry(m, struct compact, member);
    int error = 0;
    for (size_t i = 0; i < c->count && !error; i++) {
        struct append *a = &c->appends[i];
        struct blobrow row;
        error = blobrow_get(g->rows.txn, g->rows.dbis, a->id, &row);
        if (error == MDB_NOTFOUND) {
            error = 0;
            continue;
        }
        if (error || row.segment != c->from->id || row.offset != c->offsets[i])
            continue;
        struct group_segment *old = group_segment(g, row.segment, false, &error);
        struct group_segment *new = old ? group_segment(g, a->segment, true, &error) : NULL;
        if (!new)
            return error;
        uint64_t size = blobrow_record(&row);
        old->row.live = old->row.live > size ? old->row.live - size : 0;
        new->row.live += size;
        if (new->row.used < a->offset + size)
            new->row.used = a->offset + size;
        old->changed = new->changed = true;
        row.segment = a->segment;
        row.offset = a->offset;
        error = blobrow_put(g->rows.txn, g->rows.dbis, a->id, &row);
    }
    return error;
}

/* Commits what was collected. */
static bool move_batch(struct compact *c, bool urgent)
{
    if (c->count == 0)
        return true;
    c->member = (struct member){.job = move_rows,
        .appends = c->appends,
        .append_count = c->count,
        .append_bytes = c->bytes};
    bool moved = keeper_commit(c->db, &c->member) == OUTCOME_DONE;
    int64_t pause = urgent ? 0 : (int64_t)c->bytes * CLOCK_SEC / RATE;
    c->count = c->bytes = 0;
    /* A disk that is full meanwhile wants a round without pauses. */
    return moved && keeper_pause(c->db, pause) && (urgent || !atomic_load(&c->db->short_of_space));
}

static bool read_all(int fd, void *to, size_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to = (char *)to + got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

static bool is_live(
    struct compact *c, const struct segment_record *record, uint64_t offset, struct blobrow *row)
{
    struct snapshot *s = snapshot_take(c->db);
    if (!s)
        return false;
    int error = blobrow_get(s->rows.txn, s->rows.dbis, record->id, row);
    snapshot_give(c->db, s);
    return !error && row->segment == c->from->id && row->offset == offset &&
           row->size == record->size && row->header_size == record->header_size;
}

/* A live record joins the batch, word for word. One that is damaged stays where it is. */
static bool collect(
    struct compact *c, const struct segment_record *record, uint64_t offset, bool urgent)
{
    struct blobrow row;
    size_t size = (size_t)segment_record_size(record->header_size, record->size);
    if (!is_live(c, record, offset, &row))
        return true;
    if (size > BATCH_BYTES || blobfile_check(c->from->fd, record->id, &row) != NULL) {
        log_error("store.compact.stays", log_int("blob", (int64_t)record->id));
        return true;
    }
    if ((c->count == BATCH_RECORDS || size > BATCH_BYTES - c->bytes) && !move_batch(c, urgent))
        return false;
    if (!read_all(c->from->fd, c->buffer + c->bytes, size, offset))
        return true;
    c->offsets[c->count] = offset;
    c->appends[c->count++] = (struct append){
        .parts = {{c->buffer + c->bytes, size}},
        .part_count = 1,
        .id = record->id,
        .size = record->size,
        .header_size = record->header_size,
    };
    c->bytes += size;
    return true;
}

/* Walks the records. Behind damage it looks for the next header at each multiple of 8. */
static bool walk(struct compact *c, bool urgent)
{
    char *header = malloc(SEGMENT_HEADER_MAX);
    bool going = header != NULL;
    for (uint64_t at = 0; going && at + SEGMENT_FIXED <= c->used;) {
        struct segment_record record;
        uint64_t left = c->used - at;
        size_t n = left < SEGMENT_HEADER_MAX ? (size_t)left : SEGMENT_HEADER_MAX;
        if (n > 512) { /* nearly every header is short */
            if (!read_all(c->from->fd, header, 512, at))
                break;
            enum segment_parse found = segment_header_parse(slice(header, 512), &record);
            n = found == SEGMENT_MORE ? n : 512;
        }
        if (n != 512 && !read_all(c->from->fd, header, n, at))
            break;
        if (segment_header_parse(slice(header, n), &record) != SEGMENT_OK ||
            segment_record_size(record.header_size, record.size) > left) {
            at += 8;
            continue;
        }
        going = collect(c, &record, at, urgent);
        at += segment_record_size(record.header_size, record.size);
    }
    free(header);
    return going && move_batch(c, urgent);
}

/* One that cannot be opened keeps its own space, not that of all behind it. */
static bool passed_over(uint64_t id)
{
    bool many = errno == EMFILE || errno == ENFILE;
    log_error("store.compact.unopened", log_int("segment", (int64_t)id),
        log_text("error", strerror(errno)));
    return !many;
}

/* False: no more of them now. */
static bool compact_segment(struct lmdb *db, uint64_t id, uint64_t used, bool urgent)
{
    struct compact *c = calloc(1, sizeof *c);
    bool going = false;
    if (c && (c->buffer = malloc(BATCH_BYTES)) && !(c->from = segfile_open(db, id))) {
        going = passed_over(id);
    } else if (c && c->from) {
        c->db = db;
        c->used = used;
        going = walk(c, urgent);
        segfile_give(db, c->from);
        log_info("store.compacted", log_int("segment", (int64_t)id));
    }
    if (c)
        free(c->buffer);
    free(c);
    return going;
}

/* A segment that still has live bytes afterwards holds something damaged: it is not walked again
 * before the next start. */
static bool is_stuck(const struct lmdb *db, uint64_t id)
{
    for (size_t i = 0; i < LMDB_STUCK_MAX; i++)
        if (db->stuck[i] == id)
            return true;
    return false;
}

static void note_stuck(struct lmdb *db, uint64_t id)
{
    struct segrow row;
    struct snapshot *s = snapshot_take(db);
    if (!s)
        return;
    if (segrow_get(s->rows.txn, s->rows.dbis, id, &row) == 0 && row.live > 0)
        db->stuck[db->stuck_count++ % LMDB_STUCK_MAX] = id;
    snapshot_give(db, s);
}

/* Sealed segments of which less than half is live, behind *after. */
static size_t candidates(
    struct lmdb *db, uint64_t *after, struct segrow rows[SEGMENTS_MAX], uint64_t ids[SEGMENTS_MAX])
{
    struct snapshot *s = snapshot_take(db);
    if (!s)
        return 0;
    size_t count = 0;
    MDB_cursor *c;
    char k[8];
    pack_u64(k, *after + 1);
    MDB_val key = {sizeof k, k}, value;
    int error = mdb_cursor_open(s->rows.txn, db->dbis.segments, &c);
    if (error) {
        snapshot_give(db, s);
        return 0;
    }
    error = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
    for (; !error && count < SEGMENTS_MAX; error = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
        struct segrow row;
        uint64_t id;
        if (!segrow_parse(key, value, &id, &row))
            continue;
        *after = id;
        if (row.state == SEGROW_SEALED && row.live < row.used / 2 && !is_stuck(db, id)) {
            ids[count] = id;
            rows[count++] = row;
        }
    }
    mdb_cursor_close(c);
    snapshot_give(db, s);
    return count;
}

void compact_run(struct lmdb *db, bool urgent)
{
    struct segrow rows[SEGMENTS_MAX];
    uint64_t ids[SEGMENTS_MAX], after = 0;
    for (size_t n = 1; n > 0;) {
        n = candidates(db, &after, rows, ids);
        for (size_t i = 0; i < n; i++) {
            if (!compact_segment(db, ids[i], rows[i].used, urgent))
                return;
            note_stuck(db, ids[i]);
            keeper_run_unlinks(db);
        }
    }
}
