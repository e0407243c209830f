/* Records and policies of MTA-STS: text to structs, pure. */
#include "delivery/sts.h"
#include "base/cursor.h"
#include "base/utf8.h"

#define LINES_MAX 2000

/* ---- the record (RFC 8461 §3.1) ---- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind "v=STSv1" stands ";", with or without blanks, or nothing. */
static bool version_ends(struct slice rest)
{
    while (rest.n && blank(rest.p[0]))
        rest = slice_from(rest, 1);
    return !rest.n || rest.p[0] == ';';
}

bool sts_is_record(struct slice text)
{
    return slice_starts(text, S("v=STSv1")) && version_ends(slice_from(text, 7));
}

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alnum(s.p[i]) && (!i || !strchr("_-.", s.p[i])))
            return false;
    return s.n >= 1 && s.n <= 32;
}

static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '=')
            return false;
    return s.n > 0;
}

static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alnum(s.p[i]))
            return false;
    return s.n >= 1 && s.n <= STS_ID_MAX;
}

bool sts_record(struct slice text, char id[STS_ID_MAX + 1])
{
    bool known = false;
    id[0] = '\0';
    if (!sts_is_record(text))
        return false;
    slice_cut(&text, ';');
    while (text.n) {
        struct slice value = slice_trim(slice_cut(&text, ';'));
        if (!value.n && !slice_trim(text).n)
            break; /* a delimiter at the end */
        struct slice name = slice_cut(&value, '=');
        if (!is_name(name) || !is_value(value))
            return false;
        if (!slice_eq(name, S("id")) || known)
            continue; /* §3.2: of what is told twice, the first counts */
        known = true;
        if (!is_id(value) || !slice_to_cstr(value, id, STS_ID_MAX + 1))
            return false;
    }
    return known;
}

/* ---- the policy (RFC 8461 §3.2) ---- */

struct reading {
    struct sts_policy *p;
    struct buffer *mx;
    bool version, mode, age;
};

/* "host.example.org", "*.example.org": letters, digits, hyphens, labels of 1 to 63. */
static bool is_pattern(struct slice s)
{
    size_t label = 0;
    if (slice_starts(s, S("*.")))
        s = slice_from(s, 2);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? !label : !ascii_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
        label = s.p[i] == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label && s.n <= 253;
}

static const char *take_mx(struct reading *r, struct slice value)
{
    if (slice_ends(value, S(".")))
        value.n--;
    if (!is_pattern(value))
        return "a host of the policy is no name";
    for (size_t i = 0; i < value.n; i++)
        buffer_add_char(r->mx, ascii_lower(value.p[i]));
    return buffer_add_char(r->mx, '\n') ? NULL : "the policy has too many hosts";
}

static const char *take_mode(struct reading *r, struct slice value)
{
    if (r->mode)
        return NULL;
    r->mode = true;
    if (slice_eq(value, S("enforce")))
        r->p->mode = STS_ENFORCE;
    else if (slice_eq(value, S("testing")))
        r->p->mode = STS_TESTING;
    else if (!slice_eq(value, S("none")))
        return "the policy has a mode that is not known";
    return NULL;
}

static const char *take_age(struct reading *r, struct slice value)
{
    uint64_t age;
    if (r->age)
        return NULL;
    r->age = true;
    if (value.n > 10 || !slice_to_u64(value, UINT64_MAX, &age))
        return "the max_age of the policy is no number";
    r->p->max_age = age > (uint64_t)STS_AGE_MAX ? STS_AGE_MAX : (int64_t)age;
    return NULL;
}

static const char *take_field(struct reading *r, struct slice name, struct slice value)
{
    if (slice_eq(name, S("version"))) {
        bool first = !r->version;
        r->version = true;
        return first && !slice_eq(value, S("STSv1")) ? "the policy is of another version" : NULL;
    }
    if (slice_eq(name, S("mode")))
        return take_mode(r, value);
    if (slice_eq(name, S("max_age")))
        return take_age(r, value);
    if (slice_eq(name, S("mx")))
        return take_mx(r, value);
    return is_name(name) && value.n ? NULL : "a line of the policy is broken";
}

static const char *take_line(struct reading *r, struct slice line)
{
    if (slice_ends(line, S("\r")))
        line.n--;
    while (line.n && blank(line.p[line.n - 1]))
        line.n--;
    if (!line.n)
        return NULL;
    size_t colon = slice_find(line, ':');
    if (colon == SLICE_NONE)
        return "a line of the policy is broken";
    return take_field(r, slice_sub(line, 0, colon), slice_trim(slice_from(line, colon + 1)));
}

bool sts_parse(struct slice text, struct sts_policy *p, struct buffer *mx, const char **why)
{
    struct reading r = {.p = p, .mx = mx};
    *p = (struct sts_policy){0};
    *why = NULL;
    if (text.n > STS_BODY_MAX || !utf8_valid(text) || slice_find(text, '\0') != SLICE_NONE)
        *why = "the policy is too large, or no text";
    for (size_t i = 0; text.n && !*why; i++)
        *why = i == LINES_MAX ? "the policy has too many lines"
                              : take_line(&r, slice_cut(&text, '\n'));
    if (!*why && !r.version)
        *why = "the policy has no version";
    if (!*why && (!r.mode || !r.age))
        *why = "the policy has no mode or no max_age";
    if (!*why && p->mode != STS_NONE && !mx->n)
        *why = "the policy names no host";
    p->mx = buffer_slice(mx);
    return !*why;
}

/* A wildcard is one whole label (RFC 8461 §4.1). */
static bool matches(struct slice pattern, struct slice host)
{
    if (!slice_starts(pattern, S("*.")))
        return slice_eq_nocase(pattern, host);
    size_t dot = slice_find(host, '.');
    return dot != SLICE_NONE && dot &&
           slice_eq_nocase(slice_from(host, dot + 1), slice_from(pattern, 2));
}

bool sts_match(const struct sts_policy *p, struct slice host)
{
    struct slice rest = p->mx;
    if (slice_ends(host, S(".")))
        host.n--;
    while (rest.n)
        if (matches(slice_cut(&rest, '\n'), host))
            return true;
    return false;
}

const char *sts_mode_name(enum sts_mode mode)
{
    static const char *const names[] = {"none", "testing", "enforce"};
    return names[mode];
}

bool sts_write(const struct sts_policy *p, struct buffer *to)
{
    struct slice rest = p->mx;
    buffer_printf(to, "version: STSv1\nmode: %s\n", sts_mode_name(p->mode));
    while (rest.n) {
        struct slice one = slice_cut(&rest, '\n');
        buffer_printf(to, "mx: " SLICE_FMT "\n", SLICE_ARG(one));
    }
    return buffer_printf(to, "max_age: %lld\n", (long long)p->max_age);
}
