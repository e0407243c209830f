#include "engine_test.h"

static void test_get_put_del(void **state)
{
    struct fixture *f = *state;
    assert_null(get(f, TEST_PARTITION, S("a")));
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("1")), OUTCOME_DONE);
    assert_string_equal(get(f, TEST_PARTITION, S("a")), "1");
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("longer than before")), OUTCOME_DONE);
    assert_string_equal(get(f, TEST_PARTITION, S("a")), "longer than before");
    const struct op del[] = {{OP_DEL, S("a")}, {OP_DEL, S("never there")}};
    assert_int_equal(apply(f, TEST_PARTITION, del, 2), OUTCOME_DONE);
    assert_null(get(f, TEST_PARTITION, S("a")));
    assert_string_equal(dump(f, TEST_PARTITION), "");
}

static void test_last_write_wins(void **state)
{
    struct fixture *f = *state;
    const struct op ops[] = {
        {OP_PUT, S("a"), S("1")},
        {OP_DEL, S("a")},
        {OP_PUT, S("b"), S("1")},
        {OP_PUT, S("b"), S("2")},
        {OP_DEL, S("c")},
        {OP_PUT, S("c"), S("3")},
    };
    assert_int_equal(apply(f, TEST_PARTITION, ops, 6), OUTCOME_DONE);
    assert_string_equal(dump(f, TEST_PARTITION), "b=2 c=3 ");
}

/* Keys in ascending order of bytes; 0x00 and 0xff are ordinary, a prefix sorts before what it
 * begins. */
static const struct slice hard_keys[] = {S("\0"), S("\0\0"), S("\0\0\xff"), S("\0\xff"), S("\x01"),
    S("a"), S("a\0"), S("a\0b"), S("ab"), S("a\xff"), S("a\xff\xff"), S("b"), S("\xfe\xff"),
    S("\xff"), S("\xff\0"), S("\xff\xff"), S("\xff\xff\xff\xff\xff\xff\xff\xff\xff")};
#define HARD_KEYS (sizeof hard_keys / sizeof *hard_keys)

static void put_hard_keys(struct fixture *f, store_partition p)
{
    for (size_t i = 0; i < HARD_KEYS; i++) {
        size_t k = i * 7 % HARD_KEYS; /* in another order */
        assert_int_equal(put(f, p, hard_keys[k], hard_keys[k]), OUTCOME_DONE);
    }
}

struct walk {
    struct slice at, prefix;
    bool with_prefix;
    size_t n, bad;
    char keys[32][16];
    size_t key_n[32];
};

static void walk_fn(struct store_view *v, void *arg)
{
    struct walk *w = arg;
    struct store_cursor c;
    struct slice key, value;
    w->n = w->bad = 0;
    store_seek(v, w->at, &c);
    while (w->n < 32 && (w->with_prefix ? store_next_with(&c, w->prefix, &key, &value)
                                        : store_next(&c, &key, &value))) {
        w->bad += !slice_eq(key, value) || key.n > 16;
        w->key_n[w->n] = key.n < 16 ? key.n : 16;
        memcpy(w->keys[w->n], key.p, w->key_n[w->n]);
        w->n++;
    }
}

