#include "base/log.h"
#include "base/pack.h"
#include "store/engine/lmdb_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#define OPEN_TRIES   4
#define IN_PLACE_MAX ((size_t)4 * 1024 * 1024) /* longer reads take too long for a reactor */
#define RUN_MAX      256                       /* blocks of one read */
#define DAMAGED      "its bytes are damaged or cannot be read"
#define WHOLE_MAX    ((size_t)32 * 1024) /* records up to this are read whole when opened */

struct blobfile {
    struct store_blob base;
    struct segfile *file;
    uint64_t offset; /* of the record */
    uint32_t header_size;
    bool checked; /* of a whole record: the checksum of its only block was right */
    char whole[]; /* the record, if it is that small */
};

_Static_assert(WHOLE_MAX <= SEGMENT_BLOCK, "a record that is read whole has one block");

enum got {
    GOT_ALL,
    GOT_LATER, /* not in the page cache */
    GOT_BAD,   /* I/O error, or the file ends */
};

static struct blobfile *blobfile_of(struct store_blob *b)
{
    return (struct blobfile *)(void *)b;
}

/* Exactly n bytes. `at_once`: only what the page cache holds. */
static enum got get(int fd, void *to, size_t n, uint64_t offset, bool at_once)
{
    while (n > 0) {
        struct iovec part = {to, n};
        ssize_t got = preadv2(fd, &part, 1, (off_t)offset, at_once ? RWF_NOWAIT : 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EOPNOTSUPP) && at_once)
            return GOT_LATER;
        if (got <= 0)
            return GOT_BAD;
        to = (char *)to + got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return GOT_ALL;
}

/* ---- checked reading ---- */

struct range {
    int fd;
    store_blob_id id;
    uint64_t record, size; /* offset of the record, bytes of the blob */
    uint32_t header_size;
    bool at_once;
};

/* The checksums of `count` blocks from `block` on. */
static enum got get_sums(const struct range *r, uint64_t block, size_t count, uint8_t *sums)
{
    return get(
        r->fd, sums, 4 * count, r->record + r->header_size + r->size + 4 * block, r->at_once);
}

static size_t block_size(const struct range *r, uint64_t block)
{
    uint64_t left = r->size - block * SEGMENT_BLOCK;
    return left < SEGMENT_BLOCK ? (size_t)left : SEGMENT_BLOCK;
}

/* Whole blocks, straight to where they are wanted. */
static enum got get_blocks(const struct range *r, uint64_t block, size_t count, char *to)
{
    uint8_t sums[4 * RUN_MAX];
    uint64_t at = block * SEGMENT_BLOCK;
    size_t n = (count - 1) * SEGMENT_BLOCK + block_size(r, block + count - 1);
    enum got got = get_sums(r, block, count, sums);
    if (got == GOT_ALL)
        got = get(r->fd, to, n, r->record + r->header_size + at, r->at_once);
    for (size_t i = 0; i < count && got == GOT_ALL; i++) {
        const char *p = to + i * SEGMENT_BLOCK;
        uint32_t crc = segment_block_crc(r->id, block + i, p, block_size(r, block + i));
        if (crc != unpack_u32(sums + 4 * i))
            got = GOT_BAD;
    }
    if (got != GOT_ALL)
        memset(to, 0, n); /* nothing unchecked is handed out */
    return got;
}

/* Part of one block, through a block of this thread's own. */
static enum got get_part(const struct range *r, uint64_t block, size_t skip, size_t n, char *to)
{
    static _Thread_local char whole[SEGMENT_BLOCK];
    enum got got = get_blocks(r, block, 1, whole);
    if (got == GOT_ALL)
        memcpy(to, whole + skip, n);
    return got;
}

