#include "net/conn.h"

enum line line_take(struct slice in, size_t max, struct slice *text, size_t *used)
{
    const char *end = in.n ? memchr(in.p, '\n', in.n) : NULL;
    size_t n = end ? (size_t)(end - in.p) + 1 : in.n;
    if (end ? n > max : n >= max) {
        /* The LF stays unread, so that the caller's search for it ends there. */
        *text = slice_sub(in, 0, 0);
        *used = end ? n - 1 : n;
        return LINE_TOO_LONG;
    }
    if (!end)
        return LINE_MORE;
    bool crlf = n >= 2 && in.p[n - 2] == '\r';
    *text = slice_sub(in, 0, crlf ? n - 2 : n - 1);
    *used = n;
    return crlf ? LINE_COMPLETE : LINE_BARE_LF;
}
