/* A server in bytes: a memory stream that speaks in turns. A byte 0xff in the script is where it
 * waits for something to be written; behind the last turn it closes, or falls silent. */
#pragma once
#include "base/buffer.h"
#include "net/channel.h"
#include <stdlib.h>

#define TURN_END "\xff"

struct script {
    struct stream stream;
    struct slice rest;
    size_t piece; /* bytes a read gives at most; 0: all */
    bool silent, heard, broken;
    struct buffer *output;
};

static inline ssize_t script_read(struct stream *stream, void *to, size_t n)
{
    struct script *s = (struct script *)(void *)stream;
    if (s->rest.n && s->rest.p[0] == '\xff' && s->heard) {
        s->rest = slice_from(s->rest, 1);
        s->heard = false;
    }
    if (!s->rest.n && !s->silent)
        return STREAM_EOF;
    if (!s->rest.n || s->rest.p[0] == '\xff')
        return STREAM_WANT_READ;
    size_t turn = slice_find(s->rest, '\xff');
    size_t most = s->piece && s->piece < n ? s->piece : n;
    struct slice part = slice_sub(s->rest, 0, turn < most ? turn : most);
    memcpy(to, part.p, part.n);
    s->rest = slice_from(s->rest, part.n);
    return (ssize_t)part.n;
}

/* Takes all, keeps what there is room for. */
static inline ssize_t script_write(struct stream *stream, const struct iovec *parts, int n)
{
    struct script *s = (struct script *)(void *)stream;
    size_t room = s->output->max - s->output->n;
    struct slice all = slice(parts[0].iov_base, parts[0].iov_len);
    if (s->broken)
        return STREAM_ERROR;
    buffer_add(s->output, slice_sub(all, 0, room));
    s->heard = true;
    return (ssize_t)all.n;
}

static inline void script_destroy(struct stream *stream)
{
    free(stream);
}

static inline const char *script_error(struct stream *stream)
{
    return "the script broke";
}

/* A channel to it; output outlives the channel. */
static inline struct channel *script_channel(
    struct slice script, size_t piece, bool silent, size_t line_max, struct buffer *output)
{
    static const struct stream_ops ops = {.read = script_read,
        .write = script_write,
        .destroy = script_destroy,
        .error = script_error};
    struct script *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    *s = (struct script){{&ops, NULL}, script, piece, silent, false, false, output};
    struct channel *c = channel_create(&s->stream, -1, line_max);
    if (!c)
        abort();
    return c;
}
