#include "net/conn.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check(struct slice in, size_t max, enum line want, struct slice text, size_t used)
{
    struct slice got = {0};
    size_t n = 0;
    assert_int_equal(line_take(in, max, &got, &n), want);
    if (want == LINE_MORE)
        return;
    assert_int_equal(n, used);
    assert_true(slice_eq(got, text));
}

static void lines(void **state)
{
    check(S(""), 10, LINE_MORE, S(""), 0);
    check(S("\r"), 10, LINE_MORE, S(""), 0);
    check(S("\r\n"), 10, LINE_COMPLETE, S(""), 2);
    check(S("\n"), 10, LINE_BARE_LF, S(""), 1);
    check(S("a\r\nb\r\n"), 10, LINE_COMPLETE, S("a"), 3);
    check(S("a\nb\r\n"), 10, LINE_BARE_LF, S("a"), 2);
    check(S("a\rb\0\r\r\n"), 10, LINE_COMPLETE, S("a\rb\0\r"), 7);
}

static void limits(void **state)
{
    check(S("12345678\r\n"), 10, LINE_COMPLETE, S("12345678"), 10);
    check(S("123456789\r\n"), 10, LINE_TOO_LONG, S(""), 10);
    check(S("123456789\n"), 10, LINE_BARE_LF, S("123456789"), 10);
    check(S("123456789"), 10, LINE_MORE, S(""), 0);
    check(S("1234567890"), 10, LINE_TOO_LONG, S(""), 10);
    check(S("1234567890123\r\nnext\r\n"), 10, LINE_TOO_LONG, S(""), 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
