#include "base/budget.h"
#include "unit/unit.h"
#include <pthread.h>
#include <stdatomic.h>

static void the_budget_holds_to_the_byte(void **state)
{
    budget_set(100);
    assert_true(budget_take(60));
    assert_false(budget_take(41));
    assert_true(budget_take(40));
    assert_false(budget_take(1));
    assert_false(budget_take(SIZE_MAX));
    assert_int_equal(budget_used(), 100);
    budget_give(100);
    assert_int_equal(budget_used(), 0);
}

static void none_is_unlimited_and_still_counted(void **state)
{
    budget_set(0);
    assert_true(budget_take((size_t)1 << 40));
    assert_true(budget_used() == (size_t)1 << 40);
    budget_set(10); /* lowered below what is in use */
    assert_false(budget_take(1));
    budget_give((size_t)1 << 40);
    assert_true(budget_take(10));
    budget_give(10);
}

static _Atomic size_t highest;

static void *take_and_give(void *unused)
{
    for (int i = 0; i < 20000; i++) {
        if (!budget_take(3))
            continue;
        size_t now = budget_used(), seen = atomic_load(&highest);
        while (now > seen && !atomic_compare_exchange_weak(&highest, &seen, now))
            ;
        budget_give(3);
    }
    return unused;
}

static void threads_together_stay_within(void **state)
{
    pthread_t threads[4];
    budget_set(7);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(atomic_load(&highest), 3, 6);
    assert_int_equal(budget_used(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_budget_holds_to_the_byte),
        cmocka_unit_test(none_is_unlimited_and_still_counted),
        cmocka_unit_test(threads_together_stay_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
