#include "imap/pattern.h"
#include "mailbox/mailbox.h"

static bool wild(char c)
{
    return c == '*' || c == '%';
}

/* Appends c to what was made so far; a run of wildcards becomes one. */
static size_t append(char *to, size_t n, char c)
{
    if (n && wild(c) && wild(to[n - 1])) {
        if (c == '*')
            to[n - 1] = '*';
        return n;
    }
    to[n] = c;
    return n + 1;
}

static void normalise_inbox(char *text, size_t n)
{
    struct slice first = slice(text, n);
    if (slice_eq_nocase(slice_cut(&first, MAILBOX_SEPARATOR), S("INBOX")))
        memcpy(text, "INBOX", 5);
}

bool imap_pattern_make(
    struct slice reference, struct slice pattern, struct arena *arena, struct imap_pattern *out)
{
    size_t n = 0, literals = 0;
    char *text = arena_alloc(arena, reference.n + pattern.n + 1);
    if (!text)
        return false;
    for (size_t i = 0; i < reference.n + pattern.n; i++) {
        char c = i < reference.n ? reference.p[i] : pattern.p[i - reference.n];
        literals += !wild(c);
        n = append(text, n, c);
    }
    normalise_inbox(text, n);
    size_t literal = 0;
    while (literal < n && !wild(text[literal]))
        literal++;
    *out = (struct imap_pattern){
        .text = slice(text, n),
        .literal = slice(text, literal),
        .levels = pattern.n && pattern.p[pattern.n - 1] == '%',
    };
    return literals <= MAILBOX_NAME_MAX;
}

/* Which beginnings of the name the pattern so far can be: at[i] says whether one of i bytes is.
 * All that are lie in [low, high]. */
struct reach {
    struct slice name;
    size_t low, high;
    bool at[MAILBOX_NAME_MAX + 1];
};

/* False: nothing is left. */
static bool narrow(struct reach *r)
{
    while (r->low <= r->high && !r->at[r->low])
        r->low++;
    while (r->high > r->low && !r->at[r->high])
        r->high--;
    return r->low <= r->high;
}

static bool take_literal(struct reach *r, char c)
{
    size_t last = r->high < r->name.n ? r->high : r->name.n - 1;
    if (r->low >= r->name.n)
        return false;
    for (size_t i = last + 1; i > r->low; i--)
        r->at[i] = r->at[i - 1] && r->name.p[i - 1] == c;
    r->at[r->low] = false;
    r->low++;
    r->high = last + 1;
    return narrow(r);
}

static void take_wild(struct reach *r, char c)
{
    bool on = false;
    for (size_t i = r->low; i <= r->name.n; i++) {
        /* a beginning that is there may go on for one more byte */
        if (i > r->low && c == '%' && r->name.p[i - 1] == MAILBOX_SEPARATOR)
            on = false;
        bool was = i <= r->high && r->at[i];
        on = on || was;
        r->at[i] = on;
    }
    r->high = r->name.n;
    narrow(r);
}

bool imap_pattern_match(const struct imap_pattern *p, struct slice name)
{
    struct reach r;
    size_t i = p->literal.n;
    if (!slice_starts(name, p->literal) || name.n > MAILBOX_NAME_MAX)
        return false;
    r.name = name;
    r.low = r.high = i;
    r.at[i] = true;
    for (; i < p->text.n; i++) {
        char c = p->text.p[i];
        if (c == '*' && i + 1 == p->text.n)
            return true;
        if (wild(c))
            take_wild(&r, c);
        else if (!take_literal(&r, c))
            return false;
    }
    return r.high == name.n && r.at[name.n];
}
