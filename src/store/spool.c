#include "base/budget.h"
#include "store/spool_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMORY_MAX  ((size_t)256 * 1024)
#define HEAD_KEPT   ((size_t)64 * 1024)
#define MEMORY_STEP ((size_t)4 * 1024)

struct part {
    char *p;
    size_t n, cap;
};

/* The bytes are [0, filed) in the file, [filed, filed + flight.n) on their way into it, and the
 * rest in `active`. Without a file all of them are in `active`. `flight` and the file belong to the
 * job while `writing`. */
struct spool {
    struct spool_options options;
    enum spool_state state;
    uint64_t size, filed;
    struct part active, flight;
    struct part head; /* the first 64 KiB, once there is a file */
    int fd;
    bool writing, waiting, destroyed, no_space, no_memory;
    const char *error;
    struct offload_job job;
    int job_error; /* errno of the write, by the job */
    struct event idle;
};

/* ---- memory ---- */

static bool part_grow(struct part *part, size_t n)
{
    if (n <= part->cap)
        return true;
    size_t cap = part->cap ? part->cap : MEMORY_STEP;
    while (cap < n)
        cap *= 2;
    if (!budget_take(cap - part->cap))
        return false;
    char *p = realloc(part->p, cap);
    if (!p) {
        budget_give(cap - part->cap);
        return false;
    }
    part->p = p;
    part->cap = cap;
    return true;
}

static void part_free(struct part *part)
{
    free(part->p);
    budget_give(part->cap);
    *part = (struct part){0};
}

static bool part_add(struct part *part, struct slice bytes)
{
    if (!part_grow(part, part->n + bytes.n))
        return false;
    if (bytes.n)
        memcpy(part->p + part->n, bytes.p, bytes.n);
    part->n += bytes.n;
    return true;
}

static enum spool_state fail(struct spool *s, const char *error)
{
    s->state = SPOOL_FAILED;
    s->error = error;
    return s->state;
}

/* ---- life ---- */

static void close_work(struct offload_job *job)
{
    struct spool *s = list_entry(job, struct spool, job);
    close(s->fd); /* gives the blocks of the unlinked file back, which takes its time */
}

static void close_done(struct offload_job *job)
{
    free(list_entry(job, struct spool, job));
}

static void release(struct spool *s)
{
    part_free(&s->active);
    part_free(&s->flight);
    part_free(&s->head);
    if (s->fd >= 0) {
        s->job = (struct offload_job){.work = close_work, .done = close_done};
        if (offload_submit(OFFLOAD_DISK, &s->job))
            return;
        close(s->fd);
    }
    free(s);
}

struct spool *spool_create(const struct spool_options *options)
{
    struct spool *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->options = *options;
    s->fd = -1;
    event_init(&s->idle);
    return s;
}

void spool_destroy(struct spool *s)
{
    if (!s)
        return;
    s->destroyed = true;
    if (!s->writing)
        release(s);
}

/* ---- the file ---- */

static int write_all(int fd, const char *p, size_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t wrote = pwrite(fd, p, n, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : ENOSPC;
        p += wrote;
        n -= (size_t)wrote;
        offset += (uint64_t)wrote;
    }
    return 0;
}

static void write_work(struct offload_job *job)
{
    struct spool *s = list_entry(job, struct spool, job);
    s->job_error = 0;
    if (s->fd < 0)
        s->fd = openat(s->options.tmp_dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0)
        s->job_error = errno;
    else
        s->job_error = write_all(s->fd, s->flight.p, s->flight.n, s->filed);
}

static void write_done(struct offload_job *job);

/* Hands what is in memory to a disk thread and goes on in the other part. */
static void write_start(struct spool *s)
{
    struct part empty = s->flight;
    empty.n = 0;
    s->flight = s->active;
    s->active = empty;
    s->job = (struct offload_job){.work = write_work, .done = write_done};
    s->writing = offload_submit(OFFLOAD_DISK, &s->job);
    if (!s->writing)
        fail(s, "too many disk writes are waiting");
}

