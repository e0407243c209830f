#include "base/cursor.h"

bool cursor_take_char(struct cursor *c, char wanted)
{
    if (c->at >= c->all.n || c->all.p[c->at] != wanted)
        return false;
    c->at++;
    return true;
}

bool cursor_take_text(struct cursor *c, struct slice wanted)
{
    if (!slice_starts_nocase(cursor_rest(c), wanted))
        return false;
    c->at += wanted.n;
    return true;
}

bool cursor_take_while(struct cursor *c, bool (*is)(unsigned char), size_t min, struct slice *run)
{
    struct slice rest = cursor_rest(c);
    size_t n = 0;
    while (n < rest.n && is((unsigned char)rest.p[n]))
        n++;
    if (n < min)
        return false;
    *run = slice_sub(rest, 0, n);
    c->at += n;
    return true;
}

static bool is_digit(unsigned char c)
{
    return ascii_digit((char)c);
}

bool cursor_take_number(struct cursor *c, uint64_t max, uint64_t *value)
{
    struct cursor ahead = *c;
    struct slice digits;
    if (!cursor_take_while(&ahead, is_digit, 1, &digits) || !slice_to_u64(digits, max, value))
        return false;
    *c = ahead;
    return true;
}

void cursor_skip_blanks(struct cursor *c)
{
    while (c->at < c->all.n && (c->all.p[c->at] == ' ' || c->all.p[c->at] == '\t'))
        c->at++;
}
