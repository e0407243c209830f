#include "net/conn_private.h"
#include "net/tls_private.h"
#include <stdarg.h>
#include <stdio.h>

/* A task that sends lets others run after this many bytes. */
#define CONN_BURST ((size_t)512 * 1024)

/* ---- input ---- */

static void conn_compact(struct conn_bytes *b)
{
    if (b->at == 0)
        return;
    memmove(b->block.p, b->block.p + b->at, conn_bytes_left(b));
    b->n -= b->at;
    b->at = 0;
}

static size_t conn_input_most(const struct conn *c)
{
    size_t most = c->handler->input_max;
    if (c->large)
        return most > POOL_LARGE ? most : POOL_LARGE;
    return most > POOL_SMALL ? most : POOL_SMALL;
}

/* Free space behind the unread bytes: the block is kept small as long as it does. */
static bool conn_make_room(struct conn *c)
{
    struct conn_bytes *b = &c->in;
    size_t left = conn_bytes_left(b), most = conn_input_most(c);
    if (left == 0)
        b->at = b->n = 0;
    if (!b->block.p)
        return pool_take(&b->block, c->large ? POOL_LARGE : POOL_SMALL);
    if (c->large && b->block.cap < POOL_LARGE) {
        conn_compact(b);
        return pool_grow(&b->block, POOL_LARGE, b->n);
    }
    if (b->block.cap - b->n >= b->block.cap / 4)
        return true;
    conn_compact(b);
    if (b->block.cap - b->n >= b->block.cap / 4 || b->block.cap >= most)
        return b->n < b->block.cap;
    size_t more = b->block.cap * 2;
    return pool_grow(&b->block, more < most ? more : most, b->n);
}

static ssize_t conn_read(struct conn *c, size_t n)
{
    ssize_t r = stream_read(c->stream, c->in.block.p + c->in.n, n);
    if (r > 0) {
        c->in.n += (size_t)r;
        c->bytes_in += (uint64_t)r;
        c->heard_at = c->byte_at = reactor_now();
        c->read_wait = STREAM_WANT_READ;
    } else if (r == STREAM_ERROR) {
        conn_say(c, c->stream->ops->error(c->stream));
        conn_end(c, c->tls && !tls_lost_below(c->stream) ? CONN_END_TLS : CONN_END_PEER);
    } else if (r != STREAM_EOF) {
        c->read_wait = (int8_t)r;
    }
    return r;
}

ssize_t conn_fill(struct conn *c)
{
    if (!conn_make_room(c)) {
        conn_end(c, CONN_END_OVERFLOW);
        return STREAM_ERROR;
    }
    size_t room = c->in.block.cap - c->in.n;
    ssize_t r = conn_read(c, room);
    if (r <= 0) {
        c->readable = false;
    } else {
        /* A short read has emptied the socket, and the reactor tells when there is more; bytes
         * that TLS already holds, and memory streams, must be asked for. */
        c->readable = c->watcher.fd < 0 || (size_t)r == room || stream_pending(c->stream) > 0;
    }
    return r;
}

ssize_t conn_fill_exactly(struct conn *c, size_t n)
{
    if ((!c->in.block.p && !pool_take(&c->in.block, POOL_SMALL)) || n > c->in.block.cap - c->in.n) {
        conn_end(c, CONN_END_OVERFLOW);
        return STREAM_ERROR;
    }
    return conn_read(c, n);
}

void conn_consume(struct conn *c, size_t n)
{
    c->in.at += n;
}

struct slice conn_unread(const struct conn *c)
{
    return c->in.block.p ? slice(c->in.block.p + c->in.at, conn_bytes_left(&c->in)) : S("");
}

