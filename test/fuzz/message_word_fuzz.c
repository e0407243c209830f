#include "base/utf8.h"
#include "message/charset.h"
#include "message/word.h"
#include "message_fuzz.h"

static void check_lines(struct slice s)
{
    while (s.n) {
        struct slice line = slice_cut(&s, '\n');
        CHECK(line.n <= 77 && utf8_ascii(line));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice text = slice(data, n);
    struct buffer out, words, repaired, again;
    buffer_init(&out, 16 * n + 1024);
    CHECK(word_decode(text, &out));
    CHECK(utf8_valid(buffer_slice(&out)) && one_line(buffer_slice(&out)));
    /* Written and read again it is the same, but for control bytes. */
    buffer_init(&words, 32 * n + 1024);
    buffer_init(&repaired, 3 * n + 16);
    buffer_init(&again, 16 * n + 1024);
    enum word_place place = n % 2 ? WORD_TEXT : WORD_PHRASE;
    CHECK(word_encode(text, place, n % 80, &words));
    struct slice lines = buffer_slice(&words);
    slice_cut(&lines, '\n');
    check_lines(lines);
    CHECK(charset_repair_utf8(text, &repaired));
    CHECK(word_decode(buffer_slice(&words), &again));
    for (size_t i = 0; i < repaired.n; i++)
        if ((unsigned char)repaired.p[i] < ' ' || repaired.p[i] == 0x7f)
            repaired.p[i] = ' ';
    CHECK(slice_eq(buffer_slice(&again), buffer_slice(&repaired)));
    buffer_finish(&out);
    buffer_finish(&words);
    buffer_finish(&repaired);
    buffer_finish(&again);
    return 0;
}