static enum got get_range(const struct range *r, uint64_t offset, char *to, size_t n)
{
    enum got got = GOT_ALL;
    while (n > 0 && got == GOT_ALL) {
        uint64_t block = offset / SEGMENT_BLOCK;
        size_t skip = (size_t)(offset % SEGMENT_BLOCK), size = block_size(r, block), took;
        if (skip == 0 && n >= size) {
            size_t count = n / SEGMENT_BLOCK;
            count = count == 0 ? 1 : count > RUN_MAX ? RUN_MAX : count;
            took = (count - 1) * SEGMENT_BLOCK + block_size(r, block + count - 1);
            got = get_blocks(r, block, count, to);
        } else {
            took = size - skip < n ? size - skip : n;
            got = get_part(r, block, skip, took, to);
        }
        offset += took;
        to += took;
        n -= took;
    }
    return got;
}

/* ---- open ---- */

struct open_request {
    struct lmdb *db;
    store_blob_id id;
    struct blobrow row;
    int error; /* of the row */
    struct segfile *file;
    struct blobfile *blob;
    bool at_once;
    enum got got;
};

static void find_row(void *arg)
{
    struct open_request *r = arg;
    struct snapshot *s = snapshot_take(r->db);
    r->error = LMDB_BROKEN;
    if (!s)
        return;
    r->error = blobrow_get(s->rows.txn, s->rows.dbis, r->id, &r->row);
    snapshot_give(r->db, s);
}

static bool header_right(const char *header, store_blob_id id, const struct blobrow *row)
{
    struct segment_record record;
    return segment_header_parse(slice(header, row->header_size), &record) == SEGMENT_OK &&
           record.id == id && record.size == row->size && record.header_size == row->header_size;
}

static enum got check_header(int fd, store_blob_id id, const struct blobrow *row, bool at_once)
{
    char small[SEGMENT_FIXED + 16 * SEGMENT_OWNER], *header = small;
    if (row->header_size > sizeof small)
        header = malloc(row->header_size);
    enum got got = header ? get(fd, header, row->header_size, row->offset, at_once) : GOT_BAD;
    if (got == GOT_ALL && !header_right(header, id, row))
        got = GOT_BAD;
    if (header != small)
        free(header);
    return got;
}

/* Bytes of the record when it is read whole, else 0. */
static size_t whole_size(const struct blobrow *row)
{
    uint64_t n = row->size < WHOLE_MAX ? segment_record_size(row->header_size, row->size) : 0;
    return n <= WHOLE_MAX ? (size_t)n : 0;
}

static enum got read_record(struct open_request *r)
{
    size_t n = whole_size(&r->row);
    enum got got;
    if (n == 0)
        return check_header(r->file->fd, r->id, &r->row, r->at_once);
    got = get(r->file->fd, r->blob->whole, n, r->row.offset, r->at_once);
    return got == GOT_ALL && !header_right(r->blob->whole, r->id, &r->row) ? GOT_BAD : got;
}

static void open_file(void *arg)
{
    struct open_request *r = arg;
    r->file =
        r->at_once ? segfile_find(r->db, r->row.segment) : segfile_open(r->db, r->row.segment);
    r->got = !r->file && !r->at_once ? GOT_BAD : GOT_LATER;
    if (!r->file)
        return;
    r->got = read_record(r);
    if (r->got == GOT_ALL)
        return;
    segfile_give(r->db, r->file);
    r->file = NULL;
}

TASK_FN
static bool try_open(struct open_request *r)
{
    if (!snapshot_run(r->db, find_row, r) || r->error)
        return false;
    free(r->blob); /* of an earlier try: the record may be another */
    r->blob = malloc(sizeof *r->blob + whole_size(&r->row));
    if (!r->blob)
        return false;
    r->at_once = true;
    open_file(r);
    if (r->got != GOT_LATER)
        return r->got == GOT_ALL;
    r->at_once = false;
    return offload_run(OFFLOAD_READ, open_file, r) && r->got == GOT_ALL;
}

