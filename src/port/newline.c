#include "port/newline.h"

bool newline_crlf(struct newline *n, struct slice in, struct buffer *out)
{
    while (in.n) {
        size_t at = slice_find(in, '\n');
        size_t end = at == SLICE_NONE ? in.n : at;
        bool cr = end ? in.p[end - 1] == '\r' : n->cr;
        buffer_add(out, slice_sub(in, 0, end));
        if (at != SLICE_NONE)
            buffer_add(out, cr ? S("\n") : S("\r\n"));
        n->cr = at == SLICE_NONE && cr;
        in = slice_from(in, at == SLICE_NONE ? in.n : at + 1);
    }
    return !out->overflow;
}

bool newline_lf(struct newline *n, struct slice in, struct buffer *out)
{
    while (in.n) {
        if (n->cr && in.p[0] != '\n')
            buffer_add_char(out, '\r');
        n->cr = false;
        size_t at = slice_find(in, '\r');
        buffer_add(out, slice_sub(in, 0, at == SLICE_NONE ? in.n : at));
        n->cr = at != SLICE_NONE;
        in = slice_from(in, at == SLICE_NONE ? in.n : at + 1);
    }
    return !out->overflow;
}

bool newline_lf_end(struct newline *n, struct buffer *out)
{
    if (n->cr)
        buffer_add_char(out, '\r');
    n->cr = false;
    return !out->overflow;
}
