#include "message/header.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct header_reader header_reader(struct slice message)
{
    return (struct header_reader){.message = message};
}

/* Behind the line end of the line at `at`, or the end. */
static size_t next_line(struct slice m, size_t at)
{
    const char *lf = memchr(m.p + at, '\n', m.n - at);
    return lf ? (size_t)(lf - m.p) + 1 : m.n;
}

/* The length of the empty line at `at`; 0: it is not empty. */
static size_t empty_line(struct slice m, size_t at)
{
    if (m.p[at] == '\n')
        return 1;
    return m.p[at] == '\r' && m.n - at > 1 && m.p[at + 1] == '\n' ? 2 : 0;
}

static struct slice without_line_end(struct slice line)
{
    if (line.n && line.p[line.n - 1] == '\n') {
        line.n--;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
    }
    return line;
}

static bool legal_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] == 0x7f)
            return false;
    return name.n > 0;
}

/* first: the first line of the field, without its line end. */
static void split_field(struct slice first, struct header_field *field)
{
    size_t colon = first.n && is_blank(first.p[0]) ? SLICE_NONE : slice_find(first, ':');
    if (colon == SLICE_NONE) {
        field->name = slice_sub(first, 0, 0);
        field->broken = true;
        return;
    }
    struct slice name = slice_sub(first, 0, colon);
    while (name.n && is_blank(name.p[name.n - 1]))
        name.n--;
    field->name = name;
    field->broken = name.n != colon || !legal_name(name);
    field->value = slice_from(field->value, colon + 1);
}

bool header_next(struct header_reader *r, struct header_field *field)
{
    struct slice m = r->message;
    if (r->ended)
        return false;
    if (r->at >= m.n || empty_line(m, r->at)) {
        if (r->at < m.n)
            r->at += empty_line(m, r->at);
        r->ended = true;
        return false;
    }
    size_t first_end = next_line(m, r->at);
    size_t end = first_end;
    while (end < m.n && is_blank(m.p[end]))
        end = next_line(m, end);
    field->raw = slice_sub(m, r->at, end - r->at);
    field->value = without_line_end(field->raw);
    split_field(without_line_end(slice_sub(m, r->at, first_end - r->at)), field);
    if (slice_find(field->raw, '\0') != SLICE_NONE)
        field->broken = true;
    r->at = end;
    return true;
}

size_t header_end(struct slice message)
{
    size_t at = 0;
    while (at < message.n) {
        size_t empty = empty_line(message, at);
        if (empty)
            return at + empty;
        at = next_line(message, at);
    }
    return at;
}

bool header_is(const struct header_field *field, struct slice name)
{
    return slice_eq_nocase(field->name, name);
}

bool header_find(struct slice message, struct slice name, struct header_field *field)
{
    struct header_reader r = header_reader(message);
    while (header_next(&r, field))
        if (header_is(field, name))
            return true;
    return false;
}

size_t header_count(struct slice message, struct slice name)
{
    struct header_reader r = header_reader(message);
    struct header_field field;
    size_t n = 0;
    while (header_next(&r, &field))
        n += header_is(&field, name);
    return n;
}

static bool is_edge(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
    while (s.n && is_edge(s.p[0]))
        s = slice_from(s, 1);
    while (s.n && is_edge(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* How many bytes of s are left after unfolding; *plain: it stays as it is. */
static size_t unfolded_size(struct slice s, bool *plain)
{
    size_t n = 0;
    bool nul = false;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] != '\r' && s.p[i] != '\n';
        nul |= s.p[i] == '\0';
    }
    *plain = n == s.n && !nul;
    return n;
}

static void unfold(struct slice s, char *to)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\r' && s.p[i] != '\n')
            *to++ = s.p[i] ? s.p[i] : ' ';
}

bool header_unfold(struct slice value, struct buffer *to)
{
    struct slice s = trim(value);
    bool plain;
    size_t n = unfolded_size(s, &plain);
    char *room = buffer_room(to, n);
    if (!room)
        return false;
    unfold(s, room);
    buffer_took(to, n);
    return true;
}

struct slice header_text(struct slice value, struct arena *arena)
{
    struct slice s = trim(value);
    bool plain;
    size_t n = unfolded_size(s, &plain);
    if (!s.n)
        return S("");
    if (plain)
        return s;
    char *copy = arena_alloc(arena, n);
    if (!copy)
        return (struct slice){NULL, 0};
    unfold(s, copy);
    return slice(copy, n);
}
