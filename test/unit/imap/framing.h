/* What a frame says of bytes that come in pieces, as text: `C` command, `L` literal, `S` stream,
 * `E` its end, `T` too long (with code), `F` flood; one line each. The tag of a command decides
 * about its literals: `s` streams them, `r` refuses them, others take them. */
#pragma once
#include "imap/frame.h"

static inline void framing_note(struct buffer *trace, char what, struct slice text)
{
    buffer_printf(trace, "%c ", what);
    buffer_add(trace, text);
    buffer_add_char(trace, '\n');
}

static inline void framing_decide(struct imap_frame *f, struct buffer *trace)
{
    char tag = f->text.n ? f->text.p[0] : 0;
    buffer_printf(trace, "L %c%llu%s ", f->literal_sync ? '=' : '+',
        (unsigned long long)f->literal_n, f->literal8 ? " 8" : "");
    buffer_add(trace, f->text);
    buffer_add_char(trace, '\n');
    if (tag == 's')
        imap_frame_stream(f);
    else if (tag == 'r')
        imap_frame_refuse(f);
    else
        imap_frame_take(f);
}

/* Neighbouring pieces of one stream are one line of the trace. */
static inline bool framing_step(
    struct imap_frame *f, enum imap_framed found, struct buffer *trace, struct buffer *stream)
{
    switch (found) {
    case IMAP_FRAMED_MORE:
        break;
    case IMAP_FRAMED_COMMAND:
        framing_note(trace, 'C', f->text);
        imap_frame_reset(f);
        break;
    case IMAP_FRAMED_LITERAL:
        framing_decide(f, trace);
        break;
    case IMAP_FRAMED_STREAM:
        buffer_add(stream, f->text);
        break;
    case IMAP_FRAMED_STREAMED:
        framing_note(trace, 'S', buffer_slice(stream));
        buffer_reset(stream);
        break;
    case IMAP_FRAMED_TOO_LONG:
        buffer_printf(trace, "%s %s: ", f->code, f->why);
        framing_note(trace, 'T', f->text);
        imap_frame_reset(f);
        break;
    case IMAP_FRAMED_FLOOD:
        framing_note(trace, 'F', S(""));
        return false;
    }
    return true;
}

/* The first piece has `first` bytes, the others `piece`. False: feed took more than there was, or
 * nothing of what it had to take. */
static inline bool framing_trace(const struct imap_frame_limits *limits, struct slice in,
    size_t first, size_t piece, struct buffer *trace)
{
    struct imap_frame f;
    struct buffer stream;
    size_t at = 0, there = first < in.n ? first : in.n;
    bool sane = true, going = true;
    imap_frame_init(&f, limits);
    buffer_init(&stream, in.n);
    while (going && sane) {
        size_t used;
        struct slice unread = slice_sub(in, at, there - at);
        enum imap_framed found = imap_frame_feed(&f, unread, &used);
        sane = used <= unread.n && f.line <= limits->line && f.literals <= limits->literals;
        at += used;
        going = framing_step(&f, found, trace, &stream);
        if (found != IMAP_FRAMED_MORE)
            continue;
        sane = sane && there - at <= (limits->line > 48 ? limits->line : 48);
        if (there == in.n)
            break;
        there = piece < in.n - there ? there + piece : in.n;
    }
    buffer_finish(&stream);
    imap_frame_finish(&f);
    return sane;
}
