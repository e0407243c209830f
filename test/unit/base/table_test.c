#include "base/table.h"
#include "unit/unit.h"

#define MANY 1000

static void the_maximum_holds(void **state)
{
    struct table t;
    struct table_node nodes[4];
    table_init(&t, 3);
    assert_null(table_find(&t, 1));
    for (uint64_t i = 0; i < 3; i++)
        assert_true(table_insert(&t, &nodes[i], i));
    assert_false(table_insert(&t, &nodes[3], 3));
    assert_null(table_find(&t, 3));
    table_remove(&t, &nodes[0]);
    assert_true(table_insert(&t, &nodes[3], 3));
    assert_ptr_equal(table_find(&t, 3), &nodes[3]);
    table_finish(&t);
}

static void all_are_found_while_it_grows_and_shrinks(void **state)
{
    static struct table_node nodes[MANY];
    struct table t;
    table_init(&t, MANY);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_true(table_insert(&t, &nodes[i], i * i));
        for (uint64_t j = 0; j <= i; j += 37)
            assert_ptr_equal(table_find(&t, j * j), &nodes[j]);
    }
    for (uint64_t i = 0; i < MANY; i += 2)
        table_remove(&t, &nodes[i]);
    assert_int_equal(t.n, MANY / 2);
    for (uint64_t i = 0; i < MANY; i++)
        assert_ptr_equal(table_find(&t, i * i), i % 2 ? &nodes[i] : NULL);
    table_finish(&t);
}

static void equal_hashes_are_all_reached(void **state)
{
    struct table t;
    struct table_node nodes[40];
    table_init(&t, 40);
    for (uint64_t i = 0; i < 40; i++)
        assert_true(table_insert(&t, &nodes[i], i % 2 ? 5 : 5 + 1024));
    int seen = 0;
    for (struct table_node *node = table_find(&t, 5); node; node = table_find_next(node)) {
        assert_int_equal(node->hash, 5);
        seen++;
    }
    assert_int_equal(seen, 20);
    table_finish(&t);
}

static void removing_what_is_not_there_is_harmless(void **state)
{
    struct table t;
    struct table_node in, out = {.hash = 7};
    table_init(&t, 8);
    table_remove(&t, &out);
    assert_true(table_insert(&t, &in, 7));
    table_remove(&t, &out);
    assert_int_equal(t.n, 1);
    assert_ptr_equal(table_find(&t, 7), &in);
    table_finish(&t);
    assert_null(table_find(&t, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_maximum_holds),
        cmocka_unit_test(all_are_found_while_it_grows_and_shrinks),
        cmocka_unit_test(equal_hashes_are_all_reached),
        cmocka_unit_test(removing_what_is_not_there_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
