/* The decoder gives the same whatever the pieces, ends at the first CRLF.CRLF only, and gives no
 * bare CR or LF out when it normalises. The first two bytes choose the mode and the cut. */
#include "base/buffer.h"
#include "smtp/dot.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Returns where it ended; SLICE_NONE: not. */
static size_t decode(
    struct slice in, size_t piece_max, const struct smtp_dot *start, struct buffer *out)
{
    struct smtp_dot d = *start;
    struct slice piece;
    for (size_t from = 0; from < in.n;) {
        struct slice part = slice_sub(in, from, piece_max);
        char *exact = malloc(part.n);
        if (!exact)
            abort();
        memcpy(exact, part.p, part.n);
        size_t at = 0;
        bool ended = false;
        while (!ended && at < part.n) {
            ended = smtp_dot_next(&d, slice(exact, part.n), &at, &piece);
            buffer_add(out, piece);
        }
        free(exact);
        from += at;
        if (ended)
            return from;
    }
    smtp_dot_finish(&d, &piece);
    buffer_add(out, piece);
    return SLICE_NONE;
}

static void check_end(struct slice in, size_t end)
{
    size_t first = slice_starts(in, S(".\r\n")) ? 3 : slice_find_slice(in, S("\r\n.\r\n"));
    if (first != SLICE_NONE && !slice_starts(in, S(".\r\n")))
        first += 5;
    if (end != first)
        abort();
}

static void check_normal(struct slice out)
{
    for (size_t i = 0; i < out.n; i++) {
        bool lf_next = i + 1 < out.n && out.p[i + 1] == '\n';
        bool cr_before = i > 0 && out.p[i - 1] == '\r';
        if ((out.p[i] == '\r' && !lf_next) || (out.p[i] == '\n' && !cr_before))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct smtp_dot d;
    struct buffer whole, cut;
    if (n < 2)
        return 0;
    bool stuffed = data[0] & 1, normalise = data[0] & 2;
    struct slice in = slice(data + 2, n - 2);
    smtp_dot_init(&d, normalise ? SMTP_NEWLINE_NORMALISE : SMTP_NEWLINE_REFUSE, stuffed);
    buffer_init(&whole, 2 * n + 2);
    buffer_init(&cut, 2 * n + 2);
    size_t end = decode(in, in.n + 1, &d, &whole);
    if (decode(in, data[1] % 16 + 1, &d, &cut) != end ||
        !slice_eq(buffer_slice(&whole), buffer_slice(&cut)) || whole.overflow)
        abort();
    if (stuffed)
        check_end(in, end);
    else if (end != SLICE_NONE)
        abort();
    if (normalise)
        check_normal(buffer_slice(&whole));
    buffer_finish(&whole);
    buffer_finish(&cut);
    return 0;
}
