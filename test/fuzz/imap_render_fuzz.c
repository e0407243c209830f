/* Whatever a message is, ENVELOPE, BODYSTRUCTURE and BODY are valid syntax, at small limits too,
 * and its row comes back as it was; whatever a row is, it is refused or read. */
#include "../unit/imap/grammar.h"
#include "imap/imap.h"
#include "imap/render.h"
#include "mailbox/mailbox.h"
#include "message_fuzz.h"

static struct slice message;
static const struct mime *mime;
static char scratch[RENDER_UNPACK_MAX];

static struct slice header_of(void *arg, uint32_t part)
{
    return mime_header(&mime->parts[part], message);
}

static const struct render_source source = {.header_of = header_of};

static void check_structure(bool extended, size_t max)
{
    struct buffer b;
    size_t parts;
    buffer_init(&b, max);
    render_structure(mime, extended, &source, &b);
    CHECK(!b.overflow);
    CHECK(grammar_body(buffer_slice(&b), extended, &parts));
    CHECK(parts <= mime->n);
    if (max == RENDER_TEXT_MAX && extended) {
        struct buffer derived, direct;
        buffer_init(&derived, max);
        buffer_init(&direct, max);
        CHECK(render_body_of_structure(buffer_slice(&b), &derived));
        render_structure(mime, false, &source, &direct);
        CHECK(slice_eq(buffer_slice(&derived), buffer_slice(&direct)));
        buffer_finish(&derived);
        buffer_finish(&direct);
    }
    buffer_finish(&b);
}

static void check_envelope(void)
{
    struct buffer b;
    buffer_init(&b, RENDER_TEXT_MAX);
    render_envelope(message, &b);
    CHECK(!b.overflow && grammar_envelope(buffer_slice(&b)));
    buffer_finish(&b);
    buffer_init(&b, 100);
    render_envelope(message, &b);
    CHECK(!b.overflow && grammar_envelope(buffer_slice(&b)));
    buffer_finish(&b);
}

static void check_row(size_t cut)
{
    struct buffer row;
    struct rendered r;
    size_t parts;
    buffer_init(&row, 4096);
    if (imap_render(slice_sub(message, 0, cut), slice_from(message, cut), &row)) {
        CHECK(row.n <= MAILBOX_RENDERED_MAX);
        CHECK(render_row_unpack(buffer_slice(&row), scratch, &r));
        CHECK(grammar_envelope(r.envelope) && grammar_body(r.structure, true, &parts));
        CHECK(r.has_fields || !r.fields.n);
    }
    buffer_finish(&row);
}

static void check_hostile(struct slice row)
{
    struct rendered r;
    struct buffer b;
    if (render_row_unpack(row, scratch, &r))
        CHECK(r.envelope.n && r.structure.n);
    buffer_init(&b, 65536);
    render_body_of_structure(row, &b);
    buffer_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena;
    message = slice(data, n);
    arena_init(&arena, MIME_ARENA_MAX);
    mime = mime_parse(message, &arena);
    CHECK(mime);
    check_structure(true, RENDER_TEXT_MAX);
    check_structure(true, mime->n * RENDER_PART_MIN);
    check_structure(false, mime->n * RENDER_PART_MIN + n);
    check_envelope();
    check_row(0);
    check_row(n / 2);
    check_hostile(message);
    arena_reset(&arena);
    return 0;
}
