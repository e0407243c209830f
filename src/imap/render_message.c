#include "base/utf8.h"
#include "imap/imap.h"
#include "imap/render.h"
#include "message/header.h"

/* Larger headers get no row when a message is stored. */
#define STORED_HEADER ((size_t)64 * 1024)
/* Of the structure of a message that is stored; with more in it there is no row. */
#define STORED_ARENA ((size_t)1024 * 1024)

/* Appends the cached fields. False: no room, or the header does not end in CRLF CRLF. */
static bool put_fields(struct slice header, struct buffer *to)
{
    struct header_reader r = header_reader(header);
    struct header_field f;
    bool fits = slice_ends(header, S("\n\r\n"));
    while (fits && header_next(&r, &f))
        if (render_field_cached(f.name))
            fits = buffer_add(to, f.raw);
    return fits && r.at == header.n;
}

static bool needs_utf8(struct slice header, const struct mime *mime)
{
    if (!utf8_ascii(header))
        return true;
    for (uint32_t i = 0; i < mime->n; i++)
        if (mime->parts[i].kind == MIME_MESSAGE &&
            mime_is(&mime->parts[i], S("message"), S("global")))
            return true;
    return false;
}

bool render_message(struct slice header, const struct mime *mime,
    const struct render_source *source, struct buffer *to, struct rendered *out)
{
    *out = (struct rendered){0};
    render_envelope(header, to);
    size_t envelope = to->n;
    render_structure(mime, true, source, to);
    size_t structure = to->n;
    if (to->overflow)
        return false;
    out->has_fields = put_fields(header, to);
    if (!out->has_fields) {
        to->n = structure;
        to->overflow = false;
    }
    out->utf8 = needs_utf8(header, mime);
    out->envelope = slice(to->p, envelope);
    out->structure = slice(to->p + envelope, structure - envelope);
    out->fields = slice(to->p + structure, to->n - structure);
    return true;
}

/* ---- a message that is being stored ---- */

struct whole {
    struct slice head, body;
    const struct mime *mime;
};

static struct slice header_of(void *arg, uint32_t part)
{
    const struct whole *w = arg;
    const struct mime_part *p = &w->mime->parts[part];
    if (p->header < w->head.n)
        return S("");
    return slice_sub(w->body, p->header - w->head.n, p->body - p->header);
}

static bool render_whole(
    struct whole *w, struct arena *arena, struct buffer *text, struct rendered *out)
{
    size_t header = header_end(w->body);
    char *both = arena_alloc(arena, w->head.n + header);
    struct mime_parser *parser = both ? mime_begin(arena) : NULL;
    if (!parser)
        return false;
    if (w->head.n)
        memcpy(both, w->head.p, w->head.n);
    if (header)
        memcpy(both + w->head.n, w->body.p, header);
    mime_feed(parser, w->head);
    mime_feed(parser, w->body);
    w->mime = mime_end(parser);
    struct render_source source = {.header_of = header_of, .arg = w};
    return render_message(slice(both, w->head.n + header), w->mime, &source, text, out);
}

bool imap_render(struct slice head, struct slice body, struct buffer *row)
{
    struct whole whole = {.head = head, .body = body};
    struct rendered out;
    struct arena arena;
    struct buffer text;
    if (head.n > STORED_HEADER || header_end(body) > STORED_HEADER)
        return false;
    arena_init(&arena, STORED_ARENA);
    buffer_init(&text, RENDER_UNPACK_MAX);
    bool made = buffer_room(&text, 4000) && render_whole(&whole, &arena, &text, &out) &&
                render_row_pack(&out, row);
    buffer_finish(&text);
    arena_reset(&arena);
    return made;
}
