#include "net/channel_private.h"
#include "net/peer.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_ROOM ((size_t)4096)
/* Bytes in and out without a wait before others get their turn. */
#define TURN ((size_t)128 * 1024)

struct channel *channel_create(struct stream *stream, int fd, size_t line_max)
{
    struct channel *c = calloc(1, sizeof *c);
    if (!c) {
        stream->ops->destroy(stream);
        return NULL;
    }
    c->stream = stream;
    c->fd = fd;
    c->line_max = line_max < CHANNEL_LINE_MAX ? line_max : CHANNEL_LINE_MAX;
    /* a line, its end, and room for what is cut off or comes behind */
    c->max = c->line_max + 2 + 4 * FIRST_ROOM;
    c->left = UINT64_MAX;
    buffer_init(&c->out, CHANNEL_OUTPUT_MAX);
    return c;
}

void channel_destroy(struct channel *c)
{
    if (!c)
        return;
    if (c->stream->ops->shutdown)
        c->stream->ops->shutdown(c->stream);
    c->stream->ops->destroy(c->stream);
    if (c->out.p) /* it has held passwords */
        OPENSSL_cleanse(c->out.p, c->out.cap);
    buffer_finish(&c->out);
    free(c->in);
    free(c);
}

struct stream *channel_stream(const struct channel *c)
{
    return c->stream;
}

void channel_set_stream(struct channel *c, struct stream *stream)
{
    c->stream = stream;
}

void channel_break(struct channel *c, const char *why)
{
    c->words = why;
    c->in_end = c->out_end = CHANNEL_BROKEN;
    c->at = c->n = c->seen = 0;
}

static enum channel_result in_ends(struct channel *c, enum channel_result r, const char *words)
{
    c->in_end = r;
    if (words)
        c->words = words;
    return r;
}

/* ---- waiting ---- */

enum channel_result channel_wait(struct channel *c, unsigned arm, unsigned *events, deadline until)
{
    *events = 0;
    c->turn = 0;
    if (c->fd < 0)
        return CHANNEL_TIMEOUT;
    switch (task_wait_fd(c->fd, arm, events, until)) {
    case WAIT_OK:
        return CHANNEL_OK;
    case WAIT_TIMEOUT:
        return CHANNEL_TIMEOUT;
    default:
        return CHANNEL_CANCELLED;
    }
}

enum channel_result channel_await(struct channel *c, ssize_t wanted, deadline until)
{
    unsigned events;
    return channel_wait(c, wanted == STREAM_WANT_WRITE ? WATCH_WRITE : WATCH_READ, &events, until);
}

enum channel_result channel_take_turns(struct channel *c, deadline until)
{
    if (c->turn < TURN)
        return CHANNEL_OK;
    c->turn = 0;
    if (task_self()) {
        task_yield();
        if (task_cancelled())
            return CHANNEL_CANCELLED;
    }
    return clock_now() < until ? CHANNEL_OK : CHANNEL_TIMEOUT;
}

/* ---- in ---- */

/* Room behind in[n); the bytes that are here move to the front. */
static bool make_room(struct channel *c)
{
    if (c->at == c->n)
        c->at = c->n = 0;
    if (c->n < c->cap)
        return true;
    if (c->at > 0) {
        memmove(c->in, c->in + c->at, c->n - c->at);
        c->n -= c->at;
        c->at = 0;
        return true;
    }
    size_t cap = c->cap ? 2 * c->cap : FIRST_ROOM;
    cap = cap < c->max ? cap : c->max;
    char *in = cap > c->cap ? realloc(c->in, cap) : NULL;
    if (!in)
        return false;
    c->in = in;
    c->cap = cap;
    return true;
}

enum channel_result channel_fill(struct channel *c, ssize_t *wanted)
{
    *wanted = 0;
    if (c->in_end != CHANNEL_OK)
        return c->in_end;
    if (c->left == 0)
        return in_ends(c, CHANNEL_LIMIT, "the peer sends more than is wanted");
    if (!make_room(c))
        return in_ends(c, CHANNEL_BROKEN, "out of memory");
    size_t room = c->cap - c->n;
    ssize_t got = stream_read(c->stream, c->in + c->n, room < c->left ? room : (size_t)c->left);
    if (got > 0) {
        c->n += (size_t)got;
        c->turn += (size_t)got;
        c->bytes_in += (size_t)got;
        c->left -= c->left == UINT64_MAX ? 0 : (uint64_t)got;
        return CHANNEL_OK;
    }
    if (got == STREAM_EOF)
        return in_ends(c, CHANNEL_EOF, "the peer has closed the connection");
    if (got == STREAM_ERROR)
        return in_ends(c, CHANNEL_BROKEN, NULL);
    *wanted = got;
    return CHANNEL_TIMEOUT;
}

