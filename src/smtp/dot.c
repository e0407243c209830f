#include "smtp/dot.h"

void smtp_dot_init(struct smtp_dot *d, enum smtp_newline newline, bool stuffed)
{
    *d = (struct smtp_dot){.newline = newline, .stuffed = stuffed, .state = SMTP_DOT_LINE};
}

static size_t find(struct slice in, size_t from, size_t to, char c)
{
    const char *at = from < to ? memchr(in.p + from, c, to - from) : NULL;
    return at ? (size_t)(at - in.p) : to;
}

/* How far to look ahead at once: a body of bare LFs or CRs, each looked for to the end of a large
 * input, would cost the square of its length. */
#define WINDOW 512

/* From inside a line to behind its CR, to a bare LF that wants a CR before it, or some way on. */
static size_t pass_line(struct smtp_dot *d, struct slice in, size_t at)
{
    size_t end = in.n - at > WINDOW ? at + WINDOW : in.n;
    size_t cr = find(in, at, end, '\r');
    size_t lf = find(in, at, cr, '\n');
    if (lf < cr) {
        d->bare = true;
        if (d->newline == SMTP_NEWLINE_REFUSE)
            return lf + 1;
        d->state = SMTP_DOT_BARE_LF;
        return lf;
    }
    if (cr == end)
        return end;
    d->state = SMTP_DOT_CR;
    return cr + 1;
}

/* As far as the bytes can be given out as they stand. */
static size_t pass_text(struct smtp_dot *d, struct slice in, size_t at)
{
    while (at < in.n) {
        switch (d->state) {
        case SMTP_DOT_LINE:
            if (d->stuffed && in.p[at] == '.')
                return at;
            d->state = SMTP_DOT_TEXT;
            break;
        case SMTP_DOT_TEXT:
            at = pass_line(d, in, at);
            if (d->state == SMTP_DOT_BARE_LF)
                return at;
            break;
        default: /* SMTP_DOT_CR */
            if (in.p[at] == '\n') {
                d->state = SMTP_DOT_LINE;
                at++;
                break;
            }
            d->bare = true;
            if (d->newline == SMTP_NEWLINE_NORMALISE)
                return at;
            d->state = SMTP_DOT_TEXT;
        }
    }
    return at;
}

/* States whose next step gives out no input as it stands. True: the step was taken. */
static bool step(struct smtp_dot *d, struct slice in, size_t *at, struct slice *piece)
{
    char c = in.p[*at];
    switch (d->state) {
    case SMTP_DOT_LINE:
        if (!d->stuffed || c != '.')
            return false;
        d->state = SMTP_DOT_DOT;
        ++*at;
        return true;
    case SMTP_DOT_DOT: /* the dot falls away: stuffed, or half of the end */
        d->state = c == '\r' ? SMTP_DOT_DOT_CR : SMTP_DOT_TEXT;
        *at += c == '\r';
        return true;
    case SMTP_DOT_DOT_CR:
        if (c == '\n') {
            d->state = SMTP_DOT_ENDED;
            ++*at;
        } else {
            *piece = S("\r");
            d->state = SMTP_DOT_CR;
        }
        return true;
    case SMTP_DOT_CR:
        if (c == '\n' || d->newline == SMTP_NEWLINE_REFUSE)
            return false;
        d->bare = true;
        *piece = S("\n");
        d->state = SMTP_DOT_TEXT;
        return true;
    case SMTP_DOT_BARE_LF:
        *piece = S("\r");
        d->state = SMTP_DOT_LF;
        return true;
    default:
        return false;
    }
}

bool smtp_dot_next(struct smtp_dot *d, struct slice in, size_t *at, struct slice *piece)
{
    *piece = (struct slice){in.p, 0};
    if (d->state == SMTP_DOT_ENDED)
        return true;
    if (*at >= in.n)
        return false;
    if (step(d, in, at, piece))
        return d->state == SMTP_DOT_ENDED;
    size_t from = *at;
    if (d->state == SMTP_DOT_LF) {
        ++*at;
        d->state = SMTP_DOT_TEXT;
    }
    *at = pass_text(d, in, *at);
    *piece = slice_sub(in, from, *at - from);
    if (!d->nul)
        d->nul = slice_find(*piece, '\0') != SLICE_NONE;
    return false;
}

void smtp_dot_finish(struct smtp_dot *d, struct slice *piece)
{
    *piece = (struct slice){0};
    if (d->state == SMTP_DOT_CR) {
        d->bare = true;
        if (d->newline == SMTP_NEWLINE_NORMALISE)
            *piece = S("\n");
    }
    d->state = SMTP_DOT_ENDED;
}
