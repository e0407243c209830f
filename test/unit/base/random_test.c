#include "base/random.h"
#include "unit/unit.h"

static void a_seed_gives_the_same_sequence(void **state)
{
    uint64_t words[2][4];
    char bytes[2][13];
    for (int i = 0; i < 2; i++) {
        random_seed(42);
        for (int j = 0; j < 4; j++)
            words[i][j] = random_u64();
        random_bytes(bytes[i], sizeof bytes[i]);
    }
    assert_memory_equal(words[0], words[1], sizeof words[0]);
    assert_memory_equal(bytes[0], bytes[1], sizeof bytes[0]);
    random_seed(43);
    assert_true(random_u64() != words[0][0]);
    random_seed(0);
}

static void without_a_seed_nothing_repeats(void **state)
{
    char a[32], b[32];
    random_seed(42);
    random_bytes(a, sizeof a);
    random_seed(0);
    random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    random_bytes(a, sizeof a);
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(random_u64() != random_u64());
    random_bytes(a, 0);
}

static void bounded_numbers_stay_below_and_reach_all(void **state)
{
    int seen[7] = {0};
    random_seed(7);
    for (int i = 0; i < 7000; i++) {
        uint64_t v = random_below(7);
        assert_true(v < 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 800, 1200);
    assert_int_equal(random_below(1), 0);
    random_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_same_sequence),
        cmocka_unit_test(without_a_seed_nothing_repeats),
        cmocka_unit_test(bounded_numbers_stay_below_and_reach_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
