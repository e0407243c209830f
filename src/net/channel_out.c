/* What goes out of a channel. */
#include "net/channel_private.h"
#include <stdarg.h>
#include <stdio.h>

static enum channel_result out_ends(struct channel *c, enum channel_result r, const char *words)
{
    c->out_end = r;
    if (words)
        c->words = words;
    return r;
}

void channel_put(struct channel *c, struct slice s)
{
    if (c->out_end == CHANNEL_OK && !buffer_add(&c->out, s))
        out_ends(c, CHANNEL_BROKEN, "more output than is kept");
}

void channel_printf(struct channel *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        out_ends(c, CHANNEL_BROKEN, "more output than is kept");
    else
        channel_put(c, slice(text, (size_t)n));
}

enum channel_result channel_write(struct channel *c, struct slice s, deadline until)
{
    while (s.n) {
        struct slice piece = slice_sub(s, 0, CHANNEL_OUTPUT_MAX - c->out.n);
        channel_put(c, piece);
        s = slice_from(s, piece.n);
        if (c->out.n < CHANNEL_OUTPUT_MAX && c->out_end == CHANNEL_OK)
            continue;
        enum channel_result r = channel_flush(c, until);
        if (r != CHANNEL_OK)
            return r;
    }
    return CHANNEL_OK;
}

/* Waits until the stream takes more; reads on meanwhile. */
static enum channel_result wait_to_write(struct channel *c, ssize_t wanted, deadline until)
{
    unsigned arm = wanted == STREAM_WANT_WRITE ? WATCH_WRITE : WATCH_READ, events;
    bool listen = c->in_end == CHANNEL_OK && c->left && c->n - c->at < c->max;
    enum channel_result r = channel_wait(c, arm | (listen ? WATCH_READ : 0), &events, until);
    if (r != CHANNEL_OK || !listen || !(events & WATCH_READ))
        return r;
    size_t before = c->n - c->at;
    ssize_t other;
    channel_fill(c, &other);
    return c->interrupt && c->n - c->at > before ? CHANNEL_INPUT : CHANNEL_OK;
}

enum channel_result channel_flush(struct channel *c, deadline until)
{
    while (c->out_end == CHANNEL_OK && c->sent < c->out.n) {
        struct iovec part = {c->out.p + c->sent, c->out.n - c->sent};
        ssize_t took = stream_write(c->stream, &part, 1);
        if (took > 0) {
            c->sent += (size_t)took;
            c->turn += (size_t)took;
            c->bytes_out += (uint64_t)took;
            enum channel_result turn = channel_take_turns(c, until);
            if (turn != CHANNEL_OK)
                return turn;
            continue;
        }
        if (took != STREAM_WANT_READ && took != STREAM_WANT_WRITE)
            return out_ends(c, CHANNEL_BROKEN, NULL);
        enum channel_result r = wait_to_write(c, took, until);
        if (r != CHANNEL_OK)
            return r;
    }
    if (c->out_end != CHANNEL_OK)
        return c->out_end;
    buffer_reset(&c->out);
    c->sent = 0;
    return CHANNEL_OK;
}

void channel_set_interrupt(struct channel *c, bool on)
{
    c->interrupt = on;
}