static enum outcome complain(store_blob_id id, const char *what)
{
    log_error("store.blob.bad", log_int("blob", (int64_t)id), log_text("what", what));
    return OUTCOME_FAILED;
}

TASK_FN
enum outcome blobfile_open(
    struct store *s, store_blob_id id, struct store_blob **blob, deadline until)
{
    struct open_request r = {.db = lmdb_of(s), .id = id};
    bool opened = false;
    /* Compaction may move the record between the look at its row and the opening of its file. */
    for (unsigned i = 0; i < OPEN_TRIES && !opened; i++) {
        opened = try_open(&r);
        if (r.error)
            break;
    }
    if (!opened) {
        free(r.blob);
        return r.error == MDB_NOTFOUND ? OUTCOME_REFUSED
               : r.error               ? OUTCOME_FAILED
                                       : complain(id, "its record cannot be read");
    }
    r.blob->base = (struct store_blob){s, id, r.row.size};
    r.blob->file = r.file;
    r.blob->offset = r.row.offset;
    r.blob->header_size = r.row.header_size;
    r.blob->checked = false;
    *blob = &r.blob->base;
    return OUTCOME_DONE;
}

void blobfile_close(struct store_blob *base)
{
    struct blobfile *b = blobfile_of(base);
    segfile_give(lmdb_of(base->store), b->file);
    free(b);
}

/* ---- read ---- */

struct read_request {
    struct range range;
    uint64_t offset;
    char *to;
    size_t n;
    enum got got;
};

static void read_work(void *arg)
{
    struct read_request *r = arg;
    r->got = get_range(&r->range, r->offset, r->to, r->n);
}

/* From a record that was read whole. */
static bool read_whole(struct blobfile *b, uint64_t offset, void *to, size_t n)
{
    const char *bytes = b->whole + b->header_size;
    if (!b->checked)
        b->checked = segment_block_crc(b->base.id, 0, bytes, (size_t)b->base.size) ==
                     unpack_u32(bytes + b->base.size);
    if (b->checked)
        memcpy(to, bytes + offset, n);
    return b->checked;
}

TASK_FN
enum outcome blobfile_read(
    struct store_blob *base, uint64_t offset, void *to, size_t n, size_t *got, deadline until)
{
    struct blobfile *b = blobfile_of(base);
    const struct blobrow row = {.size = base->size, .header_size = b->header_size};
    if (n > 0 && whole_size(&row) > 0) {
        *got = n;
        return read_whole(b, offset, to, n) ? OUTCOME_DONE : complain(base->id, DAMAGED);
    }
    struct read_request r = {{b->file->fd, base->id, b->offset, base->size, b->header_size, true},
        offset, to, n, GOT_LATER};
    if (n <= IN_PLACE_MAX)
        read_work(&r);
    if (r.got == GOT_LATER) {
        r.range.at_once = false;
        if (!offload_run(OFFLOAD_READ, read_work, &r))
            return OUTCOME_FAILED;
    }
    if (r.got != GOT_ALL)
        return complain(base->id, DAMAGED);
    *got = n;
    return OUTCOME_DONE;
}

const char *blobfile_check(int fd, store_blob_id id, const struct blobrow *row)
{
    if (check_header(fd, id, row, false) != GOT_ALL)
        return "the header of its record is damaged";
    char *piece = malloc(16 * SEGMENT_BLOCK);
    if (!piece)
        return "out of memory";
    struct range range = {fd, id, row->offset, row->size, row->header_size, false};
    enum got got = GOT_ALL;
    for (uint64_t at = 0; at < row->size && got == GOT_ALL; at += 16 * SEGMENT_BLOCK) {
        uint64_t left = row->size - at;
        got = get_range(
            &range, at, piece, left < 16 * SEGMENT_BLOCK ? (size_t)left : 16 * SEGMENT_BLOCK);
    }
    free(piece);
    return got == GOT_ALL ? NULL : "its bytes are damaged";
}
