#include "base/utf8.h"
#include "unit/unit.h"

static void good_text(void **state)
{
    const char *const good[] = {"", "plain ascii, longer than a word or two", "\xc2\x80",
        "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "123456\xc3\xa9.1234567\xe2\x82\xac"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_valid(slice_str(good[i])));
    assert_true(utf8_valid(S("a\0b")));
    assert_true(utf8_valid(slice(NULL, 0)));
}

static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41",
    "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98", "\xfe", "\xff", "\xf8\x88\x80\x80\x80"};

static void bad_text_anywhere(void **state)
{
    char text[40];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t at = 0; at < 20; at++) {
            memset(text, 'x', sizeof text);
            memcpy(text + at, bad[i], strlen(bad[i]));
            assert_false(utf8_valid(slice(text, sizeof text)));
            assert_false(utf8_valid(slice(text, at + strlen(bad[i]))));
            assert_false(utf8_ascii(slice(text, sizeof text)));
        }
    }
}

static void a_bad_sequence_is_taken_as_one_byte(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice s = slice_str(bad[i]);
        size_t n = s.n;
        assert_int_equal(utf8_take(&s), 0xFFFD);
        assert_int_equal(s.n, n - 1);
    }
}

static void every_code_point_comes_back(void **state)
{
    char out[4];
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        struct slice s = slice(out, utf8_put(code, out));
        if (!utf8_valid(s) || utf8_take(&s) != code || s.n)
            fail_msg("U+%04X", (unsigned)code);
    }
}

static void what_is_no_character_is_written_as_the_replacement(void **state)
{
    const uint32_t codes[] = {0xD800, 0xDFFF, 0x110000, UINT32_MAX};
    char out[4];
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_slice(slice(out, utf8_put(codes[i], out)), S("\xef\xbf\xbd"));
}

static void ascii_ends_at_0x7f(void **state)
{
    assert_true(utf8_ascii(S("0123456\x7f"
                             "01\x7f")));
    assert_false(utf8_ascii(S("0123456\x80")));
    assert_false(utf8_ascii(S("01234567\x80")));
    assert_true(utf8_ascii(slice(NULL, 0)));
}

static void controls_of_all_kinds(void **state)
{
    static const uint32_t controls[] = {0, '\t', '\n', 0x1b, 0x1f, 0x7f, 0x80, 0x9b, 0x9f, 0x61c,
        0x200e, 0x200f, 0x2028, 0x202e, 0x2066, 0x2069};
    static const uint32_t fine[] = {
        ' ', '~', 0xa0, 0xe4, 0x61b, 0x200d, 0x2010, 0x2027, 0x202f, 0x2065, 0x206a, 0x1f600};
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        assert_true(utf8_control(controls[i]));
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        assert_false(utf8_control(fine[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text),
        cmocka_unit_test(bad_text_anywhere),
        cmocka_unit_test(a_bad_sequence_is_taken_as_one_byte),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(what_is_no_character_is_written_as_the_replacement),
        cmocka_unit_test(ascii_ends_at_0x7f),
        cmocka_unit_test(controls_of_all_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