/* Does the walk give exactly the hard keys that match? */
static void check_walk(struct fixture *f, struct walk *w)
{
    assert_int_equal(
        store_read(f->store, TEST_PARTITION, walk_fn, w, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(w->bad, 0);
    size_t n = 0;
    for (size_t i = 0; i < HARD_KEYS; i++) {
        if (slice_cmp(hard_keys[i], w->at) < 0)
            continue;
        if (w->with_prefix && !slice_starts(hard_keys[i], w->prefix))
            break;
        assert_true(n < w->n);
        assert_true(slice_eq(hard_keys[i], slice(w->keys[n], w->key_n[n])));
        n++;
    }
    assert_int_equal(n, w->n);
}

static void test_order_of_hard_keys(void **state)
{
    struct fixture *f = *state;
    put_hard_keys(f, TEST_PARTITION);
    const struct slice more[] = {S(""), S("\0\x01"), S("a\x01"), S("aa"), S("\xfe"),
        S("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")};
    for (size_t i = 0; i < HARD_KEYS; i++)
        check_walk(f, &(struct walk){.at = hard_keys[i]});
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        check_walk(f, &(struct walk){.at = more[i]});
}

static void test_prefixes(void **state)
{
    struct fixture *f = *state;
    put_hard_keys(f, TEST_PARTITION);
    for (size_t i = 0; i < HARD_KEYS; i++)
        check_walk(
            f, &(struct walk){.at = hard_keys[i], .prefix = hard_keys[i], .with_prefix = true});
    check_walk(f, &(struct walk){.with_prefix = true});
}

/* Neighbours of a partition in number, and those that share its first bytes. */
static void test_partitions_are_apart(void **state)
{
    struct fixture *f = *state;
    const store_partition ids[] = {TEST_PARTITION - 1, TEST_PARTITION, TEST_PARTITION + 1,
        TEST_PARTITION << 8, (store_partition)3 << 56, ((store_partition)4 << 56) - 1,
        (store_partition)3 << 56 | 0xff, (store_partition)3 << 56 | 0x100};
    const size_t n = sizeof ids / sizeof *ids;
    for (size_t i = 0; i < n; i++) {
        char text[2] = {(char)('a' + i), 0};
        const struct op ops[] = {{OP_PUT, S("\0"), slice_str(text)},
            {OP_PUT, S("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), slice_str(text)},
            {OP_PUT, slice_str(text), S("own")}};
        assert_int_equal(apply(f, ids[i], ops, 3), OUTCOME_DONE);
    }
    for (size_t i = 0; i < n; i++) {
        char text[2] = {(char)('a' + i), 0};
        assert_string_equal(get(f, ids[i], S("\0")), text);
        assert_string_equal(get(f, ids[i], S("\xff\xff\xff\xff\xff\xff\xff\xff\xff")), text);
        assert_int_equal(count_rows(f, ids[i]), 3);
    }
    const struct op del[] = {
        {OP_DEL, S("\0")}, {OP_DEL, S("b")}, {OP_DEL, S("\xff\xff\xff\xff\xff\xff\xff\xff\xff")}};
    assert_int_equal(apply(f, ids[1], del, 3), OUTCOME_DONE);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(count_rows(f, ids[i]), i == 1 ? 0 : 3);
    assert_int_equal(count_rows(f, TEST_PARTITION + 2), 0);
}

/* ---- reads inside a mutation ---- */

struct merged {
    char seen[8][64]; /* what each step saw */
    bool got[8];
};

static void note(struct merged *m, unsigned step, bool there, struct slice value)
{
    m->got[step] = there && slice_to_cstr(value, m->seen[step], sizeof m->seen[step]);
}

/* The next key, noted as its name; "-" at the end. */
static void note_next(struct merged *m, unsigned step, struct store_cursor *c)
{
    struct slice key, value;
    bool there = store_next(c, &key, &value);
    note(m, step, true, there ? key : S("-"));
}

static enum outcome merged_get_fn(struct store_txn *t, void *arg)
{
    struct merged *m = arg;
    struct store_view *v = store_txn_view(t);
    struct slice value = S("");
    note(m, 0, store_get(v, S("b"), &value), value);
    store_put(t, S("b"), S("new"));
    note(m, 1, store_get(v, S("b"), &value), value);
    store_del(t, S("b"));
    note(m, 2, store_get(v, S("b"), &value), value);
    store_put(t, S("b"), S("newer"));
    note(m, 3, store_get(v, S("b"), &value), value);
    store_put(t, S("bb"), S("added"));
    note(m, 4, store_get(v, S("bb"), &value), value);
    store_del(t, S("d"));
    note(m, 5, store_get(v, S("d"), &value), value);
    note(m, 6, store_get(v, S("f"), &value), value);
    return OUTCOME_DONE;
}

static void put_letters(struct fixture *f)
{
    const struct op ops[] = {{OP_PUT, S("b"), S("1")}, {OP_PUT, S("d"), S("2")},
        {OP_PUT, S("f"), S("3")}, {OP_PUT, S("h"), S("4")}};
    assert_int_equal(apply(f, TEST_PARTITION, ops, 4), OUTCOME_DONE);
}

static void test_get_sees_own_writes(void **state)
{
    struct fixture *f = *state;
    struct merged seen = {0};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = merged_get_fn, .arg = &seen};
    put_letters(f);
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_string_equal(seen.seen[0], "1");
    assert_string_equal(seen.seen[1], "new");
    assert_false(seen.got[2]);
    assert_string_equal(seen.seen[3], "newer");
    assert_string_equal(seen.seen[4], "added");
    assert_false(seen.got[5]);
    assert_string_equal(seen.seen[6], "3");
    assert_string_equal(dump(f, TEST_PARTITION), "b=newer bb=added f=3 h=4 ");
}

static enum outcome merged_cursor_fn(struct store_txn *t, void *arg)
{
    struct merged *m = arg;
    struct store_cursor c, behind;
    store_seek(store_txn_view(t), S(""), &c);
    store_seek(store_txn_view(t), S("e"), &behind);
    note_next(m, 0, &c); /* b */
    store_put(t, S("a"), S("before the cursor"));
    store_put(t, S("c"), S("behind the cursor"));
    store_del(t, S("d"));
    note_next(m, 1, &c); /* c */
    store_del(t, S("c"));
    store_put(t, S("e"), S("the other cursor stands before it"));
    note_next(m, 2, &c);      /* e */
    note_next(m, 3, &behind); /* e */
    store_del(t, S("f"));
    store_del(t, S("h"));
    store_put(t, S("g"), S("new end"));
    note_next(m, 4, &behind); /* g */
    note_next(m, 5, &c);      /* g */
    note_next(m, 6, &c);      /* end */
    store_put(t, S("z"), S("too late or not"));
    return OUTCOME_DONE;
}

static void test_open_cursors_see_own_writes(void **state)
{
    struct fixture *f = *state;
    struct merged seen = {0};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = merged_cursor_fn, .arg = &seen};
    put_letters(f);
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    const char *const expected[] = {"b", "c", "e", "e", "g", "g", "-"};
    for (unsigned i = 0; i < 7; i++)
        assert_string_equal(seen.seen[i], expected[i]);
    assert_string_equal(dump(f, TEST_PARTITION),
        "a=before the cursor b=1 e=the other cursor stands before it g=new end z=too late or not ");
}

/* Eight cursors in turn, each from its own start: none disturbs another. */
static void eight_fn(struct store_view *v, void *arg)
{
    uint32_t *sum = arg;
    struct store_cursor c[8];
    *sum = 0;
    for (uint32_t i = 0; i < 8; i++) {
        char at[4];
        pack_u32(at, i * 100);
        store_seek(v, slice(at, 4), &c[i]);
    }
    for (uint32_t step = 0; step < 300; step++) {
        for (uint32_t i = 0; i < 8; i++) {
            struct slice key, value;
            bool there = store_next(&c[i], &key, &value);
            bool expected = i * 100 + step < 1000;
            if (there != expected || (there && unpack_u32(key.p) != i * 100 + step))
                ++*sum;
            if (there && !slice_eq(key, value))
                ++*sum;
        }
    }
}

static enum outcome thousand_fn(struct store_txn *t, void *arg)
{
    for (uint32_t i = 0; i < 1000; i++) {
        char key[4];
        pack_u32(key, i);
        store_put(t, slice(key, 4), slice(key, 4));
    }
    return OUTCOME_DONE;
}

static void test_eight_cursors(void **state)
{
    struct fixture *f = *state;
    uint32_t wrong = 0;
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = thousand_fn};
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(
        store_read(f->store, TEST_PARTITION, eight_fn, &wrong, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(wrong, 0);
}

int rows_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get_put_del, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_last_write_wins, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_order_of_hard_keys, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_prefixes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_partitions_are_apart, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_get_sees_own_writes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_open_cursors_see_own_writes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_eight_cursors, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
