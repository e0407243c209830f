#include "grammar.h"

#define DEPTH 210 /* lists in lists: recursion is fine in a test */

struct g {
    const char *p, *end;
    bool extended;
    size_t parts;
};

static bool ch(struct g *g, char c)
{
    if (g->p == g->end || *g->p != c)
        return false;
    g->p++;
    return true;
}

static bool nil(struct g *g)
{
    if (g->end - g->p < 3 || memcmp(g->p, "NIL", 3) != 0)
        return false;
    g->p += 3;
    return true;
}

static bool number(struct g *g)
{
    const char *start = g->p;
    while (g->p < g->end && ascii_digit(*g->p))
        g->p++;
    return g->p > start && g->p - start <= 20;
}

/* quoted = DQUOTE *(TEXT-CHAR except specials / "\" specials) DQUOTE, 7-bit only */
static bool quoted(struct g *g, struct slice *inside)
{
    if (!ch(g, '"'))
        return false;
    const char *start = g->p;
    while (g->p < g->end && *g->p != '"') {
        if (*g->p == '\\' && (++g->p == g->end || (*g->p != '"' && *g->p != '\\')))
            return false;
        if (*g->p == '\r' || *g->p == '\n' || *g->p == '\0' || (unsigned char)*g->p >= 0x80)
            return false;
        g->p++;
    }
    *inside = slice(start, (size_t)(g->p - start));
    return ch(g, '"');
}

static bool literal(struct g *g)
{
    size_t n = 0;
    if (!ch(g, '{'))
        return false;
    const char *digits = g->p;
    while (g->p < g->end && ascii_digit(*g->p) && g->p - digits < 10)
        n = n * 10 + (size_t)(*g->p++ - '0');
    if (g->p == digits || !ch(g, '}') || !ch(g, '\r') || !ch(g, '\n'))
        return false;
    if ((size_t)(g->end - g->p) < n || memchr(g->p, '\0', n))
        return false;
    g->p += n;
    return true;
}

static bool string(struct g *g)
{
    struct slice inside;
    return g->p < g->end && (*g->p == '{' ? literal(g) : quoted(g, &inside));
}

static bool nstring(struct g *g)
{
    return nil(g) || string(g);
}

/* ---- envelope ---- */

static bool address(struct g *g)
{
    return ch(g, '(') && nstring(g) && ch(g, ' ') && nstring(g) && ch(g, ' ') && nstring(g) &&
           ch(g, ' ') && nstring(g) && ch(g, ')');
}

static bool addresses(struct g *g)
{
    if (nil(g))
        return true;
    if (!ch(g, '(') || !address(g))
        return false;
    while (g->p < g->end && *g->p == '(')
        if (!address(g))
            return false;
    return ch(g, ')');
}

static bool envelope(struct g *g)
{
    if (!ch(g, '(') || !nstring(g) || !ch(g, ' ') || !nstring(g))
        return false;
    for (int i = 0; i < 6; i++)
        if (!ch(g, ' ') || !addresses(g))
            return false;
    return ch(g, ' ') && nstring(g) && ch(g, ' ') && nstring(g) && ch(g, ')');
}

/* ---- body ---- */

static bool parameters(struct g *g)
{
    if (nil(g))
        return true;
    if (!ch(g, '('))
        return false;
    do {
        if (!string(g) || !ch(g, ' ') || !string(g))
            return false;
    } while (ch(g, ' '));
    return ch(g, ')');
}

static bool disposition(struct g *g)
{
    return nil(g) || (ch(g, '(') && string(g) && ch(g, ' ') && parameters(g) && ch(g, ')'));
}

static bool language(struct g *g)
{
    if (g->p == g->end || *g->p != '(')
        return nstring(g);
    g->p++;
    do {
        if (!string(g))
            return false;
    } while (ch(g, ' '));
    return ch(g, ')');
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static bool extension(struct g *g)
{
    return ch(g, ' ') && disposition(g) && ch(g, ' ') && language(g) && ch(g, ' ') && nstring(g);
}

static bool body(struct g *g, int depth);

static bool multipart(struct g *g, int depth)
{
    while (g->p < g->end && *g->p == '(')
        if (!body(g, depth + 1))
            return false;
    if (!ch(g, ' ') || !string(g))
        return false;
    return !g->extended || (ch(g, ' ') && parameters(g) && extension(g));
}

static bool single(struct g *g, int depth)
{
    struct slice type = S(""), subtype = S("");
    const char *at = g->p;
    if (!string(g))
        return false;
    if (*at == '"')
        type = slice(at + 1, (size_t)(g->p - at) - 2);
    if (!ch(g, ' '))
        return false;
    at = g->p;
    if (!string(g))
        return false;
    if (*at == '"')
        subtype = slice(at + 1, (size_t)(g->p - at) - 2);
    if (slice_eq_nocase(type, S("multipart")))
        return false;
    if (!ch(g, ' ') || !parameters(g) || !ch(g, ' ') || !nstring(g) || !ch(g, ' ') || !nstring(g))
        return false;
    if (!ch(g, ' ') || !string(g) || !ch(g, ' ') || !number(g))
        return false;
    if (slice_eq_nocase(type, S("message")) &&
        (slice_eq_nocase(subtype, S("rfc822")) || slice_eq_nocase(subtype, S("global")))) {
        if (!ch(g, ' ') || !envelope(g) || !ch(g, ' ') || !body(g, depth + 1))
            return false;
        if (!ch(g, ' ') || !number(g))
            return false;
    } else if (slice_eq_nocase(type, S("text")) && (!ch(g, ' ') || !number(g))) {
        return false;
    }
    return !g->extended || (ch(g, ' ') && nstring(g) && extension(g));
}

static bool body(struct g *g, int depth)
{
    g->parts++;
    if (depth > DEPTH || !ch(g, '('))
        return false;
    bool ok = g->p < g->end && *g->p == '(' ? multipart(g, depth) : single(g, depth);
    return ok && ch(g, ')');
}

bool grammar_envelope(struct slice text)
{
    struct g g = {.p = text.p, .end = text.p + text.n};
    return envelope(&g) && g.p == g.end;
}

bool grammar_body(struct slice text, bool extended, size_t *parts)
{
    struct g g = {.p = text.p, .end = text.p + text.n, .extended = extended};
    bool ok = body(&g, 0) && g.p == g.end;
    *parts = g.parts;
    return ok;
}
