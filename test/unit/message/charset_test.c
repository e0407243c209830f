#include "message/charset.h"
#include "message_test.h"
#include <pthread.h>

static const struct {
    const char *name;
    struct slice bytes;
    const char *utf8;
} texts[] = {
    {"UTF-8", {"a\xc3\xa4\xe6\x97\xa5\xf0\x9f\x98\x80", 10}, "aä日😀"},
    {"utf-8",
        {"a\x80"
         "b\xc3(\xe6\x97",
            7},
        "a\uFFFDb\uFFFD(\uFFFD\uFFFD"},
    {"us-ascii", {"plain\xc3\xa4", 7}, "plainä"},
    {"ISO-8859-1", {"\xe4\x80\x9f\x81", 4}, "ä€Ÿ\xc2\x81"},
    {"windows-1252", {"\x93q\x94", 3}, "“q”"},
    {"iso-8859-15", {"\xa4", 1}, "€"},
    {"koi8-r", {"\xf0\xd2\xc9", 3}, "При"},
    {"windows-1251", {"\xcf\xf0\x98\xe8", 4}, "Пр\uFFFDи"},
    {"iso-2022-jp", {"\x1b$BF|K\\\x1b(B!", 11}, "日本!"},
    {"Shift_JIS", {"\x93\xfa\x96\x7b", 4}, "日本"},
    {"euc-jp", {"\xc6\xfc\xcb\xdc", 4}, "日本"},
    {"gb2312", {"\xc4\xe3\xba\xc3", 4}, "你好"},
    {"big5", {"\xa7\x41\xa6\x6e", 4}, "你好"},
    {"ks_c_5601-1987", {"\xb0\xa1", 2}, "가"},
    {"utf-16be", {"\x00\x61\x65\xe5", 4}, "a日"},
    {"utf-16le", {"\x61\x00\xe5\x65", 4}, "a日"},
};

static void known_charsets_in_any_pieces(void **state)
{
    struct buffer b;
    buffer_init(&b, 1000);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct slice bytes = texts[i].bytes;
        buffer_reset(&b);
        assert_true(charset_to_utf8(slice_str(texts[i].name), bytes, &b));
        assert_slice(buffer_slice(&b), slice_str(texts[i].utf8));
        struct charset *c = charset_open(slice_str(texts[i].name));
        for (size_t step = 1; step < bytes.n; step++) {
            buffer_reset(&b);
            for (size_t at = 0; at < bytes.n; at += step)
                assert_true(charset_feed(c, slice_sub(bytes, at, step), &b));
            assert_true(charset_end(c, &b));
            assert_slice(buffer_slice(&b), slice_str(texts[i].utf8));
        }
        charset_close(c);
    }
    buffer_finish(&b);
}

static void unknown_charsets(void **state)
{
    struct buffer b;
    buffer_init(&b, 100);
    static const char *const names[] = {
        "", "utf-7", "x", "utf-8x", "../../etc/passwd", "UTF-8//IGNORE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(charset_known(slice_str(names[i])));
        assert_null(charset_open(slice_str(names[i])));
        assert_false(charset_to_utf8(slice_str(names[i]), S("a"), &b));
    }
    assert_false(charset_known(S("utf-8\0")));
    assert_int_equal(b.n, 0);
    charset_close(NULL);
}

static void a_full_buffer(void **state)
{
    static const char *const names[] = {"utf-8", "iso-8859-1", "koi8-r"};
    for (size_t i = 0; i < 3; i++) {
        struct buffer b;
        buffer_init(&b, 5);
        buffer_add(&b, S("xy"));
        assert_true(charset_to_utf8(slice_str(names[i]), S("abc"), &b));
        b.n = 2;
        assert_false(charset_to_utf8(slice_str(names[i]), S("abcd"), &b));
        assert_slice(buffer_slice(&b), S("xy"));
        buffer_finish(&b);
    }
}

static void *convert_much(void *arg)
{
    struct buffer b;
    buffer_init(&b, 1000);
    bool ok = true;
    for (size_t n = 0; n < 2000; n++) {
        size_t i = n % (sizeof texts / sizeof *texts);
        buffer_reset(&b);
        ok &= charset_to_utf8(slice_str(texts[i].name), texts[i].bytes, &b);
        ok &= slice_eq(buffer_slice(&b), slice_str(texts[i].utf8));
    }
    buffer_finish(&b);
    return ok ? arg : NULL;
}

static void threads_side_by_side(void **state)
{
    pthread_t thread[4];
    assert_true(charset_setup() > 40);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, convert_much, thread), 0);
    for (size_t i = 0; i < 4; i++) {
        void *result;
        pthread_join(thread[i], &result);
        assert_ptr_equal(result, thread);
    }
}

static void hostile_text_takes_linear_time(void **state)
{
    static const char *const names[] = {"utf-8", "iso-8859-1", "windows-1251", "iso-2022-jp",
        "gb18030", "utf-16le", "big5", "iso-2022-kr"};
    static const struct slice units[] = {
        {"a", 1}, {"\xff", 1}, {"\x98", 1}, {"\x1b", 1}, {"\xc3", 1}, {"\x81\x30", 2}, {"\0", 1}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t j = 0; j < sizeof units / sizeof *units; j++) {
            struct slice text = repeated(S(""), units[j], TEN_MB / 8);
            struct buffer b;
            buffer_init(&b, TEN_MB);
            int64_t start = cpu_now();
            assert_true(charset_to_utf8(slice_str(names[i]), text, &b));
            assert_true(cpu_now() - start < TIME_MAX / 8 * 2);
            buffer_finish(&b);
            drop(text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_charsets_in_any_pieces),
        cmocka_unit_test(unknown_charsets),
        cmocka_unit_test(a_full_buffer),
        cmocka_unit_test(threads_side_by_side),
        cmocka_unit_test(hostile_text_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