bool conn_input_waits(const struct conn *c)
{
    char byte;
    if (conn_bytes_left(&c->in) > 0)
        return true;
    return !c->tls && c->watcher.fd >= 0 &&
           recv(c->watcher.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

void conn_release_buffers(struct conn *c)
{
    if (conn_bytes_left(&c->in) == 0) {
        pool_give(&c->in.block);
        c->in.at = c->in.n = 0;
    }
    if (conn_bytes_left(&c->out) == 0) {
        pool_give(&c->out.block);
        c->out.at = c->out.n = 0;
    }
}

/* ---- output ---- */

/* n bytes of space behind what is to be sent; NULL: over the maximum, and the conn has ended. */
static char *conn_out_room(struct conn *c, size_t n)
{
    struct conn_bytes *b = &c->out;
    size_t left = conn_bytes_left(b);
    if (c->ended)
        return NULL;
    if (left == 0) {
        b->at = b->n = 0;
        c->taken_at = reactor_now();
    }
    if (n > CONN_OUTPUT_MAX - left) {
        conn_end(c, CONN_END_SLOW);
        return NULL;
    }
    if (n > b->block.cap - b->n && left)
        conn_compact(b);
    size_t cap = b->block.cap ? b->block.cap : POOL_SMALL;
    while (cap - b->n < n)
        cap *= 2;
    bool ok = !b->block.p          ? pool_take(&b->block, cap)
              : cap > b->block.cap ? pool_grow(&b->block, cap, b->n)
                                   : true;
    if (!ok)
        conn_end(c, CONN_END_SLOW);
    return ok ? b->block.p + b->n : NULL;
}

void conn_put(struct conn *c, struct slice s)
{
    char *to = s.n ? conn_out_room(c, s.n) : NULL;
    if (!to)
        return;
    memcpy(to, s.p, s.n);
    c->out.n += s.n;
}

void conn_printf(struct conn *c, const char *format, ...)
{
    char small[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof small) {
        conn_put(c, slice(small, (size_t)n));
    } else if (n > 0) {
        /* Its NUL needs room and is not counted. */
        char *to = conn_out_room(c, (size_t)n + 1);
        if (to) {
            vsnprintf(to, (size_t)n + 1, format, again);
            c->out.n += (size_t)n;
        }
    }
    va_end(again);
}

/* Writes the output and then *s, as much as the stream takes at once. */
static ssize_t conn_push(struct conn *c, struct slice *s)
{
    struct conn_bytes *b = &c->out;
    size_t left = conn_bytes_left(b);
    struct iovec parts[2];
    int n = 0;
    if (left)
        parts[n++] = (struct iovec){b->block.p + b->at, left};
    if (s->n)
        parts[n++] = (struct iovec){(void *)(uintptr_t)s->p, s->n};
    ssize_t r = stream_write(c->stream, parts, n);
    if (r > 0) {
        size_t first = (size_t)r < left ? (size_t)r : left;
        b->at += first;
        *s = slice_from(*s, (size_t)r - first);
        c->bytes_out += (uint64_t)r;
        c->burst += (size_t)r;
        c->taken_at = reactor_now();
        c->write_wait = STREAM_WANT_WRITE;
    } else if (r == STREAM_ERROR) {
        conn_say(c, c->stream->ops->error(c->stream));
        conn_end(c, c->tls && !tls_lost_below(c->stream) ? CONN_END_TLS : CONN_END_PEER);
    } else {
        c->write_wait = (int8_t)r;
    }
    return r;
}

bool conn_write_out(struct conn *c)
{
    struct slice nothing = {0};
    while (!c->ended && conn_bytes_left(&c->out) > 0)
        if (conn_push(c, &nothing) <= 0)
            return false;
    return !c->ended;
}

/* How long the present wait for the peer may last until the next look. */
static enum wait conn_await_once(struct conn *c, deadline until)
{
    if (c->watcher.fd < 0) {
        enum wait slept = task_sleep(deadline_min(until, deadline_in(CLOCK_MS)));
        return slept == WAIT_OK ? WAIT_TIMEOUT : slept;
    }
    unsigned arm = c->write_wait == STREAM_WANT_READ ? WATCH_READ : WATCH_WRITE;
    c->awaits = true;
    watcher_arm(&c->watcher, arm);
    enum wait w = event_wait(&c->writable, until);
    c->awaits = false;
    return w;
}

/* Task: waits until the stream may take more. False: the conn has ended, or `until` has passed. */
static bool conn_await(struct conn *c, deadline until)
{
    int64_t limit = c->timeout > 0 ? c->timeout : CONN_STALL_LIMIT;
    deadline look = deadline_min(until, deadline_in(CLOCK_SEC));
    enum wait w = conn_await_once(c, look);
    c->burst = 0;
    if (c->ended)
        return false;
    if (w == WAIT_OK)
        return true;
    int64_t stalled = clock_now() - c->taken_at;
    if (w == WAIT_CANCELLED || stalled >= limit ||
        (stalled >= CONN_STALL && task_stacks_wanted())) {
        conn_end(c, CONN_END_SLOW);
        return false;
    }
    return clock_now() < until;
}

bool conn_send(struct conn *c, struct slice s)
{
    for (;;) {
        if (c->ended)
            return false;
        if (conn_bytes_left(&c->out) + s.n <= CONN_OUTPUT_HIGH) {
            conn_put(c, s);
            return !c->ended;
        }
        if (conn_bytes_left(&c->out) == 0)
            c->taken_at = reactor_now();
        if (conn_push(c, &s) <= 0) {
            if (!c->ended && !conn_await(c, DEADLINE_NEVER))
                return false;
        } else if (c->burst >= CONN_BURST) {
            c->burst = 0;
            task_yield();
        }
    }
}
