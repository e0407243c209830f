#include "message/word.h"
#include "message_test.h"

static void decoding(void **state)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        {"", ""},
        {" plain\r\n text ", "plain text"},
        {"=?iso-8859-1?q?a=E4_b?=", "aä b"},
        {"=?UTF-8?B?w6Q=?=", "ä"},
        {"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
        {"=?utf-8?q?a?=\r\n\t =?iso-8859-1?q?=E4?=", "aä"},
        {"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
        {"x =?utf-8?q?=C3?= =?utf-8?q?=A4?= y", "x ä y"},
        {"=?utf-8?q?=C3?= y", "\uFFFD y"},
        {"=?utf-8*en?q?y?=", "y"},
        {"=?nope?q?x?= =?utf-8?q?y?=", "=?nope?q?x?= y"},
        {"=?utf-8?q?y?= =?nope?q?x?= =?utf-8?q?y?=", "y =?nope?q?x?= y"},
        {"=?utf-8?x?y?=", "=?utf-8?x?y?="},
        {"=?utf-8?q?y", "=?utf-8?q?y"},
        {"=?utf-8?q?y?", "=?utf-8?q?y?"},
        {"=?=?=?utf-8?q?y?=", "=?=?y"},
        {"(=?utf-8?q?y?=)", "(y)"},
        {"=?utf-8?q?a=0D=0AX:_b=00?=", "a  X: b "},
        {"=?utf-8?q?=zz=4?=", "=zz=4"},
        {"=?utf-8?q?a b?=", "a b"},
        {"=?utf-7?q?+AGE-?=", "=?utf-7?q?+AGE-?="},
        {"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "日本"},
        {"gr\xc3\xbc\xdf", "grü\uFFFD"},
        {"=?utf-8?q?"
         "?=",
            ""},
    };
    struct buffer b;
    buffer_init(&b, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer_reset(&b);
        assert_true(word_decode(slice_str(cases[i].value), &b));
        assert_slice(buffer_slice(&b), slice_str(cases[i].text));
    }
    buffer_reset(&b);
    assert_true(word_decode(S("a\0b"), &b));
    assert_slice(buffer_slice(&b), S("a b"));
    buffer_finish(&b);
    buffer_init(&b, 3);
    assert_false(word_decode(S("=?utf-8?q?abcd?="), &b));
    buffer_finish(&b);
}

static void encoding(void **state)
{
    struct buffer b;
    buffer_init(&b, 10000);
    assert_false(word_needed(S("plain = text ?")));
    assert_true(word_needed(S("a =?b")));
    assert_true(word_needed(S("\xc3\xa4")));
    assert_true(word_needed(S("a\tb")));
    assert_true(word_encode(S("Gr\xc3\xbc\xc3\x9f"
                              "e an_alle"),
        WORD_TEXT, 9, &b));
    assert_slice(buffer_slice(&b), S("=?UTF-8?B?R3LDvMOfZSBhbl9hbGxl?="));
    buffer_reset(&b);
    assert_true(word_encode(S("Gr\xc3\xbc"
                              "n an alle (dort)"),
        WORD_TEXT, 9, &b));
    assert_slice(buffer_slice(&b), S("=?UTF-8?Q?Gr=C3=BCn_an_alle_(dort)?="));
    buffer_reset(&b);
    assert_true(word_encode(S("Gr\xc3\xbc"
                              "n an alle (dort)"),
        WORD_PHRASE, 9, &b));
    assert_slice(buffer_slice(&b), S("=?UTF-8?Q?Gr=C3=BCn_an_alle_=28dort=29?="));
    buffer_finish(&b);
}

static void long_text_in_words_of_75(void **state)
{
    struct slice text = repeated(S("x"), S("\xe6\x97\xa5\xc3\xa4 and ascii "), 3003);
    struct buffer b, again;
    for (size_t column = 0; column < 80; column++) {
        buffer_init(&b, 100000);
        buffer_init(&again, 100000);
        assert_true(word_encode(text, WORD_TEXT, column, &b));
        struct slice lines = buffer_slice(&b);
        for (size_t at = column; lines.n; at = 0) {
            struct slice line = slice_cut(&lines, '\n');
            assert_true(line.n + at <= 77 || !at || line.n == 1);
            assert_true(line.n <= 77);
        }
        assert_true(word_decode(buffer_slice(&b), &again));
        assert_slice(buffer_slice(&again), text);
        buffer_finish(&b);
        buffer_finish(&again);
    }
    drop(text);
}

static void hostile_words_take_linear_time(void **state)
{
    static const char *const units[] = {"=?", "=?utf-8?q?", "=?utf-8?q?a?= ", "=", "?",
        "=?a?q?x?=", "=?koi8-r?q?=ff?=", "=?koi8-r?q?a?= =?big5?q?b?= ", "=?utf-8?b?QUJD?= ",
        "=?iso-2022-jp?b?GyRC?= ", "\r\n ", "\xff"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice value = repeated(S(""), slice_str(units[i]), TEN_MB);
        struct buffer b;
        buffer_init(&b, 4 * TEN_MB);
        int64_t start = cpu_now();
        assert_true(word_decode(value, &b));
        assert_within_time(start);
        buffer_finish(&b);
        drop(value);
    }
}

static void a_word_too_long_is_no_word(void **state)
{
    struct slice value = repeated(S("=?utf-8?q?"), S("a"), 10 + WORD_MAX + 2);
    char *end = (char *)(uintptr_t)value.p + value.n - 2;
    struct buffer b;
    memcpy(end, "?=", 2);
    buffer_init(&b, 1024 * 1024);
    assert_true(word_decode(value, &b));
    assert_int_equal(b.n, WORD_MAX);
    drop(value);
    value = repeated(S("=?utf-8?q?"), S("a"), 10 + WORD_MAX + 3);
    memcpy((char *)(uintptr_t)value.p + value.n - 2, "?=", 2);
    buffer_reset(&b);
    assert_true(word_decode(value, &b));
    assert_slice(buffer_slice(&b), value);
    drop(value);
    buffer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(encoding),
        cmocka_unit_test(long_text_in_words_of_75),
        cmocka_unit_test(hostile_words_take_linear_time),
        cmocka_unit_test(a_word_too_long_is_no_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
