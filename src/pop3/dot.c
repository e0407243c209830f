#include "pop3/dot.h"

/* How far to look ahead at once: in a body of bare CRs, a LF that is looked for to the end each
 * time would cost the square of its length. */
#define WINDOW 512

/* The next CR or LF at or behind `at`; in.n when there is none. */
static size_t line_end(struct slice in, size_t at)
{
    while (at < in.n) {
        size_t n = in.n - at < WINDOW ? in.n - at : WINDOW;
        const char *from = in.p + at;
        const char *lf = memchr(from, '\n', n);
        const char *cr = memchr(from, '\r', lf ? (size_t)(lf - from) : n);
        if (cr || lf)
            return (size_t)((cr ? cr : lf) - in.p);
        at += n;
    }
    return at;
}

/* Gives out the first n bytes and drops `skip` behind them. */
static bool give(struct slice *in, size_t n, size_t skip, struct slice *out)
{
    *out = slice_sub(*in, 0, n);
    *in = slice_from(*in, n + skip);
    return true;
}

bool pop3_dot_next(struct pop3_dot *d, struct slice *in, struct slice *out)
{
    if (!in->n)
        return false;
    if (d->state == POP3_DOT_CR) {
        *in = slice_from(*in, in->p[0] == '\n');
        *out = S("\r\n");
        d->state = POP3_DOT_LINE;
        return true;
    }
    if (d->state == POP3_DOT_LINE && in->p[0] == '.') {
        *out = S(".");
        d->state = POP3_DOT_TEXT;
        return true;
    }
    for (size_t at = 0;;) {
        size_t end = line_end(*in, at);
        if (end == in->n) {
            d->state = POP3_DOT_TEXT;
            return give(in, end, 0, out);
        }
        bool cr = in->p[end] == '\r';
        if (!cr || end + 1 == in->n || in->p[end + 1] != '\n') {
            d->state = POP3_DOT_CR;
            return give(in, end, cr, out);
        }
        at = end + 2;
        if (at == in->n || in->p[at] == '.') {
            d->state = POP3_DOT_LINE;
            return give(in, at, 0, out);
        }
    }
}

struct slice pop3_dot_end(const struct pop3_dot *d)
{
    return d->state == POP3_DOT_LINE ? S(".\r\n") : S("\r\n.\r\n");
}

static void end_line(struct pop3_top *t)
{
    if (t->body)
        t->lines--;
    else
        t->body = !t->text;
    t->text = false;
    t->done = t->body && !t->lines;
}

size_t pop3_top_take(struct pop3_top *t, struct slice in)
{
    size_t at = 0;
    while (at < in.n && !t->done) {
        if (t->cr && in.p[at] == '\n')
            at++;
        t->cr = false;
        if (at == in.n)
            break;
        size_t end = line_end(in, at);
        t->text = t->text || end > at;
        at = end;
        if (at == in.n)
            break;
        t->cr = in.p[at++] == '\r';
        end_line(t);
    }
    if (t->cr && t->done && at < in.n && in.p[at] == '\n')
        at++;
    return at;
}
