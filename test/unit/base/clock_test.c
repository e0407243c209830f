#include "base/clock.h"
#include "unit/unit.h"
#include <time.h>

static int64_t fixed_now(void)
{
    return 1000;
}

static int64_t fixed_wall(void)
{
    return -5;
}

static void the_real_clocks(void **state)
{
    int64_t before = clock_now();
    assert_true(before > 0);
    assert_true(clock_now() >= before);
    int64_t earlier = (int64_t)time(NULL), wall = clock_wall() / 1000000;
    assert_true(wall >= earlier - 1 && wall <= (int64_t)time(NULL) + 1);
}

static void a_test_may_own_time(void **state)
{
    const struct clock_source source = {fixed_now, fixed_wall};
    clock_set(&source);
    assert_int_equal(clock_now(), 1000);
    assert_int_equal(clock_wall(), -5);
    assert_int_equal(deadline_in(5 * CLOCK_US), 6000);
    assert_int_equal(deadline_in(-400), 600);
    assert_true(deadline_in(DEADLINE_NEVER) == DEADLINE_NEVER);
    assert_true(deadline_in(DEADLINE_NEVER - 1000) == DEADLINE_NEVER);
    assert_true(deadline_in(DEADLINE_NEVER - 1001) == DEADLINE_NEVER - 1);
    clock_set(NULL);
    assert_true(clock_now() != 1000);
}

static void the_earlier_deadline(void **state)
{
    assert_int_equal(deadline_min(1, 2), 1);
    assert_int_equal(deadline_min(2, 1), 1);
    assert_int_equal(deadline_min(DEADLINE_NEVER, 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_clocks),
        cmocka_unit_test(a_test_may_own_time),
        cmocka_unit_test(the_earlier_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
