#include "unit/unit.h"
/* after unit/unit.h */
#include "auth/throttle.h"
#include "base/clock.h"

#define FIRST (250 * CLOCK_MS)
#define MAX   (10 * CLOCK_SEC)

static uint8_t *digest(unsigned i)
{
    static uint8_t d[AUTH_THROTTLE_DIGEST];
    memset(d, 0x11, sizeof d);
    memcpy(d, &i, sizeof i);
    return d;
}

static void test_grows_and_ends(void **state)
{
    struct auth_throttle *t = auth_throttle_create(FIRST, MAX);
    int64_t expected = FIRST, now = 0;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(auth_throttle_failed(t, 1, 1, digest(i), now), expected);
        expected = expected * 2 < MAX ? expected * 2 : MAX;
    }
    assert_true(auth_throttle_before(t, 1, now) == MAX);
    assert_int_equal(auth_throttle_before(t, 2, now), 0); /* another network is not slowed */
    /* It is forgotten by halves. */
    now += 300 * CLOCK_SEC * 3; /* 40 -> 5 */
    assert_int_equal(auth_throttle_before(t, 1, now), 2 * FIRST);
    now += 300 * CLOCK_SEC * 6;
    assert_int_equal(auth_throttle_before(t, 1, now), 0);
    auth_throttle_destroy(t);
}

/* A device with an old password never makes anything worse than the first time. */
static void test_same_wrong_password(void **state)
{
    struct auth_throttle *t = auth_throttle_create(FIRST, MAX);
    assert_false(auth_throttle_known_wrong(t, 1, digest(7)));
    for (int i = 0; i < 100; i++)
        assert_int_equal(auth_throttle_failed(t, 1, 1, digest(7), 0), FIRST);
    assert_true(auth_throttle_known_wrong(t, 1, digest(7)));
    assert_false(auth_throttle_known_wrong(t, 2, digest(7)));
    assert_int_equal(auth_throttle_before(t, 1, 0), 0);
    auth_throttle_destroy(t);
}

/* One password on many accounts: the network pays. Many networks on one account: the answers about
 * it are slow, a fresh network waits for nothing in advance. */
static void test_both_keys(void **state)
{
    struct auth_throttle *t = auth_throttle_create(FIRST, MAX);
    for (unsigned i = 0; i < 20; i++)
        auth_throttle_failed(t, 100 + i, 9, digest(1), 0);
    assert_int_equal(auth_throttle_before(t, 9, 0), MAX);
    for (unsigned i = 0; i < 20; i++)
        auth_throttle_failed(t, 5, 1000 + i, digest(i), 0);
    assert_int_equal(auth_throttle_failed(t, 5, 5000, digest(99), 0), MAX);
    assert_int_equal(auth_throttle_before(t, 6000, 0), 0);
    auth_throttle_destroy(t);
}

/* A flood of names and networks does not push out who failed most. */
static void test_flood(void **state)
{
    struct auth_throttle *t = auth_throttle_create(FIRST, MAX);
    for (unsigned i = 0; i < 20; i++)
        auth_throttle_failed(t, 1, 1, digest(i), 0);
    for (unsigned i = 0; i < 10 * AUTH_THROTTLE_ENTRIES; i++)
        auth_throttle_failed(t, 1000 + i, UINT64_C(1) << 32 | i, digest(1), 0);
    assert_int_equal(auth_throttle_before(t, 1, 0), MAX);
    auth_throttle_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_and_ends),
        cmocka_unit_test(test_same_wrong_password),
        cmocka_unit_test(test_both_keys),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
