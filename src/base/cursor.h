/* A parser's place in a slice. Takers answer yes or no and move only on yes; none passes the end.
 */
#pragma once
#include "base/slice.h"

struct cursor {
    struct slice all;
    size_t at;
};

static inline struct cursor cursor(struct slice s)
{
    return (struct cursor){s, 0};
}
static inline bool cursor_end(const struct cursor *c)
{
    return c->at >= c->all.n;
}
/* The byte here, or -1 at the end. */
static inline int cursor_peek(const struct cursor *c)
{
    return c->at < c->all.n ? (unsigned char)c->all.p[c->at] : -1;
}
static inline struct slice cursor_rest(const struct cursor *c)
{
    return slice_from(c->all, c->at);
}
bool cursor_take_char(struct cursor *c, char wanted);
/* The literal text, ASCII case ignored. */
bool cursor_take_text(struct cursor *c, struct slice wanted);
/* The longest run of bytes for which `is` holds; at least min. */
bool cursor_take_while(struct cursor *c, bool (*is)(unsigned char), size_t min, struct slice *run);
/* Decimal digits, at most max; no sign; "007" is 7. */
bool cursor_take_number(struct cursor *c, uint64_t max, uint64_t *value);
/* Blanks and tabs, any number. */
void cursor_skip_blanks(struct cursor *c);
