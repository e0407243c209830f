/* FETCH: what is taken stays within its limits, and the label of a section, asked for again, gives
 * the same label. */
#include "base/buffer.h"
#include "imap/items.h"
#include "message_fuzz.h"

static void again(const struct imap_section *s, struct arena *arena)
{
    struct buffer text;
    struct imap_items items;
    buffer_init(&text, s->label.n + 32);
    buffer_add_char(&text, ' ');
    buffer_add(&text, s->label);
    if (s->partial) {
        text.n--;
        buffer_printf(&text, ".%u>", s->length);
    }
    struct imap_lex l = imap_lex(buffer_slice(&text), arena);
    CHECK(imap_items_parse(&l, &items) && items.section_n == 1 && !items.items);
    const struct imap_section *t = &items.sections[0];
    CHECK(slice_eq(s->label, t->label) && s->kind == t->kind && s->path_n == t->path_n);
    CHECK(s->partial == t->partial && s->offset == t->offset && s->length == t->length);
    buffer_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena;
    struct imap_items items;
    arena_init(&arena, 8 << 20);
    struct imap_lex l = imap_lex(slice(data, n), &arena);
    bool taken = imap_items_parse(&l, &items);
    CHECK(l.at <= n && (taken ? imap_lex_end(&l) : l.why != NULL));
    if (taken) {
        CHECK((items.items || items.section_n) && items.section_n <= IMAP_SECTIONS_MAX);
        for (uint32_t i = 0; i < items.section_n; i++)
            again(&items.sections[i], &arena);
    }
    arena_reset(&arena);
    return 0;
}
