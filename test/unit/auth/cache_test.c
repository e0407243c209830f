#include "unit/unit.h"
/* after unit/unit.h */
#include "auth/cache.h"
#include "base/random.h"

static void test_life(void **state)
{
    struct auth_cache *c = auth_cache_create(100, 50);
    uint8_t a[AUTH_DIGEST] = {1}, b[AUTH_DIGEST] = {1, [31] = 1};
    assert_false(auth_cache_has(c, a, 0));
    auth_cache_add(c, a, 10);
    assert_true(auth_cache_has(c, a, 59));
    assert_false(auth_cache_has(c, a, 60));
    assert_false(auth_cache_has(c, b, 20)); /* one bit away */
    auth_cache_add(c, a, 60);
    assert_true(auth_cache_has(c, a, 100));
    auth_cache_destroy(c);
}

static void test_bound(void **state)
{
    static uint8_t all[300][AUTH_DIGEST];
    struct auth_cache *c = auth_cache_create(100, 1000);
    size_t kept = 0;
    for (size_t i = 0; i < 300; i++) {
        random_bytes(all[i], AUTH_DIGEST);
        auth_cache_add(c, all[i], (int64_t)i);
        assert_true(auth_cache_has(c, all[i], (int64_t)i));
    }
    for (size_t i = 0; i < 300; i++)
        kept += auth_cache_has(c, all[i], 300);
    assert_true(kept > 40 && kept <= 100);
    auth_cache_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
