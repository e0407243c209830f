#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/engine/commit_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

METRIC(sync_time, METRIC_HISTOGRAM, "barid_store_sync_seconds", "", "Time of one sync of a segment")
METRIC(bytes_appended, METRIC_COUNTER, "barid_store_appended_bytes_total", "",
    "Bytes of blob records appended to segments")

enum { SMALLEST_SEGMENT = 1024 * 1024 };

static bool stop(char why[256], const char *what, int error)
{
    snprintf(why, 256, "%s a segment: %s", what, strerror(error));
    return false;
}

void append_resume(struct appender *a, struct segfile *file, uint64_t used, uint64_t room)
{
    a->file = file;
    a->used = used;
    a->room = room;
}

void append_finish(struct appender *a)
{
    if (a->file)
        segfile_give(a->db, a->file);
    a->file = NULL;
}

static bool sync_file(struct appender *a, char why[256])
{
    int64_t start = clock_now();
    if (fdatasync(a->file->fd) != 0)
        return stop(why, "syncing", errno);
    a->sync_time = clock_now() - start;
    metric_observe(&sync_time, a->sync_time);
    atomic_fetch_add(&a->db->syncs, 1);
    return true;
}

/* ---- segments ---- */

/* The current segment is full: from the next commit on it is sealed. Its unused end is given back.
 */
static bool retire(struct appender *a, bool *full, char why[256])
{
    if (!a->file)
        return true;
    if (a->full_count == COMMIT_GROUP_MAX * 2) {
        *full = true;
        return true;
    }
    if (ftruncate(a->file->fd, (off_t)a->used) != 0)
        return stop(why, "ending", errno);
    if (!sync_file(a, why))
        return false;
    a->full[a->full_count++] = (struct append_full){a->file->id, a->used};
    append_finish(a);
    return true;
}

/* Smaller when the disk has no room for a whole one. */
static int allocate(int fd, uint64_t wanted, uint64_t least, uint64_t *room)
{
    for (*room = wanted;;) {
        if (fallocate(fd, 0, 0, (off_t)*room) == 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (!home_full(errno) || *room == least)
            return errno;
        *room = *room / 4 > least ? *room / 4 : least;
    }
}

/* A new file, durable with its name before anything refers to it. 0, or errno. */
static int create(struct appender *a, uint64_t least)
{
    struct lmdb *db = a->db;
    char name[SEGFILE_NAME];
    uint64_t id = atomic_fetch_add(&db->next_segment, 1), room = 0;
    segfile_name(id, name);
    int fd = openat(db->segments_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    uint64_t wanted = db->segment_size > least ? db->segment_size : least;
    if (a->frugal > least)
        least = a->frugal;
    if (a->frugal)
        wanted = least; /* compaction on a full disk: just what it needs */
    if (!a->frugal && least < SMALLEST_SEGMENT && wanted > SMALLEST_SEGMENT)
        least = SMALLEST_SEGMENT;
    int error = allocate(fd, wanted, least, &room);
    if (!error && (fsync(fd) != 0 || fsync(db->segments_dir) != 0))
        error = errno;
    atomic_fetch_add(&db->syncs, 2);
    close(fd);
    if (!error) {
        a->file = segfile_open(db, id);
        error = a->file ? 0 : errno;
    }
    if (error) {
        unlinkat(db->segments_dir, name, 0);
        return error;
    }
    a->used = 0;
    a->room = room;
    a->changed = true;
    return 0;
}

/* ---- records ---- */

static void forget_since(struct list *from, struct list *until, uint64_t segment, uint64_t offset)
{
    for (struct list *node = from; node != until; node = node->next) {
        struct member *m = list_entry(node, struct member, node);
        for (size_t i = 0; i < m->append_count; i++) {
            struct append *a = &m->appends[i];
            if (!a->own_segment && a->segment == segment && a->offset >= offset)
                a->segment = 0;
        }
    }
}

static void advance(struct iovec **parts, int *count, size_t wrote)
{
    while (*count > 0 && wrote >= (*parts)->iov_len) {
        wrote -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + wrote;
        (*parts)->iov_len -= wrote;
    }
}

/* Writes what is queued, which ends at `used`. On a full disk the records are taken back: their
 * members see segment 0. */
static bool flush(struct appender *a, struct list *members, char why[256])
{
    struct iovec *parts = a->parts;
    int count = a->part_count;
    uint64_t start = a->used - a->queued, at = start;
    while (count > 0) {
        ssize_t wrote = pwritev(a->file->fd, parts, count, (off_t)at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0 && !home_full(errno))
            return stop(why, "writing", wrote < 0 ? errno : EIO);
        if (wrote <= 0) {
            forget_since(members->next, members, a->file->id, start);
            a->used = start;
            break;
        }
        at += (uint64_t)wrote;
        advance(&parts, &count, (size_t)wrote);
    }
    atomic_fetch_add(&a->db->bytes_written, at - start);
    metric_add(&bytes_appended, (int64_t)(at - start));
    a->part_count = 0;
    a->queued = 0;
    return true;
}

/* Nothing was written, and it passes: it refuses who needs the segment, and is no reason to stop.
 */
static bool passes(int error)
{
    return home_full(error) || error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Makes room for a record: another segment when it does not fit into the current one. *full: there
 * is none to be had. */
static bool make_room(
    struct appender *a, uint64_t size, struct list *members, bool *full, char why[256])
{
    if (a->file && size <= a->room - a->used)
        return true;
    if (a->queued && !flush(a, members, why))
        return false;
    if (!retire(a, full, why))
        return false;
    if (*full)
        return true;
    int error = create(a, size);
    if (error && !passes(error))
        return stop(why, "making", error);
    if (error && !home_full(error))
        log_error("store.segment.none", log_text("error", strerror(error)));
    *full = error != 0;
    return true;
}

static bool append_one(
    struct appender *a, struct append *record, struct list *members, bool *full, char why[256])
{
    uint64_t size = segment_record_size(record->header_size, record->size);
    if (a->part_count + 4 > (int)(sizeof a->parts / sizeof *a->parts) && !flush(a, members, why))
        return false;
    if (!make_room(a, size, members, full, why))
        return false;
    if (*full)
        return true;
    record->segment = a->file->id;
    record->offset = a->used;
    for (unsigned i = 0; i < record->part_count; i++)
        if (record->parts[i].iov_len)
            a->parts[a->part_count++] = record->parts[i];
    a->used += size;
    a->queued += size;
    a->changed = true;
    return true;
}

bool append_group(struct appender *a, struct list *members, char why[256])
{
    bool appended = false, is_short = atomic_load(&a->db->short_of_space);
    list_for(members, node)
    {
        struct member *m = list_entry(node, struct member, node);
        if (is_short && !m->job)
            continue;
        a->frugal = is_short ? m->append_bytes : 0;
        for (size_t i = 0; i < m->append_count; i++) {
            bool full = false;
            if (m->appends[i].own_segment)
                continue;
            if (!append_one(a, &m->appends[i], members, &full, why))
                return false;
            appended = appended || !full;
        }
    }
    if (!appended || !a->file)
        return true;
    return flush(a, members, why) && sync_file(a, why);
}
