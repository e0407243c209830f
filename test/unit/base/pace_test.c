#include "base/pace.h"
#include "unit/unit.h"

static int64_t now = 1000 * CLOCK_SEC;

static int64_t fake_now(void)
{
    return now;
}

static int64_t fake_wall(void)
{
    return 0;
}

static void so_many_in_a_window(void **state)
{
    static const struct clock_source fake = {.now = fake_now, .wall = fake_wall};
    struct pace p = {0};
    clock_set(&fake);
    for (int window = 0; window < 3; window++) {
        for (int i = 0; i < 5; i++)
            assert_true(pace_take(&p, 5, CLOCK_SEC));
        now += CLOCK_SEC - 1;
        assert_false(pace_take(&p, 5, CLOCK_SEC));
        now++;
    }
    assert_false(pace_take(&p, 0, CLOCK_SEC));
    clock_set(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(so_many_in_a_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
