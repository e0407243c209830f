#include "message/parameter.h"
#include "message/charset.h"
#include "message/lexis_private.h"
#include "message/word.h"

/* A parameter as it stands in the field. */
struct raw {
    struct parameter parameter;
    int index; /* of a continuation (RFC 2231 §3), or -1 */
    bool star; /* its value is written with %XX */
    bool used; /* its name has been dealt with */
    struct raw *next;
};

struct reader {
    struct slice s;
    size_t at;
    char *text; /* s.n bytes: what is taken is never longer */
    size_t used;
    bool broken;
};

static struct slice keep(struct reader *r, size_t n)
{
    struct slice kept = slice(r->text + r->used, n);
    r->used += n;
    return kept;
}

static bool token_char(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && c != ';' && c != '=' && c != '/' && c != '(' &&
           c != '"' && c != ',';
}

static struct slice take_token(struct reader *r)
{
    size_t from = r->at;
    while (r->at < r->s.n && token_char(r->s.p[r->at]))
        r->at++;
    size_t n = r->at - from;
    if (n)
        memcpy(r->text + r->used, r->s.p + from, n);
    return keep(r, n);
}

static void skip_cfws(struct reader *r)
{
    r->at = lexis_cfws(r->s, r->at);
}

static bool here(const struct reader *r, char c)
{
    return r->at < r->s.n && r->s.p[r->at] == c;
}

static void skip_to_semicolon(struct reader *r)
{
    r->broken = true;
    while (r->at < r->s.n && r->s.p[r->at] != ';') {
        if (r->s.p[r->at] == '"')
            r->at = lexis_quoted(r->s, r->at);
        if (r->at < r->s.n)
            r->at++;
    }
}

/* Without quotes all up to the semicolon is taken, blanks too: so mail programs write file names
 * against the grammar. A comment behind blanks is none of it. */
static struct slice take_bare(struct reader *r)
{
    size_t n = 0;
    size_t end = 0; /* without blanks at the end */
    char *to = r->text + r->used;
    for (; r->at < r->s.n && r->s.p[r->at] != ';'; r->at++) {
        char c = r->s.p[r->at];
        if (c == '(' && n > end)
            break;
        if (c == '\r' || c == '\n')
            continue;
        bool blank = c == ' ' || c == '\t';
        r->broken |= !blank && (!token_char(c) || n > end);
        to[n++] = c ? c : '?';
        if (!blank)
            end = n;
    }
    return keep(r, end);
}

static struct slice take_value(struct reader *r)
{
    if (!here(r, '"'))
        return take_bare(r);
    size_t end = lexis_quoted(r->s, r->at);
    struct slice inner = slice_sub(r->s, r->at + 1, end - r->at - 1);
    r->broken |= end == r->s.n;
    r->at = end < r->s.n ? end + 1 : end;
    return keep(r, lexis_unquote(inner, r->text + r->used));
}

/* "name", "name*", "name*0", "name*0*" (RFC 2231 §7). False: an index that is none. */
static bool split_name(struct raw *raw)
{
    struct slice rest = raw->parameter.name;
    struct slice name = slice_cut(&rest, '*');
    raw->index = -1;
    if (name.n == raw->parameter.name.n)
        return true;
    raw->parameter.name = name;
    raw->star = !rest.n || slice_ends(rest, S("*"));
    if (!rest.n)
        return true;
    struct slice digits = slice_sub(rest, 0, rest.n - raw->star);
    uint64_t index;
    if (!slice_to_u64(digits, PARAMETER_MAX - 1, &index) || (digits.n > 1 && digits.p[0] == '0'))
        return false;
    raw->index = (int)index;
    return true;
}

/* The next parameter, its name split; false at the end. */
static bool take_parameter(struct reader *r, struct raw *raw)
{
    for (;;) {
        skip_cfws(r);
        if (r->at >= r->s.n)
            return false;
        if (here(r, ';')) {
            r->at++;
            continue;
        }
        *raw = (struct raw){.parameter.name = take_token(r)};
        skip_cfws(r);
        if (!raw->parameter.name.n || !here(r, '=')) {
            skip_to_semicolon(r);
            continue;
        }
        r->at++;
        skip_cfws(r);
        raw->parameter.value = take_value(r);
        if (raw->parameter.name.n <= PARAMETER_NAME_MAX && split_name(raw) && raw->parameter.name.n)
            return true;
        r->broken = true;
    }
}

/* ---- RFC 2231 ---- */

/* Legal as it is in an extended value (RFC 2231 §7, attribute-char). */
static bool attribute_char(char c)
{
    return (unsigned char)c > ' ' && (unsigned char)c < 0x7f && !strchr("*'%()<>@,;:\\\"/[]?=", c);
}

