#include "intake/rewrite.h"

/* What the start of a line says. */
enum start {
    START_MORE, /* too short to say */
    START_END,  /* the empty line */
    START_FOLDED,
    START_FIELD,
};

static const struct {
    struct slice name;
    enum intake_field field;
} names[] = {
    {{"bcc", 3}, INTAKE_FIELD_DROPPED},
    {{"resent-bcc", 10}, INTAKE_FIELD_DROPPED},
    {{"return-path", 11}, INTAKE_FIELD_DROPPED},
    {{"authentication-results", 22}, INTAKE_FIELD_DROPPED},
    {{"from", 4}, INTAKE_FIELD_FROM},
    {{"sender", 6}, INTAKE_FIELD_SENDER},
    {{"date", 4}, INTAKE_FIELD_DATE},
    {{"message-id", 10}, INTAKE_FIELD_MESSAGE_ID},
};
#define NAME_LONGEST 22

void intake_rewrite_init(struct intake_rewrite *r)
{
    *r = (struct intake_rewrite){0};
    buffer_init(&r->authors, INTAKE_AUTHORS_MAX);
}

void intake_rewrite_finish(struct intake_rewrite *r)
{
    buffer_finish(&r->authors);
}

/* ---- names ---- */

/* before: of the colon, or a whole line without one. */
static enum intake_field field_of(struct slice before)
{
    char name[NAME_LONGEST];
    size_t n = 0;
    for (size_t i = 0; i < before.n; i++) {
        unsigned char c = (unsigned char)before.p[i];
        if (c <= ' ' || c == 0x7f)
            continue;
        if (n == NAME_LONGEST)
            return INTAKE_FIELD_OTHER;
        name[n++] = (char)c;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_eq_nocase(slice(name, n), names[i].name))
            return names[i].field;
    return INTAKE_FIELD_OTHER;
}

/* The end of the name in the start of a line: its colon, its line end, or SLICE_NONE. */
static size_t name_end(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == ':' || line.p[i] == '\n')
            return i;
    return SLICE_NONE;
}

/* line: from the start of a line on, at most INTAKE_NAME_MAX bytes. */
static enum start look(struct slice line, struct slice *before)
{
    if (!line.n)
        return START_MORE;
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return START_FOLDED;
    if (line.p[0] == '\n' || slice_starts(line, S("\r\n")))
        return START_END;
    size_t end = name_end(line);
    if (end == SLICE_NONE && line.n < INTAKE_NAME_MAX)
        return START_MORE;
    *before = slice_sub(line, 0, end);
    return START_FIELD;
}

/* ---- lines ---- */

static void begin_field(struct intake_rewrite *r, struct slice before)
{
    r->field = field_of(before);
    r->count[r->field]++;
    if (before.n == INTAKE_NAME_MAX && r->field != INTAKE_FIELD_OTHER)
        r->broken = true;
}

static void begin_line(struct intake_rewrite *r, enum start start, struct slice before)
{
    if (start == START_FOLDED && !r->lines)
        r->folded_start = true;
    else if (start == START_FIELD)
        begin_field(r, before);
    else if (start == START_END)
        r->field = INTAKE_FIELD_OTHER;
    r->lines++;
    r->in_body = start == START_END;
    r->in_line = true;
}

/* Bytes of the line that has begun. */
static void give(struct intake_rewrite *r, struct slice bytes, struct slice *piece)
{
    bool author = r->field == INTAKE_FIELD_FROM || r->field == INTAKE_FIELD_SENDER;
    if (author)
        buffer_add(&r->authors, bytes);
    if (r->field != INTAKE_FIELD_DROPPED && !(author && r->authors_aside))
        *piece = bytes;
    if (bytes.n && bytes.p[bytes.n - 1] == '\n')
        r->in_line = false;
}

/* A start of a line that came in two pieces: byte by byte until it is known. */
static void hold(struct intake_rewrite *r, struct slice in, size_t *at, struct slice *piece)
{
    struct slice before = {0};
    enum start start = START_MORE;
    while (start == START_MORE && *at < in.n) {
        r->held[r->held_n++] = in.p[(*at)++];
        char last = in.p[*at - 1];
        bool telling = r->held_n < 3 || r->held_n == INTAKE_NAME_MAX || last == ':' || last == '\n';
        if (telling)
            start = look(slice(r->held, r->held_n), &before);
    }
    if (start == START_MORE)
        return;
    begin_line(r, start, before);
    give(r, slice(r->held, r->held_n), piece);
    r->held_n = 0;
}

void intake_rewrite_next(struct intake_rewrite *r, struct slice in, size_t *at, struct slice *piece)
{
    *piece = (struct slice){0};
    if (!r->in_body && !r->in_line) {
        struct slice before = {0};
        enum start start =
            r->held_n ? START_MORE : look(slice_sub(in, *at, INTAKE_NAME_MAX), &before);
        if (start == START_MORE) {
            hold(r, in, at, piece);
            return;
        }
        begin_line(r, start, before);
    }
    struct slice rest = slice_from(in, *at);
    size_t lf = r->in_body ? SLICE_NONE : slice_find(rest, '\n');
    if (lf != SLICE_NONE)
        rest.n = lf + 1;
    *at += rest.n;
    give(r, rest, piece);
}

void intake_rewrite_end(struct intake_rewrite *r, struct slice *piece)
{
    *piece = (struct slice){0};
    if (!r->held_n)
        return;
    struct slice line = slice(r->held, r->held_n);
    begin_line(r, START_FIELD, line);
    give(r, line, piece);
    r->held_n = 0;
}
