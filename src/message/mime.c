#include "message/mime.h"
#include "message/header.h"
#include "message/mime_private.h"

/* The stack holds the open parts from the message down to the one whose lines are being read. A
 * line that is a boundary of one of them closes all above it. */

struct level {
    uint32_t part;
    uint32_t last_child; /* MIME_NONE: none yet */
    bool in_header;
    bool split;            /* a multipart with a boundary ... */
    bool closed;           /* ... of which the last one has been seen: what follows is epilogue */
    bool digest;           /* its parts are messages unless they say otherwise */
    unsigned seen;         /* fields of its header, for mime_set_field */
    uint64_t lines;        /* of the message before the body began */
    struct slice boundary; /* n == 0: none */
};

#define LEVELS (MIME_DEPTH_MAX + 1)
/* What is kept of a line that comes in pieces, outside headers: enough for a boundary. */
#define BODY_LINE_MAX (MIME_BOUNDARY_MAX + 8)

struct mime_parser {
    struct arena *arena;
    struct mime mime;
    uint32_t room;  /* of mime.parts */
    bool full;      /* no more parts: boundaries mean nothing any more */
    uint64_t at;    /* of the byte after the last whole line */
    uint64_t lines; /* so far */
    unsigned eol;   /* length of the last line's end */
    /* The line that is not complete: its front and its true length. */
    struct buffer line;
    uint64_t line_n;
    bool line_cr;
    /* The Content- field being read. */
    struct buffer field;
    size_t depth; /* levels in use */
    struct level level[LEVELS];
    /* The first eight bytes of each level's boundary, for a first look at all of them at once. */
    uint64_t front[LEVELS], mask[LEVELS];
};

static struct level *top(struct mime_parser *p)
{
    return &p->level[p->depth - 1];
}

static struct mime_part *part_of(struct mime_parser *p, const struct level *level)
{
    return &p->mime.parts[level->part];
}

/* A new part at the end of the array; NULL: a limit. The array moves. */
static struct mime_part *new_part(struct mime_parser *p)
{
    if (p->mime.n == p->room) {
        uint32_t room = p->room ? p->room * 2 : 4;
        if (room > MIME_PARTS_MAX)
            room = MIME_PARTS_MAX;
        struct mime_part *grown =
            room > p->room ? arena_array(p->arena, struct mime_part, room) : NULL;
        if (!grown)
            return NULL;
        if (p->mime.n)
            memcpy(grown, p->mime.parts, sizeof *grown * p->mime.n);
        p->mime.parts = grown;
        p->room = room;
    }
    return &p->mime.parts[p->mime.n++];
}

/* No level of this kind is ever matched. */
static void forget_boundary(struct mime_parser *p, size_t level)
{
    p->level[level].boundary = (struct slice){NULL, 0};
    p->front[level] = 1;
    p->mask[level] = 0;
}

/* Opens a part below the top level, whose header begins at `at`; false: a limit. */
static bool open_part(struct mime_parser *p, uint64_t at)
{
    struct level *above = p->depth ? top(p) : NULL;
    struct mime_part *part = p->depth < LEVELS ? new_part(p) : NULL;
    if (!part) {
        p->mime.truncated = true;
        return false;
    }
    uint32_t index = p->mime.n - 1;
    *part = (struct mime_part){.parent = above ? above->part : MIME_NONE,
        .child = MIME_NONE,
        .next = MIME_NONE,
        .depth = (uint32_t)p->depth,
        .header = at,
        .body = at,
        .end = at};
    bool digest = above && above->digest;
    part->content.type = digest ? S("message") : S("text");
    part->content.subtype = digest ? S("rfc822") : S("plain");
    if (above && above->last_child == MIME_NONE)
        p->mime.parts[above->part].child = index;
    else if (above)
        p->mime.parts[above->last_child].next = index;
    if (above)
        above->last_child = index;
    p->level[p->depth] = (struct level){.part = index, .last_child = MIME_NONE, .in_header = true};
    forget_boundary(p, p->depth++);
    return true;
}

