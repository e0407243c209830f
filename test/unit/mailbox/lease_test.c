#include "mailbox/lease.h"
#include "unit/unit.h"

static void one_holder_an_account(void **state)
{
    struct lease a, b, other;
    assert_true(lease_take(&a, 1, S("192.0.2.1")));
    assert_false(lease_take(&b, 1, S("192.0.2.1"))); /* busy */
    assert_true(lease_take(&other, 2, S("192.0.2.1")));
    lease_release(&other);
    lease_idle(&a);
    assert_false(lease_take(&b, 1, S("192.0.2.2"))); /* another address */
    assert_true(lease_begin(&a));
    lease_release(&a);
    assert_true(lease_take(&b, 1, S("192.0.2.2")));
    lease_release(&b);
    lease_release(&b);
}

static void an_idle_one_of_the_same_address_is_taken_over(void **state)
{
    struct lease a, b;
    assert_true(lease_take(&a, 1, S("192.0.2.1")));
    lease_idle(&a);
    assert_true(lease_take(&b, 1, S("192.0.2.1")));
    assert_false(lease_begin(&a));
    lease_release(&a);
    assert_true(lease_begin(&b));
    lease_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_holder_an_account),
        cmocka_unit_test(an_idle_one_of_the_same_address_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