static enum channel_result fill(struct channel *c, deadline until)
{
    enum channel_result r = channel_take_turns(c, until);
    while (r == CHANNEL_OK) {
        ssize_t wanted;
        r = channel_fill(c, &wanted);
        if (!wanted)
            return r;
        r = channel_await(c, wanted, until);
    }
    return r;
}

enum channel_result channel_poll(struct channel *c)
{
    ssize_t wanted;
    if (c->n - c->at >= c->max)
        return CHANNEL_OK;
    enum channel_result r = channel_fill(c, &wanted);
    return wanted ? CHANNEL_OK : r;
}

struct slice channel_unread(const struct channel *c)
{
    return c->in ? slice(c->in + c->at, c->n - c->at) : slice(NULL, 0);
}

void channel_take(struct channel *c, size_t n)
{
    c->at += n < c->n - c->at ? n : c->n - c->at;
    c->seen = 0;
}

/* The rest of an overlong line, as far as it is here, is thrown away. */
static void cut(struct channel *c, size_t max)
{
    const char *rest = c->in + c->at + max;
    const char *lf = memchr(rest, '\n', c->n - c->at - max);
    size_t keep = lf ? c->n - (size_t)(lf - c->in) : 0;
    if (lf)
        memmove(c->in + c->at + max, lf, keep);
    c->n = c->at + max + keep;
    c->seen = max;
    c->cutting = true;
}

/* Takes the line that ends at in[lf]. */
static struct slice line_to(struct channel *c, size_t lf)
{
    struct slice line = slice(c->in + c->at, lf - c->at);
    if (!c->cutting && line.n && line.p[line.n - 1] == '\r')
        line.n--;
    c->at = lf + 1;
    c->seen = 0;
    c->cutting = false;
    return line;
}

enum channel_result channel_line(struct channel *c, size_t max, enum channel_overlong overlong,
    struct slice *line, deadline until)
{
    max = max < c->line_max ? max : c->line_max;
    *line = slice(NULL, 0);
    while (c->in_end != CHANNEL_TOO_LONG) {
        struct slice unread = channel_unread(c);
        struct slice fresh = slice_from(unread, c->seen);
        size_t lf = slice_find(fresh, '\n');
        size_t end = lf == SLICE_NONE ? unread.n : c->seen + lf;
        size_t text = end && unread.p[end - 1] == '\r' ? end - 1 : end;
        if (text > max && overlong == CHANNEL_REFUSE)
            return in_ends(c, CHANNEL_TOO_LONG, "the peer sends an overlong line");
        if (text > max || (c->cutting && end > max)) {
            cut(c, max);
            continue;
        }
        if (lf != SLICE_NONE) {
            *line = line_to(c, c->at + end);
            return CHANNEL_OK;
        }
        c->seen = unread.n;
        enum channel_result r = fill(c, until);
        if (r != CHANNEL_OK)
            return r;
    }
    return c->in_end;
}

enum channel_result channel_more(struct channel *c, struct slice *bytes, deadline until)
{
    enum channel_result r = c->at < c->n ? CHANNEL_OK : fill(c, until);
    *bytes = channel_unread(c);
    return r;
}

enum channel_result channel_read(struct channel *c, void *to, size_t n, deadline until)
{
    char *out = to;
    while (n) {
        struct slice bytes;
        enum channel_result r = channel_more(c, &bytes, until);
        if (r != CHANNEL_OK)
            return r;
        bytes = slice_sub(bytes, 0, n);
        memcpy(out, bytes.p, bytes.n);
        channel_take(c, bytes.n);
        out += bytes.n;
        n -= bytes.n;
    }
    return CHANNEL_OK;
}

void channel_set_limit(struct channel *c, uint64_t bytes)
{
    c->left = bytes;
}

/* ---- about it ---- */

const char *channel_error(const struct channel *c)
{
    return c->words ? c->words : c->stream->ops->error(c->stream);
}

uint64_t channel_bytes_in(const struct channel *c)
{
    return c->bytes_in;
}

uint64_t channel_bytes_out(const struct channel *c)
{
    return c->bytes_out;
}

void channel_tls_facts(const struct channel *c, struct tls_facts *facts)
{
    tls_facts(c->stream, facts);
}

bool channel_local(const struct channel *c, char address[PEER_TEXT])
{
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof from;
    struct peer peer;
    address[0] = '\0';
    if (c->fd < 0 || getsockname(c->fd, (struct sockaddr *)&from, &n) ||
        (from.ss_family != AF_INET && from.ss_family != AF_INET6))
        return false;
    peer_set(&peer, (const struct sockaddr *)&from, n);
    snprintf(address, PEER_TEXT, "%s", peer.address);
    return true;
}

bool channel_binding(const struct channel *c, const char **type, char data[64], size_t *n)
{
    return tls_channel_binding(c->stream, type, data, n);
}
