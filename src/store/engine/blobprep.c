#include "base/budget.h"
#include "base/log.h"
#include "store/engine/commit_private.h"
#include "store/spool_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024)

static void add_part(struct append *a, const void *p, size_t n)
{
    a->parts[a->part_count++] = (struct iovec){(void *)p, n};
}

/* ---- a large blob: a segment of its own ---- */

static int write_all(int fd, const void *p, size_t n, uint64_t at)
{
    const char *from = p;
    while (n > 0) {
        ssize_t wrote = pwrite(fd, from, n, (off_t)at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : ENOSPC;
        from += wrote;
        n -= (size_t)wrote;
        at += (uint64_t)wrote;
    }
    return 0;
}

static int write_body(int fd, uint64_t at, const struct spool *body, struct segment_sum *sum)
{
    char *piece = malloc(PIECE);
    if (!piece)
        return ENOMEM;
    int error = 0;
    uint64_t size = body ? spool_size(body) : 0;
    for (uint64_t done = 0; done < size && !error;) {
        size_t n = size - done < PIECE ? (size_t)(size - done) : PIECE;
        if (!spool_copy(body, done, piece, n)) {
            error = EIO;
            break;
        }
        segment_sum_add(sum, slice(piece, n));
        error = write_all(fd, piece, n, at + done);
        done += n;
    }
    free(piece);
    return error;
}

static int write_record(int fd, struct append *a, struct slice head, const struct spool *body)
{
    size_t table_size = (size_t)segment_table_size(a->size);
    char *table = calloc(1, table_size ? table_size : 1);
    if (!table)
        return ENOMEM;
    struct segment_sum sum;
    segment_sum_start(&sum, a->id, table);
    segment_sum_add(&sum, head);
    int error =
        fallocate(fd, 0, 0, (off_t)segment_record_size(a->header_size, a->size)) ? errno : 0;
    if (!error)
        error = write_all(fd, a->parts[0].iov_base, a->header_size, 0);
    if (!error)
        error = write_all(fd, head.p, head.n, a->header_size);
    if (!error)
        error = write_body(fd, a->header_size + head.n, body, &sum);
    segment_sum_end(&sum);
    if (!error)
        error = write_all(fd, table, table_size, a->header_size + a->size);
    if (!error && fdatasync(fd) != 0)
        error = errno;
    free(table);
    return error;
}

/* The file gets its name when it is complete, and the name is durable before the caller goes on. */
int blobprep_write_single(
    struct lmdb *db, struct append *a, struct slice head, const struct spool *body)
{
    char name[SEGFILE_NAME], fresh[SEGFILE_NAME + 4];
    uint64_t id = atomic_fetch_add(&db->next_segment, 1);
    segfile_name(id, name);
    memcpy(fresh, name, SEGFILE_NAME - 1);
    memcpy(fresh + SEGFILE_NAME - 1, ".new", 5);
    int fd = openat(db->segments_dir, fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int error = write_record(fd, a, head, body);
    close(fd);
    if (!error && renameat(db->segments_dir, fresh, db->segments_dir, name) != 0)
        error = errno;
    else if (!error && fsync(db->segments_dir) != 0)
        error = errno;
    if (error) {
        unlinkat(db->segments_dir, fresh, 0);
        unlinkat(db->segments_dir, name, 0);
        return error;
    }
    atomic_fetch_add(&db->syncs, 2);
    atomic_fetch_add(&db->bytes_written, segment_record_size(a->header_size, a->size));
    a->segment = id;
    a->offset = 0;
    a->own_segment = true;
    return 0;
}

struct single_request {
    struct lmdb *db;
    struct append *append;
    struct slice head;
    const struct spool *body;
    int error;
};

static void single_work(void *arg)
{
    struct single_request *r = arg;
    r->error = blobprep_write_single(r->db, r->append, r->head, r->body);
}

TASK_FN
static enum outcome make_single(
    struct lmdb *db, struct blobprep *p, const struct store_new_blob *blob)
{
    if (atomic_load(&db->short_of_space))
        return OUTCOME_FAILED;
    struct single_request r = {db, &p->append, blob->head, blob->body, 0};
    if (!offload_run(OFFLOAD_DISK, single_work, &r))
        return OUTCOME_FAILED;
    if (r.error)
        log_warn("store.blob.write", log_text("error", strerror(r.error)));
    return r.error ? OUTCOME_FAILED : OUTCOME_DONE;
}

/* ---- a small one: parts for the committer ---- */

TASK_FN
static enum outcome make_parts(
    struct lmdb *db, struct blobprep *p, const struct store_new_blob *blob)
{
    struct slice body = {0};
    if (blob->body && spool_in_memory(blob->body)) {
        body = spool_head(blob->body);
    } else if (blob->body) {
        size_t n = (size_t)spool_size(blob->body), got;
        if (!budget_take(n))
            return make_single(db, p, blob);
        p->budget = n;
        p->body = malloc(n);
        if (!p->body || spool_read(blob->body, 0, p->body, n, &got) != OUTCOME_DONE || got != n)
            return OUTCOME_FAILED;
        body = slice(p->body, n);
    }
    struct segment_sum sum;
    memset(p->table, 0, sizeof p->table);
    segment_sum_start(&sum, p->append.id, p->table);
    segment_sum_add(&sum, blob->head);
    segment_sum_add(&sum, body);
    segment_sum_end(&sum);
    add_part(&p->append, blob->head.p, blob->head.n);
    add_part(&p->append, body.p, body.n);
    add_part(&p->append, p->table, (size_t)segment_table_size(p->append.size));
    return OUTCOME_DONE;
}

TASK_FN
enum outcome blobprep_make(struct lmdb *db, struct blobprep *p, struct store_new_blob *blob)
{
    uint64_t body = blob->body ? spool_size(blob->body) : 0;
    memset(p, 0, offsetof(struct blobprep, small));
    p->header = p->body = NULL;
    p->budget = 0;
    if (body > SEGMENT_SIZE_MAX - blob->head.n ||
        (blob->body && spool_state(blob->body) != SPOOL_OK))
        return OUTCOME_FAILED;
    p->append.id = atomic_fetch_add(&db->next_blob, 1);
    if (p->append.id >= atomic_load(&db->reserved_blob))
        return OUTCOME_FAILED; /* more blobs are being made than ids are reserved: busy */
    blob->id = p->append.id;
    blob->size = p->append.size = blob->head.n + body;
    p->append.header_size = segment_header_size(blob->owner_count);
    char *header = p->small;
    if (p->append.header_size > sizeof p->small)
        header = p->header = malloc(p->append.header_size);
    if (!header)
        return OUTCOME_FAILED;
    struct segment_record record = {
        blob->id, blob->size, blob->date, p->append.header_size, (uint32_t)blob->owner_count};
    segment_header_write(header, &record, blob->owners);
    add_part(&p->append, header, p->append.header_size);
    return body > LMDB_INLINE_MAX ? make_single(db, p, blob) : make_parts(db, p, blob);
}

/* ---- the end ---- */

struct unlink_request {
    struct lmdb *db;
    uint64_t segment;
};

static void unlink_work(void *arg)
{
    struct unlink_request *r = arg;
    char name[SEGFILE_NAME];
    segfile_name(r->segment, name);
    unlinkat(r->db->segments_dir, name, 0);
}

TASK_FN
void blobprep_finish(struct lmdb *db, struct blobprep *p, enum outcome outcome)
{
    free(p->header);
    free(p->body);
    budget_give(p->budget);
    bool unused = outcome != OUTCOME_UNKNOWN && (outcome != OUTCOME_DONE || !p->append.referenced);
    if (!p->append.own_segment || !unused)
        return;
    struct unlink_request r = {db, p->append.segment};
    if (!offload_run(OFFLOAD_DISK, unlink_work, &r))
        unlink_work(&r);
}
