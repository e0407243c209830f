/* What both sessions have: lines in, replies out. */
#include "pop3/session_private.h"
#include <stdarg.h>
#include <stdio.h>

METRIC(bad_closed, METRIC_COUNTER, "barid_pop3_error_closes_total", "",
    "POP3 sessions closed because of too many bad commands")

/* ---- input ---- */

/* The reply to a line that is too long comes at its end, so that replies stay in step. */
static enum conn_next skip(struct pop3_talk *t, struct slice in, bool eof, size_t *used)
{
    size_t lf = slice_find(in, '\n');
    *used = lf == SLICE_NONE ? in.n : lf + 1;
    t->swallowed += *used;
    if (t->swallowed > POP3_LINE_SWALLOW) {
        t->found = POP3_FOUND_FLOOD;
        return CONN_RUN;
    }
    if (lf == SLICE_NONE)
        return eof ? CONN_CLOSE : CONN_MORE;
    t->skipping = false;
    t->found = POP3_FOUND_TOO_LONG;
    return CONN_RUN;
}

enum conn_next pop3_talk_feed(
    struct pop3_talk *t, struct slice in, bool eof, size_t max, size_t *used)
{
    *used = 0;
    if (t->skipping)
        return skip(t, in, eof, used);
    switch (line_take(in, max, &t->line, used)) {
    case LINE_MORE:
        return eof ? CONN_CLOSE : CONN_MORE;
    case LINE_COMPLETE:
        t->found = POP3_FOUND_LINE;
        return CONN_RUN;
    case LINE_BARE_LF:
        t->found = POP3_FOUND_BARE_LF;
        return CONN_RUN;
    case LINE_TOO_LONG:
        break;
    }
    t->skipping = true;
    t->swallowed = 0;
    return skip(t, in, eof, used);
}

bool pop3_talk_line(struct pop3_talk *t)
{
    switch (t->found) {
    case POP3_FOUND_LINE:
        return true;
    case POP3_FOUND_BARE_LF: /* RFC 1939 §3 */
        pop3_talk_bad(t, "Lines end with CRLF, not with LF alone");
        break;
    case POP3_FOUND_TOO_LONG:
        pop3_talk_bad(t, "Line too long");
        break;
    case POP3_FOUND_FLOOD:
        pop3_talk_error(t, POP3_CODE_NONE, "Line too long by far");
        conn_close(t->conn);
        break;
    }
    return false;
}

/* ---- output ---- */

void pop3_talk_reply(struct pop3_talk *t, const struct pop3_reply *r)
{
    char line[POP3_REPLY_LINE];
    conn_put(t->conn, pop3_reply_write(r, line));
}

static void reply_text(
    struct pop3_talk *t, bool ok, enum pop3_code code, const char *format, va_list args)
{
    struct pop3_reply r = {.ok = ok, .code = code};
    if (vsnprintf(r.text, sizeof r.text, format, args) < 0)
        r.text[0] = '\0';
    pop3_talk_reply(t, &r);
}

void pop3_talk_ok(struct pop3_talk *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply_text(t, true, POP3_CODE_NONE, format, args);
    va_end(args);
}

void pop3_talk_error(struct pop3_talk *t, enum pop3_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply_text(t, false, code, format, args);
    va_end(args);
}

void pop3_talk_bad(struct pop3_talk *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply_text(t, false, POP3_CODE_NONE, format, args);
    va_end(args);
    if (++t->bad < t->bad_max)
        return;
    metric_add(&bad_closed, 1);
    conn_close(t->conn);
}