static void write_done(struct offload_job *job)
{
    struct spool *s = list_entry(job, struct spool, job);
    s->writing = false;
    if (s->destroyed) {
        release(s);
        return;
    }
    bool waited = s->waiting;
    s->waiting = false;
    if (s->job_error) {
        s->no_space = s->job_error == ENOSPC || s->job_error == EDQUOT || s->job_error == EFBIG;
        if (s->state != SPOOL_TOO_BIG)
            fail(s, s->no_space ? "no space left" : "write error");
    } else {
        s->filed += s->flight.n;
        s->flight.n = 0;
        if (s->state == SPOOL_WAIT)
            s->state = SPOOL_OK;
        if (s->state == SPOOL_OK && s->active.n >= MEMORY_MAX)
            write_start(s);
    }
    event_raise(&s->idle);
    if (waited && s->options.ready)
        s->options.ready(s->options.arg);
}

/* ---- writing ---- */

static enum spool_state over_budget(struct spool *s)
{
    s->no_space = s->no_memory = true;
    return fail(s, "the memory budget is used up");
}

static enum spool_state overflow(struct spool *s)
{
    if (s->options.tmp_dir < 0)
        return s->state;
    if (!s->head.p) {
        if (!part_add(&s->head, slice(s->active.p, HEAD_KEPT)))
            return over_budget(s);
    }
    if (s->writing) {
        s->waiting = true;
        s->state = SPOOL_WAIT;
    } else {
        write_start(s);
    }
    return s->state;
}

enum spool_state spool_write(struct spool *s, struct slice bytes)
{
    if (s->state == SPOOL_TOO_BIG || s->state == SPOOL_FAILED)
        return s->state;
    if (s->options.max && bytes.n > s->options.max - s->size) {
        s->error = "the message is too big";
        s->state = SPOOL_TOO_BIG;
        return s->state;
    }
    if (!part_add(&s->active, bytes))
        return over_budget(s);
    s->size += bytes.n;
    bool filed = s->head.p != NULL;
    if (s->active.n > MEMORY_MAX || (filed && s->active.n == MEMORY_MAX))
        return overflow(s);
    return s->state;
}

enum spool_state spool_state(const struct spool *s)
{
    return s->state;
}

const char *spool_error(const struct spool *s)
{
    return s->error ? s->error : "";
}

bool spool_no_space(const struct spool *s)
{
    return s->no_space;
}

bool spool_no_memory(const struct spool *s)
{
    return s->no_memory;
}

TASK_FN
enum outcome spool_end(struct spool *s, deadline until)
{
    while (s->writing && s->state != SPOOL_FAILED)
        if (event_wait(&s->idle, until) != WAIT_OK)
            return OUTCOME_FAILED;
    return s->state == SPOOL_OK ? OUTCOME_DONE : OUTCOME_FAILED;
}

/* ---- reading ---- */

uint64_t spool_size(const struct spool *s)
{
    return s->size;
}

bool spool_in_memory(const struct spool *s)
{
    return s->head.p == NULL;
}

struct slice spool_head(const struct spool *s)
{
    const struct part *part = s->head.p ? &s->head : &s->active;
    return slice(part->p, part->n);
}

bool spool_copy(const struct spool *s, uint64_t offset, void *to, size_t n)
{
    char *out = to;
    while (n > 0 && offset < s->filed) {
        size_t want = n < s->filed - offset ? n : (size_t)(s->filed - offset);
        ssize_t got = pread(s->fd, out, want, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    if (n == 0)
        return true;
    uint64_t at = offset - s->filed;
    if (at > s->active.n || n > s->active.n - at)
        return false;
    memcpy(out, s->active.p + at, n);
    return true;
}

struct read_request {
    const struct spool *spool;
    uint64_t offset;
    void *to;
    size_t n;
    bool done;
};

static void read_work(void *arg)
{
    struct read_request *r = arg;
    r->done = spool_copy(r->spool, r->offset, r->to, r->n);
}

TASK_FN
enum outcome spool_read(struct spool *s, uint64_t offset, void *to, size_t n, size_t *got)
{
    *got = 0;
    if (s->state != SPOOL_OK || s->writing)
        return OUTCOME_FAILED;
    if (offset >= s->size || n == 0)
        return OUTCOME_DONE;
    if (n > s->size - offset)
        n = (size_t)(s->size - offset);
    struct read_request r = {s, offset, to, n, false};
    struct slice head = spool_head(s);
    if (offset + n <= head.n) {
        memcpy(to, head.p + offset, n);
        r.done = true;
    } else if (!offload_run(OFFLOAD_DISK, read_work, &r)) {
        return OUTCOME_FAILED;
    }
    *got = r.done ? n : 0;
    return r.done ? OUTCOME_DONE : OUTCOME_FAILED;
}
