#include "base/buffer.h"
#include "unit/unit.h"

static void the_maximum_holds_to_the_byte(void **state)
{
    struct buffer b;
    buffer_init(&b, 5);
    assert_true(buffer_add(&b, S("hello")));
    assert_false(b.overflow);
    assert_false(buffer_add_char(&b, '!'));
    assert_true(b.overflow);
    assert_slice(buffer_slice(&b), S("hello"));
    buffer_finish(&b);
}

static void what_follows_an_overflow_is_dropped(void **state)
{
    struct buffer b;
    buffer_init(&b, 5);
    assert_true(buffer_add(&b, S("abc")));
    assert_false(buffer_add(&b, S("def")));
    assert_false(buffer_add(&b, S("g")));
    assert_slice(buffer_slice(&b), S("abc"));
    buffer_reset(&b);
    assert_false(b.overflow);
    assert_true(buffer_add(&b, S("12345")));
    buffer_finish(&b);
}

static void a_maximum_of_zero_takes_nothing_only(void **state)
{
    struct buffer b;
    buffer_init(&b, 0);
    assert_true(buffer_add(&b, slice(NULL, 0)));
    assert_false(buffer_add_char(&b, 'x'));
    assert_int_equal(b.n, 0);
    buffer_finish(&b);
}

static void absurd_sizes_are_refused_without_allocating(void **state)
{
    struct buffer b;
    buffer_init(&b, 100);
    assert_true(buffer_add(&b, S("abc")));
    assert_null(buffer_room(&b, SIZE_MAX));
    assert_null(buffer_room(&b, 1));
    buffer_finish(&b);
}

static void formatted_text_short_and_long(void **state)
{
    static char xs[2001];
    memset(xs, 'x', sizeof xs - 1);
    struct buffer b;
    buffer_init(&b, 4000);
    assert_true(buffer_printf(&b, "%d-%s", 7, "a"));
    assert_slice(buffer_slice(&b), S("7-a"));
    assert_true(buffer_printf(&b, "%s", xs));
    assert_int_equal(b.n, 2003);
    assert_false(buffer_printf(&b, "%s", xs));
    assert_int_equal(b.n, 2003);
    buffer_finish(&b);
}

static void long_formatted_text_may_fill_the_maximum(void **state)
{
    static char xs[1001];
    memset(xs, 'x', sizeof xs - 1);
    struct buffer b;
    buffer_init(&b, 1000);
    assert_true(buffer_printf(&b, "%s", xs));
    assert_int_equal(b.n, 1000);
    buffer_reset(&b);
    b.max = 999;
    assert_false(buffer_printf(&b, "%s", xs));
    assert_int_equal(b.n, 0);
    buffer_finish(&b);
}

static void numbers(void **state)
{
    struct buffer b;
    buffer_init(&b, 100);
    buffer_add_u64(&b, 0);
    buffer_add_char(&b, ' ');
    buffer_add_u64(&b, UINT64_MAX);
    assert_slice(buffer_slice(&b), S("0 18446744073709551615"));
    buffer_finish(&b);
}

static void dropping_from_the_front(void **state)
{
    struct buffer b;
    buffer_init(&b, 100);
    buffer_add(&b, S("abcdef"));
    buffer_drop(&b, 2);
    assert_slice(buffer_slice(&b), S("cdef"));
    buffer_drop(&b, 0);
    buffer_drop(&b, 99);
    assert_int_equal(b.n, 0);
    assert_true(buffer_add(&b, S("again")));
    buffer_finish(&b);
    assert_true(buffer_add(&b, S("after finish")));
    buffer_finish(&b);
}

static void room_is_filled_by_the_caller(void **state)
{
    struct buffer b;
    buffer_init(&b, 10);
    char *p = buffer_room(&b, 10);
    assert_non_null(p);
    memcpy(p, "0123456789", 10);
    buffer_took(&b, 4);
    assert_slice(buffer_slice(&b), S("0123"));
    assert_null(buffer_room(&b, 7));
    buffer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_maximum_holds_to_the_byte),
        cmocka_unit_test(what_follows_an_overflow_is_dropped),
        cmocka_unit_test(a_maximum_of_zero_takes_nothing_only),
        cmocka_unit_test(absurd_sizes_are_refused_without_allocating),
        cmocka_unit_test(formatted_text_short_and_long),
        cmocka_unit_test(long_formatted_text_may_fill_the_maximum),
        cmocka_unit_test(numbers),
        cmocka_unit_test(dropping_from_the_front),
        cmocka_unit_test(room_is_filled_by_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
