#include "message/transfer.h"
#include "message_test.h"

struct transfer_case {
    struct slice from, to;
    bool bad;
};

static void check(enum transfer transfer, const struct transfer_case *cases, size_t n)
{
    struct buffer b;
    struct transfer_decoder d;
    buffer_init(&b, 4096);
    for (size_t i = 0; i < n; i++) {
        for (size_t step = 1; step <= cases[i].from.n + 1; step++) {
            transfer_init(&d, transfer);
            buffer_reset(&b);
            for (size_t at = 0; at < cases[i].from.n; at += step)
                assert_true(transfer_feed(&d, slice_sub(cases[i].from, at, step), &b));
            assert_true(transfer_end(&d, &b));
            assert_slice(buffer_slice(&b), cases[i].to);
            assert_int_equal(d.bad, cases[i].bad);
        }
    }
    buffer_finish(&b);
}

static void base64(void **state)
{
    static const struct transfer_case cases[] = {
        {{"", 0}, {"", 0}, false},
        {{"aGVsbG8=", 8}, {"hello", 5}, false},
        {{"aGVs\r\nbG8=\r\n", 12}, {"hello", 5}, false},
        {{"a G\tVs bG8 =", 12}, {"hello", 5}, false},
        {{"aGVsbG8", 7}, {"hello", 5}, true},
        {{"aGVsbA==", 8}, {"hell", 4}, false},
        {{"aGVs*bA==", 9}, {"hell", 4}, true},
        {{"aGk=aGk=", 8}, {"hihi", 4}, true},
        {{"a", 1}, {"", 0}, true},
        {{"a=", 2}, {"", 0}, true},
        {{"====", 4}, {"", 0}, false},
        {{"\0\x80\xff", 3}, {"", 0}, true},
        {{"-_-_", 4}, {"", 0}, true},
    };
    check(TRANSFER_BASE64, cases, sizeof cases / sizeof *cases);
}

static void quoted_printable(void **state)
{
    static const struct transfer_case cases[] = {
        {{"", 0}, {"", 0}, false},
        {{"a=3Db=3d", 8}, {"a=b=", 4}, false},
        {{"a b  \r\nc\t\nd ", 12}, {"a b\r\nc\nd", 8}, false},
        {{"a=\r\nb=\nc= \t\r\nd=", 15}, {"abcd", 4}, false},
        {{"a =\r\nb", 6}, {"a b", 3}, false},
        {{"a=zb=4", 6}, {"a=zb=4", 6}, true},
        {{"==41", 4}, {"=A", 2}, true},
        {{"= x", 3}, {"= x", 3}, true},
        {{"=\rx", 3}, {"=\rx", 3}, true},
        {{"=00\xff", 4}, {"\0\xff", 2}, false},
    };
    check(TRANSFER_QUOTED_PRINTABLE, cases, sizeof cases / sizeof *cases);
}

static void blanks_at_the_end_of_a_line(void **state)
{
    for (size_t n = TRANSFER_BLANKS_MAX; n <= TRANSFER_BLANKS_MAX + 1; n++) {
        char text[TRANSFER_BLANKS_MAX + 8];
        memset(text, ' ', sizeof text);
        text[0] = 'a';
        text[n + 1] = '\n';
        struct transfer_case one = {slice(text, n + 2), S("a\n"), false};
        if (n > TRANSFER_BLANKS_MAX)
            one.to = one.from;
        check(TRANSFER_QUOTED_PRINTABLE, &one, 1);
        /* The same behind a "=". */
        text[0] = '=';
        one.to = S("");
        if (n > TRANSFER_BLANKS_MAX)
            one = (struct transfer_case){one.from, one.from, true};
        if (n == TRANSFER_BLANKS_MAX - 1)
            check(TRANSFER_QUOTED_PRINTABLE, &one, 1);
    }
}

static void names(void **state)
{
    assert_int_equal(transfer_named(S("")), TRANSFER_7BIT);
    assert_int_equal(transfer_named(S(" (x) Base64 (y)\r\n")), TRANSFER_BASE64);
    assert_int_equal(transfer_named(S("QUOTED-printable")), TRANSFER_QUOTED_PRINTABLE);
    assert_int_equal(transfer_named(S("8bit;")), TRANSFER_8BIT);
    assert_int_equal(transfer_named(S("binary")), TRANSFER_BINARY);
    assert_int_equal(transfer_named(S("base644")), TRANSFER_UNKNOWN);
    assert_int_equal(transfer_named(S("x-uuencode")), TRANSFER_UNKNOWN);
    assert_int_equal(transfer_named(S("\"base64\"")), TRANSFER_BASE64);
}

static void a_full_buffer(void **state)
{
    struct transfer_decoder d;
    struct buffer b;
    buffer_init(&b, 4);
    transfer_init(&d, TRANSFER_BINARY);
    assert_true(transfer_feed(&d, S("1234"), &b));
    assert_false(transfer_feed(&d, S("5"), &b));
    transfer_init(&d, TRANSFER_BASE64);
    assert_false(transfer_feed(&d, S("aGVsbG8="), &b));
    buffer_finish(&b);
}

static void hostile_data_takes_linear_time(void **state)
{
    static const char *const units[] = {"=", " ", "= ", "a ", "\r", "=4", "A=", "*", "QUJD", "=\n"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice text = repeated(S(""), slice_str(units[i]), TEN_MB);
        for (enum transfer t = TRANSFER_QUOTED_PRINTABLE; t <= TRANSFER_BASE64; t++) {
            struct transfer_decoder d;
            struct buffer b;
            buffer_init(&b, TEN_MB + TRANSFER_SLACK);
            transfer_init(&d, t);
            int64_t start = cpu_now();
            assert_true(transfer_feed(&d, text, &b));
            assert_true(transfer_end(&d, &b));
            assert_within_time(start);
            buffer_finish(&b);
        }
        drop(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64),
        cmocka_unit_test(quoted_printable),
        cmocka_unit_test(blanks_at_the_end_of_a_line),
        cmocka_unit_test(names),
        cmocka_unit_test(a_full_buffer),
        cmocka_unit_test(hostile_data_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
