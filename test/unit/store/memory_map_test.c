#include "base/pack.h"
#include "base/random.h"
#include "store/engine/memory_map.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS 512

static struct slice key_at(char out[4], unsigned i)
{
    pack_u32(out, i);
    return slice(out, 4);
}

static void check_against(const struct memory_map *m, const unsigned char *lengths)
{
    const struct memory_node *node = memory_map_seek(m, S(""), false);
    size_t n = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        char key[4];
        const struct memory_node *found = memory_map_find(m, key_at(key, i));
        if (!lengths[i]) {
            assert_null(found);
            continue;
        }
        assert_ptr_equal(found, node);
        assert_true(slice_eq(memory_map_key(node), slice(key, 4)));
        assert_int_equal(memory_map_value(node).n, lengths[i]);
        assert_int_equal((unsigned char)memory_map_value(node).p[lengths[i] - 1], lengths[i]);
        node = memory_map_next(node);
        n++;
    }
    assert_null(node);
    assert_int_equal(m->n, n);
}

static void test_against_model(void **state)
{
    struct memory_map m;
    unsigned char lengths[KEYS] = {0};
    memory_map_init(&m, true);
    random_seed(7);
    for (int step = 0; step < 20000; step++) {
        unsigned i = (unsigned)random_below(KEYS);
        char key[4], value[255];
        if (random_below(3)) {
            lengths[i] = (unsigned char)(1 + random_below(255));
            memset(value, lengths[i], lengths[i]);
            assert_true(memory_map_put(&m, key_at(key, i), slice(value, lengths[i])));
        } else {
            assert_int_equal(memory_map_del(&m, key_at(key, i)), lengths[i] != 0);
            lengths[i] = 0;
        }
        if (step % 1000 == 0)
            check_against(&m, lengths);
    }
    check_against(&m, lengths);
    memory_map_finish(&m);
    assert_null(memory_map_seek(&m, S(""), false));
    random_seed(0);
}

static void test_order_and_seek(void **state)
{
    struct memory_map m;
    memory_map_init(&m, true);
    const struct slice keys[] = {S("\0"), S("\0\0"), S("\0\xff"), S("a"), S("a\0"), S("ab"), S("b"),
        S("\xff"), S("\xff\0"), S("\xff\xff")};
    const size_t n = sizeof keys / sizeof *keys;
    for (size_t i = n; i-- > 0;)
        assert_true(memory_map_put(&m, keys[i], S("v")));
    for (size_t i = 0; i < n; i++) {
        const struct memory_node *node = memory_map_seek(&m, keys[i], false);
        assert_true(slice_eq(memory_map_key(node), keys[i]));
        const struct memory_node *next = memory_map_seek(&m, keys[i], true);
        assert_ptr_equal(next, memory_map_next(node));
        if (i + 1 < n)
            assert_true(slice_eq(memory_map_key(next), keys[i + 1]));
        else
            assert_null(next);
    }
    assert_null(memory_map_find(&m, S("aa")));
    assert_true(slice_eq(memory_map_key(memory_map_seek(&m, S("aa"), true)), S("ab")));
    memory_map_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_order_and_seek),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
