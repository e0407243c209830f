/* A stream: a byte channel that never blocks. Streams are stacked: a socket, TLS on it, later
 * deflate on that. The top one owns those below. Tests put a memory stream at the bottom. */
#pragma once
#include "base/slice.h"
#include <sys/types.h>
#include <sys/uio.h>

/* What read, write and handshake answer beside a positive count. */
enum {
    STREAM_EOF = 0,         /* read: the peer has closed its side */
    STREAM_WANT_READ = -1,  /* come again when the bottom is readable */
    STREAM_WANT_WRITE = -2, /* ... writable (also from read, under TLS) */
    STREAM_ERROR = -3,      /* broken; stream_error says why */
};

struct stream;

struct stream_ops {
    ssize_t (*read)(struct stream *, void *to, size_t n);
    ssize_t (*write)(
        struct stream *, const struct iovec *parts, int n); /* bytes taken from the front, > 0 */
    int (*handshake)(struct stream *);                      /* 1 done; NULL: nothing to do */
    size_t (*pending)(struct stream *); /* bytes readable without asking the bottom; NULL: 0 */
    void (*shutdown)(struct stream
            *); /* says goodbye (close_notify), best effort, does not block; NULL: nothing */
    void (*destroy)(struct stream *);      /* also destroys what is below */
    const char *(*error)(struct stream *); /* words for the log; never NULL */
};

struct stream {
    const struct stream_ops *ops;
    struct stream *below;
};

static inline ssize_t stream_read(struct stream *s, void *to, size_t n)
{
    return s->ops->read(s, to, n);
}
static inline ssize_t stream_write(struct stream *s, const struct iovec *parts, int n)
{
    return s->ops->write(s, parts, n);
}
static inline size_t stream_pending(struct stream *s)
{
    return s->ops->pending ? s->ops->pending(s) : 0;
}

/* Over a connected, non-blocking socket; owns the fd. NULL: out of memory (fd closed). */
struct stream *stream_socket(int fd);
/* For tests and fuzzing, nothing below: reads give `input` in pieces of at most `piece` bytes (0:
 * all), then EOF or WANT_READ; writes are appended to *output while it has room. Both outlive the
 * stream. */
struct buffer;
struct stream *stream_memory(struct slice input, size_t piece, bool eof, struct buffer *output);