static char *add_escaped(char *to, struct slice s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (attribute_char(s.p[i])) {
            *to++ = s.p[i];
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    return to;
}

/* charset'language'text? */
static bool has_charset(struct slice value)
{
    slice_cut(&value, '\'');
    return slice_find(value, '\'') != SLICE_NONE;
}

/* Joins the segments up to the first gap into the first one. */
static struct parameter *join(struct raw *const segment[PARAMETER_MAX], struct arena *arena)
{
    size_t size = 2;
    bool extended = false;
    int n = 0;
    for (; n < PARAMETER_MAX && segment[n]; n++) {
        extended |= segment[n]->star;
        size += segment[n]->parameter.value.n;
    }
    char *text = arena_alloc(arena, extended ? size * 3 : size);
    if (!text)
        return NULL;
    char *to = text;
    if (extended && !(segment[0]->star && has_charset(segment[0]->parameter.value))) {
        *to++ = '\'';
        *to++ = '\'';
    }
    for (int i = 0; i < n; i++) {
        struct slice value = segment[i]->parameter.value;
        if (extended && !segment[i]->star) {
            to = add_escaped(to, value);
        } else if (value.n) {
            memcpy(to, value.p, value.n);
            to += value.n;
        }
    }
    struct parameter *whole = &segment[0]->parameter;
    whole->value = slice(text, (size_t)(to - text));
    whole->extended = extended;
    return whole;
}

/* All parameters named as `first`, which is the first of them, become one. */
static struct parameter *merge(struct raw *first, struct arena *arena, bool *broken)
{
    struct raw *segment[PARAMETER_MAX] = {0};
    struct raw *plain = NULL;
    struct raw *extended = NULL;
    for (struct raw *r = first; r; r = r->next) {
        if (r->used || !slice_eq_nocase(r->parameter.name, first->parameter.name))
            continue;
        r->used = true;
        struct raw **place = r->index >= 0 ? &segment[r->index] : r->star ? &extended : &plain;
        if (*place)
            *broken = true;
        else
            *place = r;
    }
    if (extended) {
        extended->parameter.extended = has_charset(extended->parameter.value);
        return &extended->parameter;
    }
    if (segment[0])
        return join(segment, arena);
    *broken |= !plain;
    return plain ? &plain->parameter : NULL;
}

bool parameter_parse(struct slice value, struct arena *arena, struct parameter_value *out)
{
    *out = (struct parameter_value){0};
    struct reader r = {.s = value, .text = arena_alloc(arena, value.n + 1)};
    if (!r.text)
        return false;
    skip_cfws(&r);
    out->type = take_token(&r);
    skip_cfws(&r);
    if (here(&r, '/')) {
        r.at++;
        skip_cfws(&r);
        out->subtype = take_token(&r);
        skip_cfws(&r);
    }
    if (r.at < value.n && !here(&r, ';'))
        skip_to_semicolon(&r);
    if (!out->type.n) {
        out->type = (struct slice){NULL, 0};
        r.broken = true;
    }
    struct raw *first = NULL;
    struct raw **last = &first;
    struct raw raw;
    for (int n = 0; n < PARAMETER_MAX && take_parameter(&r, &raw); n++) {
        *last = arena_new(arena, struct raw);
        if (!*last)
            break;
        **last = raw;
        last = &(*last)->next;
    }
    struct parameter **link = &out->first;
    for (struct raw *one = first; one; one = one->next) {
        struct parameter *merged = one->used ? NULL : merge(one, arena, &r.broken);
        if (!merged)
            continue;
        *link = merged;
        link = &merged->next;
        out->n++;
    }
    out->broken = r.broken;
    return true;
}

const struct parameter *parameter_find(const struct parameter_value *value, struct slice name)
{
    for (const struct parameter *p = value->first; p; p = p->next)
        if (slice_eq_nocase(p->name, name))
            return p;
    return NULL;
}

static int hex_value(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool undo_percent(struct slice s, struct buffer *to)
{
    char *room = buffer_room(to, s.n);
    size_t n = 0;
    if (!room)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%' && i + 2 < s.n && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0) {
            c = (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
            i += 2;
        }
        room[n++] = c;
    }
    buffer_took(to, n);
    return true;
}

bool parameter_decode(const struct parameter *parameter, struct buffer *to)
{
    if (!parameter->extended)
        return word_decode(parameter->value, to);
    struct slice text = parameter->value;
    struct slice charset = slice_cut(&text, '\'');
    slice_cut(&text, '\'');
    struct buffer bytes;
    buffer_init(&bytes, text.n);
    bool ok = undo_percent(text, &bytes);
    size_t before = to->n;
    if (ok && !(charset_known(charset) && charset_to_utf8(charset, buffer_slice(&bytes), to)))
        ok = !to->overflow && charset_repair_utf8(buffer_slice(&bytes), to);
    buffer_finish(&bytes);
    /* What was encoded must not become part of a line. */
    for (size_t i = before; i < to->n; i++)
        if ((unsigned char)to->p[i] < ' ' || to->p[i] == 0x7f)
            to->p[i] = ' ';
    return ok;
}
