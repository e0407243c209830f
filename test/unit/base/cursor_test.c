#include "base/cursor.h"
#include "unit/unit.h"

static bool is_lower(unsigned char c)
{
    return c >= 'a' && c <= 'z';
}

static void characters_and_the_end(void **state)
{
    struct cursor c = cursor(S("a\xff"));
    assert_false(cursor_take_char(&c, 'b'));
    assert_true(cursor_take_char(&c, 'a'));
    assert_int_equal(cursor_peek(&c), 0xff);
    assert_true(cursor_take_char(&c, '\xff'));
    assert_true(cursor_end(&c));
    assert_int_equal(cursor_peek(&c), -1);
    assert_false(cursor_take_char(&c, '\0'));
    assert_int_equal(cursor_rest(&c).n, 0);
}

static void text_without_case(void **state)
{
    struct cursor c = cursor(S("Mail From"));
    assert_false(cursor_take_text(&c, S("mail to")));
    assert_int_equal(c.at, 0);
    assert_true(cursor_take_text(&c, S("MAIL ")));
    assert_false(cursor_take_text(&c, S("from:")));
    assert_slice(cursor_rest(&c), S("From"));
}

static void runs_have_a_minimum(void **state)
{
    struct cursor c = cursor(S("abc1"));
    struct slice run = S("untouched");
    assert_false(cursor_take_while(&c, is_lower, 4, &run));
    assert_slice(run, S("untouched"));
    assert_int_equal(c.at, 0);
    assert_true(cursor_take_while(&c, is_lower, 3, &run));
    assert_slice(run, S("abc"));
    assert_true(cursor_take_while(&c, is_lower, 0, &run));
    assert_int_equal(run.n, 0);
}

static void numbers_within_the_maximum(void **state)
{
    uint64_t v = 9;
    struct cursor c = cursor(S("007x256-1"));
    assert_true(cursor_take_number(&c, 7, &v));
    assert_int_equal(v, 7);
    assert_false(cursor_take_number(&c, 7, &v));
    assert_true(cursor_take_char(&c, 'x'));
    assert_false(cursor_take_number(&c, 255, &v));
    assert_int_equal(c.at, 4);
    assert_true(cursor_take_number(&c, 256, &v));
    assert_int_equal(v, 256);
    assert_false(cursor_take_number(&c, 256, &v));
    c = cursor(S("18446744073709551616"));
    assert_false(cursor_take_number(&c, UINT64_MAX, &v));
}

static void blanks(void **state)
{
    struct cursor c = cursor(S(" \t\r "));
    cursor_skip_blanks(&c);
    assert_int_equal(cursor_peek(&c), '\r');
    c = cursor(S("  "));
    cursor_skip_blanks(&c);
    assert_true(cursor_end(&c));
    cursor_skip_blanks(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_and_the_end),
        cmocka_unit_test(text_without_case),
        cmocka_unit_test(runs_have_a_minimum),
        cmocka_unit_test(numbers_within_the_maximum),
        cmocka_unit_test(blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
