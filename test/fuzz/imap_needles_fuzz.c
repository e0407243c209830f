/* A text in pieces is searched like the whole. The input: needle, NUL, text; the first byte of the
 * text says how long pieces are. */
#include "base/utf8.h"
#include "imap/needles.h"
#include "message/charset.h"
#include "message_fuzz.h"

/* The longest beginning of at most n bytes that ends with a character. */
static struct slice whole_characters(struct slice s, size_t n)
{
    struct slice cut = slice_sub(s, 0, n);
    while (cut.n < s.n && ((unsigned char)s.p[cut.n] & 0xC0) == 0x80)
        cut.n++;
    return cut;
}

static bool in_pieces(struct needles *needles, struct slice text, size_t n)
{
    needles_begin(needles, NEEDLES_BODY);
    while (text.n) {
        struct slice piece = whole_characters(text, n);
        CHECK(needles_feed(needles, piece));
        text = slice_from(text, piece.n);
    }
    needles_end(needles);
    return needles->list[0].found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice text = slice(data, n), wanted = slice_cut(&text, '\0');
    struct needles needles;
    struct arena arena;
    struct buffer utf8, folded;
    uint32_t index;
    if (n > 4096)
        return 0;
    arena_init(&arena, 1 << 20);
    buffer_init(&utf8, n * 3 + 1);
    buffer_init(&folded, n * 3 * NEEDLES_GROWTH + 1);
    CHECK(charset_repair_utf8(text, &utf8) && needles_fold(buffer_slice(&utf8), &folded));
    CHECK(utf8_valid(buffer_slice(&folded)));
    CHECK(needles_init(&needles, 1, &arena));
    CHECK(needles_add(&needles, wanted, NEEDLES_BODY, &arena, &index) && index == 0);
    bool expected = slice_find_slice(buffer_slice(&folded), needles.list[0].text) != SLICE_NONE;
    size_t length = text.n ? (unsigned char)text.p[0] % 32 + 1U : 1;
    CHECK(in_pieces(&needles, buffer_slice(&utf8), length) == expected);
    needles_finish(&needles);
    buffer_finish(&utf8);
    buffer_finish(&folded);
    arena_reset(&arena);
    return 0;
}
