#include "base/blame.h"
#include "imap/fetch_private.h"
#include <stdlib.h>

/* A structure is kept between commands when parsing it again would take long and keeping it takes
 * little. */
#define KEPT_SIZE  ((uint64_t)64 * 1024)
#define KEPT_ARENA ((size_t)64 * 1024)

static bool damaged(struct fetch_source *src, const char *event, enum outcome o)
{
    imap_journal_damage(src->session, event, src->uid, o);
    return false;
}

bool fetch_source_open(struct fetch_source *src, const struct mailbox_message *m)
{
    struct store *store = imap_store(src->session);
    src->uid = m->uid;
    src->gone = false;
    if (src->blob)
        return true;
    if (!src->piece && !(src->piece = malloc(FETCH_PIECE)))
        return damaged(src, "no memory for a message", OUTCOME_FAILED);
    if (blame_work_listed(m->blob))
        return damaged(
            src, "message is kept from readers: it ended the server twice", OUTCOME_DONE);
    blame_now.work = m->blob;
    enum outcome o = store_blob_open(store, m->blob, &src->blob, imap_soon());
    src->gone = o == OUTCOME_REFUSED;
    if (o != OUTCOME_DONE) {
        src->blob = NULL;
        return src->gone ? false : damaged(src, "message cannot be read", o);
    }
    src->id = m->blob;
    src->size = store_blob_size(src->blob);
    src->piece_n = 0;
    src->has_header = false;
    buffer_reset(&src->header);
    return true;
}

void fetch_source_close(struct fetch_source *src)
{
    store_blob_close(src->blob);
    src->blob = NULL;
}

bool fetch_source_read(struct fetch_source *src, uint64_t at, struct slice *bytes)
{
    uint64_t start = at - at % FETCH_PIECE;
    *bytes = S("");
    if (at >= src->size)
        return true;
    if (!src->piece_n || src->piece_at != start) {
        size_t n, wanted = FETCH_PIECE;
        if (src->size - start < wanted)
            wanted = (size_t)(src->size - start);
        src->piece_n = 0;
        enum outcome o = store_blob_read(src->blob, start, src->piece, wanted, &n, imap_soon());
        if (o != OUTCOME_DONE || n != wanted)
            return damaged(src, "message cannot be read", o);
        src->piece_at = start;
        src->piece_n = n;
    }
    *bytes = slice_from(slice(src->piece, src->piece_n), (size_t)(at - start));
    return true;
}

/* ---- header and structure ---- */

/* Looks for the empty line in bytes that come in pieces; agrees with message/header.h. */
struct finder {
    bool line, cr; /* at the beginning of a line; behind a CR there */
};

/* How many of these bytes belong to the header; *found: it ends there. */
static size_t find_end(struct finder *f, struct slice s, bool *found)
{
    size_t at = 0;
    while (at < s.n) {
        if (f->line && s.p[at] == '\n') {
            *found = true;
            return at + 1;
        }
        if (f->line && !f->cr && s.p[at] == '\r') {
            f->cr = true;
            at++;
            continue;
        }
        const char *lf = memchr(s.p + at, '\n', s.n - at);
        f->line = lf != NULL;
        f->cr = false;
        at = lf ? (size_t)(lf - s.p) + 1 : s.n;
    }
    return s.n;
}

bool fetch_source_header(struct fetch_source *src)
{
    struct finder finder = {.line = true};
    struct slice s;
    bool found = false;
    uint64_t at = 0;
    if (src->has_header)
        return true;
    buffer_reset(&src->header);
    while (!found && at < src->size) {
        if (!fetch_source_read(src, at, &s))
            return false;
        s.n = find_end(&finder, s, &found);
        if (!buffer_add(&src->header, slice_sub(s, 0, RENDER_HEADER_MAX - src->header.n)))
            return damaged(src, "no memory for a header", OUTCOME_FAILED);
        at += s.n;
        if (at >= FETCH_PIECE)
            task_yield();
    }
    src->body_at = at;
    return src->has_header = true;
}

static struct imap_parsed *parsed_for(struct fetch_source *src)
{
    if (!src->parsed && !(src->parsed = calloc(1, sizeof *src->parsed)))
        return NULL;
    if (src->parsed->mime)
        arena_reset(&src->parsed->arena);
    *src->parsed = (struct imap_parsed){0};
    arena_init(&src->parsed->arena, MIME_ARENA_MAX);
    return src->parsed;
}

const struct mime *fetch_source_mime(struct fetch_source *src)
{
    if (src->parsed && src->parsed->mime && src->parsed->blob == src->id)
        return src->parsed->mime;
    struct imap_parsed *parsed = parsed_for(src);
    struct mime_parser *parser = parsed ? mime_begin(&parsed->arena) : NULL;
    struct slice s;
    bool whole = true;
    if (!parser) {
        damaged(src, "no memory for the structure of a message", OUTCOME_FAILED);
        return NULL;
    }
    for (uint64_t at = 0; whole && at < src->size; at += s.n) {
        whole = fetch_source_read(src, at, &s);
        mime_feed(parser, s);
        if (src->size > FETCH_PIECE)
            task_yield();
    }
    parsed->mime = mime_end(parser);
    parsed->blob = whole ? src->id : 0;
    return whole ? parsed->mime : NULL;
}

void imap_fetch_forget(struct imap_session *s)
{
    if (s->parsed)
        arena_reset(&s->parsed->arena);
    free(s->parsed);
    s->parsed = NULL;
}

void fetch_source_finish(struct fetch_source *src)
{
    struct imap_session *s = src->session;
    fetch_source_close(src);
    s->parsed = src->parsed;
    const struct imap_parsed *p = s->parsed;
    if (p && (!p->blob || p->mime->size < KEPT_SIZE || p->arena.used > KEPT_ARENA))
        imap_fetch_forget(s);
    free(src->piece);
    buffer_finish(&src->header);
}

/* ---- ranges ---- */

bool fetch_source_verify(struct fetch_source *src, uint64_t at, uint64_t n)
{
    struct slice s;
    uint64_t end = at + n;
    while (at < end) {
        if (!fetch_source_read(src, at, &s) || !s.n)
            return false;
        at += s.n;
        if (at < end)
            task_yield();
    }
    return true;
}

bool fetch_source_copy(struct fetch_source *src, uint64_t at, uint64_t n, struct buffer *to)
{
    struct slice s;
    uint64_t end = at + n;
    while (at < end) {
        if (!fetch_source_read(src, at, &s) || !s.n)
            return false;
        s = slice_sub(s, 0, (size_t)(end - at));
        if (!buffer_add(to, s))
            return damaged(src, "no memory for a header", OUTCOME_FAILED);
        at += s.n;
    }
    return true;
}
