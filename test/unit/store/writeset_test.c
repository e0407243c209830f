#include "base/random.h"
#include "store/engine_private.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice text(const char *s)
{
    return slice_str(s);
}

static void rows_are_sorted_and_merged(void **state)
{
    struct writeset *w = writeset_create();
    writeset_put(w, text("b"), text("1"));
    writeset_put(w, text("a"), text("2"));
    writeset_del(w, text("c"));
    writeset_put(w, text("b"), text("a longer value"));
    writeset_put(w, text("a"), text("3"));
    writeset_put(w, text("c"), text("back"));
    writeset_del(w, text("a"));
    const struct writeset_row *r = writeset_seek(w, S(""), false);
    assert_true(slice_eq(r->key, S("a")) && r->deleted);
    r = writeset_next(r);
    assert_true(slice_eq(r->key, S("b")) && slice_eq(r->value, S("a longer value")));
    r = writeset_next(r);
    assert_true(slice_eq(r->key, S("c")) && !r->deleted && slice_eq(r->value, S("back")));
    assert_null(writeset_next(r));
    assert_null(writeset_find(w, S("bb")));
    assert_true(slice_eq(writeset_seek(w, S("b"), true)->key, S("c")));
    assert_true(slice_eq(writeset_seek(w, S("b"), false)->key, S("b")));
    assert_null(writeset_seek(w, S("c"), true));
    assert_false(writeset_over(w));
    writeset_destroy(w);
}

static void a_value_may_be_written_over_with_a_part_of_itself(void **state)
{
    struct writeset *w = writeset_create();
    writeset_put(w, text("k"), text("0123456789"));
    struct slice value = writeset_find(w, S("k"))->value;
    writeset_put(w, text("k"), slice_from(value, 3));
    assert_true(slice_eq(writeset_find(w, S("k"))->value, S("3456789")));
    writeset_destroy(w);
}

/* Against an array that is sorted at the end. */
static void many_rows_in_any_order(void **state)
{
    enum { N = 5000 };
    struct writeset *w = writeset_create();
    static unsigned char seen[65536];
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < N; i++) {
        unsigned k = (unsigned)random_below(65536);
        char key[8];
        snprintf(key, sizeof key, "%05u", k);
        seen[k] = (unsigned char)(1 + i % 100);
        writeset_put(w, text(key), slice(&seen[k], 1));
    }
    const struct writeset_row *r = writeset_seek(w, S(""), false);
    for (unsigned k = 0; k < 65536; k++) {
        if (!seen[k])
            continue;
        char key[8];
        snprintf(key, sizeof key, "%05u", k);
        assert_non_null(r);
        assert_true(slice_eq(r->key, text(key)));
        assert_int_equal(r->value.p[0], seen[k]);
        r = writeset_next(r);
    }
    assert_null(r);
    writeset_destroy(w);
}

static void limits(void **state)
{
    static char big[STORE_VALUE_MAX + 1] = {1};
    struct writeset *w = writeset_create();
    writeset_put(w, slice(big, STORE_KEY_MAX), slice(big, STORE_VALUE_MAX));
    assert_false(writeset_over(w));
    writeset_put(w, slice(big, STORE_KEY_MAX + 1), S("x"));
    assert_true(writeset_over(w));
    writeset_reset(w);
    writeset_put(w, S("k"), slice(big, STORE_VALUE_MAX + 1));
    assert_true(writeset_over(w));
    writeset_reset(w);
    writeset_put(w, S(""), S("x"));
    assert_true(writeset_over(w));
    writeset_reset(w);
    writeset_put(w, S("k"), S(""));
    assert_true(writeset_over(w));
    writeset_destroy(w);
}

static void number_of_keys(void **state)
{
    struct writeset *w = writeset_create();
    for (uint32_t i = 0; i < STORE_WRITE_KEYS_MAX - 1; i++)
        writeset_put(w, slice(&i, sizeof i), S("x"));
    writeset_retain(w, 1);
    uint32_t again = 5;
    writeset_put(w, slice(&again, sizeof again), S("y"));
    assert_false(writeset_over(w));
    writeset_put(w, S("one more"), S("x"));
    assert_true(writeset_over(w));
    writeset_destroy(w);
}

static void number_of_bytes(void **state)
{
    static char value[STORE_VALUE_MAX];
    struct writeset *w = writeset_create();
    size_t fits = STORE_WRITE_BYTES_MAX / (STORE_VALUE_MAX + 4);
    for (uint32_t i = 0; i < fits; i++)
        writeset_put(w, slice(&i, 4), slice(value, sizeof value));
    /* Writing one over takes nothing. */
    for (uint32_t i = 0; i < fits; i++)
        writeset_put(w, slice(&i, 4), slice(value, sizeof value));
    assert_false(writeset_over(w));
    uint32_t last = UINT32_MAX;
    writeset_put(w, slice(&last, 4), slice(value, sizeof value));
    assert_true(writeset_over(w));
    writeset_reset(w);
    assert_true(writeset_empty(w) && !writeset_over(w));
    writeset_destroy(w);
}

static void references(void **state)
{
    struct writeset *w = writeset_create();
    writeset_release(w, 9);
    writeset_retain(w, 300);
    writeset_retain(w, 9);
    writeset_retain(w, 9);
    const struct writeset_ref *r = writeset_first_ref(w);
    assert_true(r->blob == 9 && r->retains == 2 && r->releases == 1);
    r = writeset_next_ref(r);
    assert_true(r->blob == 300 && r->retains == 1 && r->releases == 0);
    assert_null(writeset_next_ref(r));
    assert_false(writeset_empty(w));
    writeset_retain(w, 0);
    assert_true(writeset_over(w));
    writeset_destroy(w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sorted_and_merged),
        cmocka_unit_test(a_value_may_be_written_over_with_a_part_of_itself),
        cmocka_unit_test(many_rows_in_any_order),
        cmocka_unit_test(limits),
        cmocka_unit_test(number_of_keys),
        cmocka_unit_test(number_of_bytes),
        cmocka_unit_test(references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
