#include "imap/texts.h"
#include "message/charset.h"
#include "message/header.h"
#include "message/mime.h"
#include "message/word.h"

#define FIELD_MAX   ((size_t)4 * 1024 * 1024) /* of a field, decoded */
#define INLINE_MAX  ((size_t)16 * 1024)       /* more than this is computed elsewhere */
#define DECODED_MAX (TEXTS_PIECE + TRANSFER_SLACK)
#define UTF8_MAX    (DECODED_MAX * 12 + 64)

/* ---- bytes ---- */

enum outcome texts_open(
    struct texts_source *s, struct store *store, store_blob_id id, char *piece, deadline until)
{
    *s = (struct texts_source){.piece = piece, .until = until};
    enum outcome o = store_blob_open(store, id, &s->blob, until);
    if (o == OUTCOME_DONE)
        s->size = store_blob_size(s->blob);
    return o;
}

void texts_close(struct texts_source *s)
{
    store_blob_close(s->blob);
    s->blob = NULL;
}

/* What the piece at `offset` holds from there on; reads it first when another one is there. */
TASK_FN
static enum outcome bytes_at(struct texts_source *s, uint64_t offset, struct slice *bytes)
{
    if (offset < s->at || offset >= s->at + s->n) {
        s->at = offset & ~(uint64_t)(TEXTS_PIECE - 1);
        s->n = 0;
        enum outcome o = store_blob_read(s->blob, s->at, s->piece, TEXTS_PIECE, &s->n, s->until);
        if (o != OUTCOME_DONE)
            return o;
    }
    *bytes = slice_from(slice(s->piece, s->n), (size_t)(offset - s->at));
    return bytes->n ? OUTCOME_DONE : OUTCOME_FAILED; /* shorter than it says */
}

enum outcome texts_header(struct texts_source *s, struct buffer *to)
{
    uint64_t at = 0;
    struct slice bytes;
    while (at < s->size && to->n < TEXTS_HEADER_MAX) {
        enum outcome o = bytes_at(s, at, &bytes);
        if (o != OUTCOME_DONE)
            return o;
        size_t before = to->n > 3 ? to->n - 3 : 0;
        if (!buffer_add(to, slice_sub(bytes, 0, TEXTS_HEADER_MAX - to->n)))
            return OUTCOME_REFUSED;
        at += bytes.n;
        struct slice fresh = slice_from(buffer_slice(to), before);
        bool first =
            before == 0 && (slice_starts(fresh, S("\n")) || slice_starts(fresh, S("\r\n")));
        if (first || slice_find_slice(fresh, S("\n\n")) != SLICE_NONE ||
            slice_find_slice(fresh, S("\n\r\n")) != SLICE_NONE)
            break;
        task_yield();
    }
    to->n = header_end(buffer_slice(to));
    return OUTCOME_DONE;
}

/* ---- one message ---- */

struct feed {
    struct texts_source *source;
    struct needles *needles;
    const struct mime *mime;
    struct arena arena;
    struct buffer header, decoded, utf8;
    /* of the part */
    struct transfer_decoder transfer;
    struct charset *charset; /* NULL: UTF-8 */
    bool full;
};

/* What is computed on one piece. */
struct work {
    struct feed *feed;
    struct slice bytes;
    void (*fn)(struct feed *f, struct slice bytes);
};

static void run_work(void *arg)
{
    struct work *w = arg;
    w->fn(w->feed, w->bytes);
}

/* Not for long on the reactor. */
TASK_FN
static void compute(
    struct feed *f, struct slice bytes, void (*fn)(struct feed *f, struct slice bytes))
{
    struct work w = {f, bytes, fn};
    bool small = bytes.n <= INLINE_MAX && f->needles->n <= 16;
    if (small || !offload_run(OFFLOAD_CPU, run_work, &w)) {
        run_work(&w);
        task_yield();
    }
}

/* ---- headers ---- */

static void feed_header(struct feed *f, struct slice header)
{
    struct header_reader r = header_reader(header);
    struct header_field field;
    while (header_next(&r, &field) && needles_wanted(f->needles, NEEDLES_HEADER)) {
        buffer_reset(&f->utf8);
        buffer_add(&f->utf8, field.name);
        buffer_add(&f->utf8, S(": "));
        if (!word_decode(field.value, &f->utf8))
            continue; /* longer than anything that is looked for */
        needles_begin(f->needles, NEEDLES_HEADER);
        f->full = !needles_feed(f->needles, buffer_slice(&f->utf8)) || f->full;
        needles_end(f->needles);
    }
}

TASK_FN
static enum outcome gather(struct feed *f, uint64_t at, uint64_t end)
{
    struct slice bytes;
    buffer_reset(&f->header);
    while (at < end && f->header.n < TEXTS_HEADER_MAX) {
        enum outcome o = bytes_at(f->source, at, &bytes);
        if (o != OUTCOME_DONE)
            return o;
        bytes = slice_sub(bytes, 0, (size_t)(end - at));
        if (!buffer_add(&f->header, slice_sub(bytes, 0, TEXTS_HEADER_MAX - f->header.n)))
            return OUTCOME_REFUSED;
        at += bytes.n;
    }
    return OUTCOME_DONE;
}