static void flush_field(struct mime_parser *p)
{
    struct header_reader r = header_reader(buffer_slice(&p->field));
    struct header_field field;
    if (p->field.n && header_next(&r, &field) &&
        !mime_set_field(part_of(p, top(p)), &field, &top(p)->seen, p->arena))
        p->mime.broken = true;
    buffer_reset(&p->field);
}

static bool set_boundary(struct mime_parser *p, struct level *level)
{
    const struct parameter *found = parameter_find(&part_of(p, level)->content, S("boundary"));
    struct slice b = found ? found->value : S("");
    while (b.n && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
        b.n--;
    if (!b.n || b.n > MIME_BOUNDARY_MAX) {
        p->mime.broken = true;
        return false;
    }
    size_t i = (size_t)(level - p->level);
    level->split = true;
    level->boundary = b;
    p->front[i] = p->mask[i] = 0;
    memcpy(&p->front[i], b.p, b.n < 8 ? b.n : 8);
    memset(&p->mask[i], 0xFF, b.n < 8 ? b.n : 8);
    return true;
}

/* The header of the top level is complete; its body begins at `at`. */
static void end_header(struct mime_parser *p, uint64_t at)
{
    flush_field(p);
    struct level *level = top(p);
    struct mime_part *part = part_of(p, level);
    level->in_header = false;
    level->lines = p->lines;
    part->body = part->end = at;
    bool message =
        mime_is(part, S("message"), S("rfc822")) || mime_is(part, S("message"), S("global"));
    bool multipart = mime_is(part, S("multipart"), S(""));
    if (!message && !multipart)
        return;
    if (p->full || p->depth == LEVELS) {
        p->mime.truncated = true;
        mime_set_plain(part);
    } else if (multipart) {
        level->digest = mime_is(part, S("multipart"), S("digest"));
        if (!set_boundary(p, level))
            mime_set_plain(part);
    } else if (open_part(p, at)) {
        p->mime.parts[level->part].kind = MIME_MESSAGE;
    } else {
        p->full = true;
        mime_set_plain(part);
    }
}

/* Closes the levels above `keep` of them. Their bodies end at `end`, which is before the line that
 * begins at p->at; but no part ends before it begins, nor before its last child. */
static void close_levels(struct mime_parser *p, size_t keep, uint64_t end)
{
    /* A header without empty line: it may say that a message follows, which is then empty. */
    while (p->depth > keep && top(p)->in_header) {
        uint64_t header = part_of(p, top(p))->header;
        end_header(p, header > end ? header : end);
    }
    while (p->depth > keep) {
        struct level *level = top(p);
        struct mime_part *part = part_of(p, level);
        if (part->body > end)
            end = part->body;
        part->end = end;
        part->lines = p->lines - level->lines;
        if (end < p->at && part->lines)
            part->lines--; /* the line end that belongs to the boundary */
        if (part->child != MIME_NONE && part->kind == MIME_LEAF)
            part->kind = MIME_MULTIPART;
        if (level->split) {
            p->mime.broken |= !level->closed;
            if (part->kind == MIME_LEAF)
                mime_set_plain(part);
        }
        p->depth--;
    }
}

/* Which level's boundary is at the front of the text behind "--"? The longest one, of equals the
 * innermost (RFC 2046 §5.1.1: the rest of the line does not matter). LEVELS: none. */
static size_t match_boundary(const struct mime_parser *p, struct slice text)
{
    uint64_t front = 0;
    size_t best = LEVELS;
    size_t best_n = 0;
    if (text.n)
        memcpy(&front, text.p, text.n < 8 ? text.n : 8);
    for (size_t i = p->depth; i-- > 0;) {
        if ((front & p->mask[i]) != p->front[i])
            continue;
        struct slice b = p->level[i].boundary;
        if (b.n > best_n && slice_starts(text, b)) {
            best = i;
            best_n = b.n;
        }
    }
    return best;
}

/* text: behind "--"; next: where the line after it begins. False: it is no boundary. */
static bool boundary_line(struct mime_parser *p, struct slice text, uint64_t next)
{
    size_t found = p->full ? LEVELS : match_boundary(p, text);
    if (found == LEVELS)
        return false;
    struct level *level = &p->level[found];
    bool last = slice_starts(slice_from(text, level->boundary.n), S("--"));
    if (!last && p->mime.n >= MIME_PARTS_MAX) {
        p->full = p->mime.truncated = true;
        return false;
    }
    close_levels(p, found + 1, p->at - p->eol);
    if (last) {
        /* An outer multipart may have the same one. */
        level->closed = true;
        forget_boundary(p, found);
    } else if (!open_part(p, next)) {
        p->full = true;
    }
    return true;
}

static void header_line(struct mime_parser *p, struct slice text, uint64_t next)
{
    if (!text.n) {
        end_header(p, next);
        return;
    }
    bool goes_on = text.p[0] == ' ' || text.p[0] == '\t';
    if (!goes_on) {
        flush_field(p);
        if (!slice_starts_nocase(text, S("Content-")))
            return;
    } else if (!p->field.n) {
        return;
    }
    size_t left = p->field.max - p->field.n;
    if (left < text.n + 2)
        p->mime.truncated = true;
    else if (buffer_add(&p->field, text))
        buffer_add(&p->field, S("\r\n"));
}

/* A whole line. text: what is known of it without its line end; n: its true length with it; eol:
 * length of its line end. */
static void take_line(struct mime_parser *p, struct slice text, uint64_t n, unsigned eol)
{
    uint64_t next = p->at + n;
    bool boundary = slice_starts(text, S("--")) && boundary_line(p, slice_from(text, 2), next);
    p->lines += eol > 0;
    if (!boundary && top(p)->in_header)
        header_line(p, text, next);
    p->at = next;
    p->eol = eol;
}

/* Keeps the front of a line of which more will come. */
static void stash(struct mime_parser *p, struct slice piece)
{
    size_t max = top(p)->in_header ? MIME_FIELD_MAX : BODY_LINE_MAX;
    size_t left = p->line.n < max ? max - p->line.n : 0;
    if (!piece.n)
        return;
    p->line_n += piece.n;
    p->line_cr = piece.p[piece.n - 1] == '\r';
    buffer_add(&p->line, slice_sub(piece, 0, left));
}

static void end_stashed(struct mime_parser *p, bool lf)
{
    struct slice text = buffer_slice(&p->line);
    bool cr = lf && p->line_cr;
    if (cr && text.n == p->line_n)
        text.n--;
    uint64_t n = p->line_n + lf;
    p->line_n = 0;
    take_line(p, text, n, (unsigned)lf + cr);
    buffer_reset(&p->line);
}

void mime_feed(struct mime_parser *p, struct slice bytes)
{
    while (bytes.n) {
        size_t lf = slice_find(bytes, '\n');
        if (lf == SLICE_NONE) {
            stash(p, bytes);
            return;
        }
        struct slice text = slice_sub(bytes, 0, lf);
        bytes = slice_from(bytes, lf + 1);
        if (p->line_n) {
            stash(p, text);
            end_stashed(p, true);
            continue;
        }
        bool cr = text.n && text.p[text.n - 1] == '\r';
        text.n -= cr;
        take_line(p, text, lf + 1, 1u + cr);
    }
}

struct mime_parser *mime_begin(struct arena *arena)
{
    struct mime_parser *p = arena_new(arena, struct mime_parser);
    if (!p)
        return NULL;
    p->arena = arena;
    buffer_init(&p->line, MIME_FIELD_MAX);
    buffer_init(&p->field, MIME_FIELD_MAX);
    return open_part(p, 0) ? p : NULL;
}

const struct mime *mime_end(struct mime_parser *p)
{
    if (p->line_n)
        end_stashed(p, false);
    close_levels(p, 0, p->at);
    p->mime.size = p->at;
    buffer_finish(&p->line);
    buffer_finish(&p->field);
    return &p->mime;
}

const struct mime *mime_parse(struct slice message, struct arena *arena)
{
    struct mime_parser *p = mime_begin(arena);
    if (!p)
        return NULL;
    mime_feed(p, message);
    return mime_end(p);
}
