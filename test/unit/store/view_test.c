#include "store/engine_private.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Committed rows: single letters, each its own value. */
struct letters {
    const char *text;
    size_t at[STORE_CURSORS_MAX];
    unsigned seeks;
    bool broken;
};

static bool letters_give(
    struct store_view *v, unsigned slot, struct slice *key, struct slice *value)
{
    struct letters *l = v->engine;
    if (!l->text[l->at[slot]])
        return false;
    *key = *value = slice(l->text + l->at[slot], 1);
    return true;
}

static bool letters_get(struct store_view *v, struct slice key, struct slice *value)
{
    struct letters *l = v->engine;
    const char *found = key.n == 1 ? strchr(l->text, key.p[0]) : NULL;
    if (l->broken)
        v->broken = true;
    if (found && !l->broken)
        *value = slice(found, 1);
    return found && !l->broken;
}

static bool letters_seek(struct store_view *v, unsigned slot, struct slice at, bool strict,
    struct slice *key, struct slice *value)
{
    struct letters *l = v->engine;
    l->seeks++;
    l->at[slot] = 0;
    while (letters_give(v, slot, key, value) &&
           (slice_cmp(*key, at) < 0 || (strict && slice_eq(*key, at))))
        l->at[slot]++;
    return letters_give(v, slot, key, value);
}

static bool letters_next(
    struct store_view *v, unsigned slot, struct slice *key, struct slice *value)
{
    struct letters *l = v->engine;
    l->at[slot]++;
    return letters_give(v, slot, key, value);
}

static const struct store_rows letters_ops = {letters_get, letters_seek, letters_next};

struct fixture {
    struct letters letters;
    struct store_txn txn;
};

static void setup(struct fixture *f, const char *text)
{
    memset(f, 0, sizeof *f);
    f->letters.text = text;
    store_view_init(&f->txn.view, &letters_ops, &f->letters, 1, 7, writeset_create());
}

static void finish(struct fixture *f)
{
    writeset_destroy(f->txn.view.set);
}

/* All keys from `at` on, as one string. */
static void expect(struct fixture *f, const char *at, const char *wanted)
{
    struct store_cursor c;
    struct slice key, value;
    char all[64];
    size_t n = 0;
    store_seek(&f->txn.view, slice_str(at), &c);
    while (store_next(&c, &key, &value))
        all[n++] = key.p[0];
    all[n] = 0;
    assert_string_equal(all, wanted);
}

static void put(struct fixture *f, const char *key, const char *value)
{
    store_put(&f->txn, slice_str(key), slice_str(value));
}

static void merged(void **state)
{
    struct fixture f;
    setup(&f, "bdfh");
    expect(&f, "", "bdfh");
    put(&f, "a", "1");
    put(&f, "d", "new");
    put(&f, "e", "1");
    put(&f, "z", "1");
    store_del(&f.txn, S("f"));
    store_del(&f.txn, S("y"));
    expect(&f, "", "abdehz");
    expect(&f, "d", "dehz");
    expect(&f, "f", "hz");
    expect(&f, "zz", "");
    struct slice value;
    assert_true(store_get(&f.txn.view, S("d"), &value) && slice_eq(value, S("new")));
    assert_false(store_get(&f.txn.view, S("f"), &value));
    assert_true(store_get(&f.txn.view, S("b"), &value));
    assert_false(store_get(&f.txn.view, S("c"), &value));
    assert_int_equal(store_version(&f.txn.view), 7);
    finish(&f);
}

static void changes_behind_an_open_cursor_are_seen(void **state)
{
    struct fixture f;
    struct store_cursor c;
    struct slice key, value;
    setup(&f, "bdf");
    store_seek(&f.txn.view, S(""), &c);
    assert_true(store_next(&c, &key, &value) && key.p[0] == 'b');
    put(&f, "c", "1");
    store_del(&f.txn, S("d"));
    put(&f, "a", "passed");
    assert_true(store_next(&c, &key, &value) && key.p[0] == 'c');
    store_del(&f.txn, S("c"));
    assert_true(store_next(&c, &key, &value) && key.p[0] == 'f');
    assert_false(store_next(&c, &key, &value));
    put(&f, "g", "late");
    assert_true(store_next(&c, &key, &value) && key.p[0] == 'g');
    finish(&f);
}

static void more_cursors_than_places(void **state)
{
    enum { N = STORE_CURSORS_MAX + 3 };
    struct fixture f;
    struct store_cursor c[N];
    struct slice key, value;
    setup(&f, "abcd");
    for (size_t i = 0; i < N; i++)
        store_seek(&f.txn.view, S(""), &c[i]);
    for (char wanted = 'a'; wanted <= 'd'; wanted++)
        for (size_t i = 0; i < N; i++)
            assert_true(store_next(&c[i], &key, &value) && key.p[0] == wanted);
    for (size_t i = 0; i < N; i++)
        assert_false(store_next(&c[i], &key, &value));
    finish(&f);
}

static void one_seek_for_a_scan(void **state)
{
    struct fixture f;
    setup(&f, "abcdefgh");
    put(&f, "cc", "1");
    expect(&f, "b", "bccdefgh");
    assert_int_equal(f.letters.seeks, 1);
    finish(&f);
}

static void prefix(void **state)
{
    struct fixture f;
    struct store_cursor c;
    struct slice key, value;
    setup(&f, "abz");
    put(&f, "b1", "1");
    put(&f, "b2", "1");
    put(&f, "c", "1");
    store_seek(&f.txn.view, S("b"), &c);
    unsigned n = 0;
    while (store_next_with(&c, S("b"), &key, &value))
        n++;
    assert_int_equal(n, 3);
    finish(&f);
}

static enum outcome over_the_limit(struct store_txn *t, void *arg)
{
    store_put(t, S("k"), S(""));
    return OUTCOME_DONE;
}

static enum outcome reads(struct store_txn *t, void *arg)
{
    struct slice value;
    store_get(store_txn_view(t), S("a"), &value);
    return OUTCOME_REFUSED;
}

static void outcomes(void **state)
{
    struct fixture f;
    setup(&f, "a");
    assert_int_equal(store_txn_run(&f.txn, over_the_limit, NULL), OUTCOME_FAILED);
    assert_int_equal(store_txn_run(&f.txn, reads, NULL), OUTCOME_REFUSED);
    f.letters.broken = true;
    assert_int_equal(store_txn_run(&f.txn, reads, NULL), OUTCOME_FAILED);
    finish(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged),
        cmocka_unit_test(changes_behind_an_open_cursor_are_seen),
        cmocka_unit_test(more_cursors_than_places),
        cmocka_unit_test(one_seek_for_a_scan),
        cmocka_unit_test(prefix),
        cmocka_unit_test(outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
