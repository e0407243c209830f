#include "base/buffer.h"
#include "net/stream.h"
#include <stdlib.h>

struct memory_stream {
    struct stream stream;
    struct slice input; /* what has not been read yet */
    size_t piece;
    bool eof;
    struct buffer *output;
};

static struct memory_stream *memory_of(struct stream *s)
{
    return (struct memory_stream *)(void *)s;
}

static ssize_t memory_read(struct stream *stream, void *to, size_t n)
{
    struct memory_stream *s = memory_of(stream);
    if (!s->input.n)
        return s->eof ? STREAM_EOF : STREAM_WANT_READ;
    if (s->piece && n > s->piece)
        n = s->piece;
    if (n > s->input.n)
        n = s->input.n;
    memcpy(to, s->input.p, n);
    s->input = slice_from(s->input, n);
    return (ssize_t)n;
}

static ssize_t memory_write(struct stream *stream, const struct iovec *parts, int n)
{
    struct memory_stream *s = memory_of(stream);
    size_t taken = 0;
    for (int i = 0; i < n; i++) {
        size_t room = s->output->max - s->output->n;
        size_t part = parts[i].iov_len < room ? parts[i].iov_len : room;
        if (!buffer_add(s->output, slice(parts[i].iov_base, part)))
            return STREAM_ERROR;
        taken += part;
    }
    return taken ? (ssize_t)taken : STREAM_WANT_WRITE;
}

static void memory_destroy(struct stream *stream)
{
    free(stream);
}

static const char *memory_error(struct stream *stream)
{
    return "out of memory";
}

static const struct stream_ops memory_ops = {
    .read = memory_read,
    .write = memory_write,
    .destroy = memory_destroy,
    .error = memory_error,
};

struct stream *stream_memory(struct slice input, size_t piece, bool eof, struct buffer *output)
{
    struct memory_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->stream.ops = &memory_ops;
    s->input = input;
    s->piece = piece;
    s->eof = eof;
    s->output = output;
    return &s->stream;
}
