#include "base/arena.h"
#include "unit/unit.h"
#include <stdalign.h>

static void the_maximum_holds_to_the_byte(void **state)
{
    struct arena a;
    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 60));
    assert_null(arena_alloc(&a, 41));
    assert_non_null(arena_alloc(&a, 40));
    assert_null(arena_alloc(&a, 1));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 100));
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_reset(&a);
}

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    char *before = NULL;
    for (size_t n = 1; n < 300; n++) {
        char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, n);
        if (before)
            assert_int_equal((unsigned char)before[0], 0xAA);
        before = p;
    }
    arena_reset(&a);
}

static void what_is_larger_than_a_block_is_given_too(void **state)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    char *small = arena_alloc(&a, 8);
    char *large = arena_alloc(&a, 100000);
    assert_non_null(large);
    memset(large, 1, 100000);
    memset(small, 2, 8);
    assert_int_equal(large[0], 1);
    arena_reset(&a);
}

static void copies_end_with_nul(void **state)
{
    struct arena a;
    arena_init(&a, 8);
    struct slice copy = arena_copy(&a, S("a\0b"));
    assert_slice(copy, S("a\0b"));
    assert_int_equal(copy.p[3], 0);
    assert_null(arena_copy(&a, S("1234")).p);
    assert_slice(arena_copy(&a, S("123")), S("123"));
    assert_null(arena_copy(&a, slice(NULL, 0)).p);
    arena_reset(&a);
    struct slice empty = arena_copy(&a, slice(NULL, 0));
    assert_non_null(empty.p);
    assert_int_equal(empty.n, 0);
    arena_reset(&a);
}

static void typed_allocation(void **state)
{
    struct arena a;
    arena_init(&a, 64);
    uint64_t *one = arena_new(&a, uint64_t);
    assert_non_null(one);
    assert_int_equal(*one, 0);
    assert_non_null(arena_array(&a, uint64_t, 7));
    assert_null(arena_array(&a, uint64_t, 1));
    assert_null(arena_array(&a, uint64_t, SIZE_MAX / 8 + 2));
    arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_maximum_holds_to_the_byte),
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(what_is_larger_than_a_block_is_given_too),
        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(typed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
