#include "auth/place.h"
#include "unit/unit.h"

static void the_limit(void **state)
{
    struct auth_place p[4];
    assert_true(auth_place_take(&p[0], 1, 2));
    assert_true(auth_place_take(&p[1], 1, 2));
    assert_false(auth_place_take(&p[2], 1, 2));
    assert_true(auth_place_take(&p[3], 2, 2));
    auth_place_give(&p[2]); /* harmless */
    assert_false(auth_place_take(&p[2], 1, 2));
    auth_place_give(&p[0]);
    auth_place_give(&p[0]);
    assert_true(auth_place_take(&p[2], 1, 2));
    auth_place_give(&p[1]);
    auth_place_give(&p[2]);
    auth_place_give(&p[3]);
}

static void no_limit(void **state)
{
    static struct auth_place p[1000];
    for (unsigned i = 0; i < 1000; i++)
        assert_true(auth_place_take(&p[i], 1, 0));
    for (unsigned i = 0; i < 1000; i++)
        auth_place_give(&p[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit),
        cmocka_unit_test(no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