/* ---- bodies ---- */

static void to_utf8(struct feed *f, bool end)
{
    struct slice decoded = buffer_slice(&f->decoded);
    buffer_reset(&f->utf8);
    bool fine = f->charset ? charset_feed(f->charset, decoded, &f->utf8) : true;
    if (f->charset && end)
        fine = charset_end(f->charset, &f->utf8) && fine;
    f->full = !fine || f->full || !needles_feed(f->needles, buffer_slice(&f->utf8));
}

static void feed_piece(struct feed *f, struct slice bytes)
{
    buffer_reset(&f->decoded);
    f->full = !transfer_feed(&f->transfer, bytes, &f->decoded) || f->full;
    to_utf8(f, false);
}

static void feed_end(struct feed *f, struct slice none)
{
    buffer_reset(&f->decoded);
    f->full = !transfer_end(&f->transfer, &f->decoded) || f->full;
    to_utf8(f, true);
    needles_end(f->needles);
}

/* An unknown charset is read as UTF-8, which finds ASCII at least. */
static struct charset *open_charset(const struct mime_part *part)
{
    const struct parameter *named = parameter_find(&part->content, S("charset"));
    struct charset *c = named ? charset_open(named->value) : NULL;
    return c ? c : charset_open(S("UTF-8"));
}

TASK_FN
static enum outcome feed_body(struct feed *f, const struct mime_part *part)
{
    uint64_t at = part->body;
    struct slice bytes;
    f->charset = open_charset(part);
    if (!f->charset)
        return OUTCOME_REFUSED;
    transfer_init(&f->transfer, part->transfer);
    needles_begin(f->needles, NEEDLES_BODY);
    while (at < part->end && needles_wanted(f->needles, NEEDLES_BODY)) {
        enum outcome o = bytes_at(f->source, at, &bytes);
        if (o != OUTCOME_DONE) {
            charset_close(f->charset);
            return o;
        }
        bytes = slice_sub(bytes, 0, (size_t)(part->end - at));
        compute(f, bytes, feed_piece);
        at += bytes.n;
    }
    compute(f, S(""), feed_end);
    charset_close(f->charset);
    return OUTCOME_DONE;
}

/* ---- the whole ---- */

/* The structure; its header is read once more, from the same piece as a rule. */
TASK_FN
static enum outcome parse(struct feed *f)
{
    struct mime_parser *parser = mime_begin(&f->arena);
    enum outcome o = OUTCOME_DONE;
    struct slice bytes;
    if (!parser)
        return OUTCOME_REFUSED;
    for (uint64_t at = 0; at < f->source->size && o == OUTCOME_DONE; at += bytes.n) {
        o = bytes_at(f->source, at, &bytes);
        if (o != OUTCOME_DONE)
            break;
        mime_feed(parser, bytes);
        if (f->source->size > TEXTS_PIECE)
            task_yield();
    }
    f->mime = mime_end(parser);
    return o;
}

TASK_FN
static enum outcome feed_part(struct feed *f, uint32_t index)
{
    const struct mime_part *part = &f->mime->parts[index];
    bool message = part->parent == MIME_NONE || f->mime->parts[part->parent].kind == MIME_MESSAGE;
    enum outcome o = OUTCOME_DONE;
    if (message && needles_wanted(f->needles, NEEDLES_HEADER)) {
        o = gather(f, part->header, part->body);
        if (o == OUTCOME_DONE)
            compute(f, buffer_slice(&f->header), feed_header);
    }
    bool text = part->kind == MIME_LEAF && mime_is(part, S("text"), S(""));
    if (o == OUTCOME_DONE && text && part->body < part->end)
        o = feed_body(f, part);
    return o;
}

enum outcome texts_feed(struct texts_source *s, struct needles *needles)
{
    struct feed f = {.source = s, .needles = needles};
    arena_init(&f.arena, MIME_ARENA_MAX);
    buffer_init(&f.header, TEXTS_HEADER_MAX);
    buffer_init(&f.decoded, DECODED_MAX);
    buffer_init(&f.utf8, FIELD_MAX > UTF8_MAX ? FIELD_MAX : UTF8_MAX);
    enum outcome o = parse(&f);
    for (uint32_t i = 0; o == OUTCOME_DONE && i < f.mime->n && !f.full; i++) {
        if (!needles_wanted(needles, NEEDLES_HEADER | NEEDLES_BODY))
            break;
        o = feed_part(&f, i);
    }
    if (o == OUTCOME_DONE && f.full)
        o = OUTCOME_REFUSED;
    buffer_finish(&f.header);
    buffer_finish(&f.decoded);
    buffer_finish(&f.utf8);
    arena_reset(&f.arena);
    return o;
}
