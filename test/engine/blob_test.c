#include "engine_test.h"

#define MIB ((uint64_t)1024 * 1024)

static struct store_blob *open_blob(struct fixture *f, store_blob_id id)
{
    struct store_blob *b = NULL;
    assert_int_equal(store_blob_open(f->store, id, &b, DEADLINE_NEVER), OUTCOME_DONE);
    assert_non_null(b);
    return b;
}

static bool blob_gone(struct fixture *f, store_blob_id id)
{
    struct store_blob *b = NULL;
    enum outcome outcome = store_blob_open(f->store, id, &b, DEADLINE_NEVER);
    assert_true(outcome == OUTCOME_DONE || outcome == OUTCOME_REFUSED);
    store_blob_close(b);
    return outcome == OUTCOME_REFUSED;
}

/* Reads [offset, offset + n) and checks it against what was written. */
static void check_range(
    struct store_blob *b, uint64_t offset, size_t n, uint64_t size, uint64_t seed)
{
    char *to = malloc(n + 1);
    assert_non_null(to);
    size_t got = 12345, expected = offset >= size ? 0 : n;
    if (offset < size && n > size - offset)
        expected = (size_t)(size - offset);
    enum outcome outcome = store_blob_read(b, offset, to, n, &got, DEADLINE_NEVER);
    bool right = got == expected && check_bytes(to, offset, got, seed);
    free(to);
    assert_int_equal(outcome, OUTCOME_DONE);
    assert_int_equal(got, expected);
    assert_true(right);
}

static void check_blob(struct fixture *f, store_blob_id id, uint64_t size, uint64_t seed)
{
    struct store_blob *b = open_blob(f, id);
    assert_int_equal(store_blob_size(b), size);
    for (uint64_t at = 0; at < size; at += 65536)
        check_range(b, at, 65536, size, seed);
    check_range(b, 0, (size_t)size, size, seed);
    check_range(b, size, 10, size, seed);
    check_range(b, size + 1, 10, size, seed);
    check_range(b, UINT64_MAX, 10, size, seed);
    store_blob_close(b);
}

static void test_sizes(void **state)
{
    struct fixture *f = *state;
    const uint64_t sizes[] = {
        0, 1, 65535, 65536, 65537, 131072, 262144, 262145, MIB - 1, MIB, MIB + 1, 5 * MIB};
    const size_t heads[] = {0, 1, 300, 65536};
    store_blob_id last = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t head = heads[i % 4];
        store_blob_id id = make_blob(f, head, sizes[i], i);
        assert_true(id > last);
        last = id;
        check_blob(f, id, head + sizes[i], i);
        assert_int_equal(blob_refs(f, id), 1);
    }
    verify_clean(f);
}

static void test_no_body(void **state)
{
    struct fixture *f = *state;
    char head[100];
    fill_bytes(head, 0, sizeof head, 3);
    struct store_new_blob blob = {.head = slice(head, sizeof head), .body = make_spool(f, 0, 3)};
    const struct op op = {OP_RETAIN_NEW, .made = &blob};
    struct batch b = {&op, 1, OUTCOME_DONE};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = batch_fn, .arg = &b};
    assert_int_equal(store_mutate(f->store, &m, &blob, DEADLINE_NEVER), OUTCOME_DONE);
    spool_destroy(blob.body);
    check_blob(f, blob.id, sizeof head, 3);
}

/* Around every border of a block, and at every offset of a small blob. */
static void test_ranges(void **state)
{
    struct fixture *f = *state;
    const uint64_t small = 300, big = 3 * 65536 + 777;
    struct store_blob *b = open_blob(f, make_blob(f, 20, small - 20, 1));
    for (uint64_t at = 0; at <= small; at++)
        for (size_t n = 0; n < 8; n++)
            check_range(b, at, n == 7 ? 400 : n * 17, small, 1);
    store_blob_close(b);
    b = open_blob(f, make_blob(f, 777, big - 777, 2));
    for (uint64_t at = 1; at < big; at += 7919)
        check_range(b, at, 70001, big, 2);
    for (uint64_t border = 65536; border < big; border += 65536)
        for (int off = -3; off <= 3; off++)
            for (size_t n = 1; n < 8; n++)
                check_range(b, border + (uint64_t)off, n, big, 2);
    random_seed(11);
    for (int i = 0; i < 300; i++)
        check_range(b, random_below(big), (size_t)random_below(150000), big, 2);
    random_seed(0);
    store_blob_close(b);
}

static enum outcome change_refs(
    struct fixture *f, store_blob_id id, unsigned retains, unsigned releases)
{
    struct op ops[8];
    for (unsigned i = 0; i < retains + releases; i++)
        ops[i] = (struct op){i < retains ? OP_RETAIN : OP_RELEASE, .blob = id};
    return apply(f, TEST_PARTITION, ops, retains + releases);
}

static void test_references(void **state)
{
    struct fixture *f = *state;
    store_blob_id id = make_blob(f, 10, 1000, 1), other = make_blob(f, 10, 1000, 2);
    assert_int_equal(change_refs(f, id, 3, 0), OUTCOME_DONE);
    assert_int_equal(blob_refs(f, id), 4);
    assert_int_equal(change_refs(f, id, 1, 3), OUTCOME_DONE);
    assert_int_equal(blob_refs(f, id), 2);
    assert_int_equal(change_refs(f, id, 0, 3), OUTCOME_FAILED);
    assert_int_equal(blob_refs(f, id), 2);
    assert_int_equal(change_refs(f, id, 0, 2), OUTCOME_DONE);
    assert_true(blob_refs(f, id) <= 0);
    assert_int_equal(change_refs(f, id, 0, 1), OUTCOME_FAILED);
    assert_int_equal(blob_refs(f, other), 1);
    assert_int_equal(change_refs(f, other + 1000, 1, 0), OUTCOME_FAILED);
    assert_int_equal(change_refs(f, 0, 1, 0), OUTCOME_FAILED);
    check_blob(f, other, 1010, 2);
    verify_clean(f);
}

/* A failing reference takes the rows of its mutation with it. */
static void test_bad_reference_applies_nothing(void **state)
{
    struct fixture *f = *state;
    const struct op ops[] = {{OP_PUT, S("a"), S("1")}, {OP_RETAIN, .blob = 4711}};
    assert_int_equal(apply(f, TEST_PARTITION, ops, 2), OUTCOME_FAILED);
    assert_null(get(f, TEST_PARTITION, S("a")));
}

/* Housekeeping until the blob is gone; false after a minute. */
static bool swept(struct fixture *f, store_blob_id id)
{
    deadline until = deadline_in(60 * CLOCK_SEC);
    while (!blob_gone(f, id)) {
        if (clock_now() > until)
            return false;
        store_housekeep(f->store, false);
        task_sleep(deadline_in(5 * CLOCK_MS));
    }
    return true;
}

static void test_sweep_after_delay(void **state)
{
    struct fixture *f = *state;
    fixture_restart(f, 30 * CLOCK_MS, 0);
    store_blob_id id = make_blob(f, 10, 1000, 1), big = make_blob(f, 10, 2 * MIB, 2),
                  kept = make_blob(f, 10, 1000, 3);
    assert_int_equal(change_refs(f, id, 0, 1), OUTCOME_DONE);
    assert_int_equal(change_refs(f, big, 0, 1), OUTCOME_DONE);
    assert_true(swept(f, id));
    assert_true(swept(f, big));
    assert_int_equal(change_refs(f, id, 1, 0), OUTCOME_FAILED);
    check_blob(f, kept, 1010, 3);
    assert_int_equal(blob_refs(f, id), -1);
    verify_clean(f);
}

/* With a delay that never ends, garbage can still be read, and a retain saves it. */
static void test_retain_saves(void **state)
{
    struct fixture *f = *state;
    store_blob_id id = make_blob(f, 10, 1000, 1);
    assert_int_equal(change_refs(f, id, 0, 1), OUTCOME_DONE);
    store_housekeep(f->store, false);
    store_housekeep(f->store, true);
    check_blob(f, id, 1010, 1);
    assert_int_equal(change_refs(f, id, 1, 0), OUTCOME_DONE);
    assert_int_equal(blob_refs(f, id), 1);
    check_blob(f, id, 1010, 1);
    struct store_figures figures;
    store_figures(f->store, &figures);
    assert_int_equal(figures.garbage, 0);
    verify_clean(f);
}

static void test_open_blob_is_pinned(void **state)
{
    struct fixture *f = *state;
    fixture_restart(f, 1, 0);
    store_blob_id id = make_blob(f, 10, 200000, 1), other = make_blob(f, 10, 1000, 2);
    struct store_blob *b = open_blob(f, id), *again = open_blob(f, id);
    assert_int_equal(change_refs(f, id, 0, 1), OUTCOME_DONE);
    assert_int_equal(change_refs(f, other, 0, 1), OUTCOME_DONE);
    assert_true(swept(f, other));
    check_range(b, 65536, 70000, 200010, 1);
    store_blob_close(b);
    store_housekeep(f->store, false);
    check_range(again, 0, 200010, 200010, 1);
    store_blob_close(again);
    assert_true(swept(f, id));
    store_blob_close(NULL);
}

static void test_refused_blob_becomes_garbage(void **state)
{
    struct fixture *f = *state;
    fixture_restart(f, 1, 0);
    for (int refused = 0; refused < 2; refused++) {
        struct store_new_blob blob = {.head = S("head"), .body = make_spool(f, 500, 1)};
        /* Refusing, and forgetting to retain, come to the same. */
        const struct op op = {OP_PUT, S("a"), S("1")};
        struct batch b = {&op, 1, refused ? OUTCOME_REFUSED : OUTCOME_DONE};
        struct store_mutation m = {.partition = TEST_PARTITION, .fn = batch_fn, .arg = &b};
        assert_int_equal(store_mutate(f->store, &m, &blob, DEADLINE_NEVER), b.answer);
        spool_destroy(blob.body);
        assert_true(blob.id == 0 || swept(f, blob.id));
    }
    verify_clean(f);
}

struct listing {
    store_blob_id last;
    unsigned n, bad;
    uint64_t bytes;
};

static void list_blob(void *arg, store_blob_id id, uint32_t refs, uint64_t size)
{
    struct listing *l = arg;
    l->bad += id <= l->last;
    l->last = id;
    l->n += refs > 0;
    l->bytes += refs ? size : 0;
}

static void test_each_and_figures(void **state)
{
    struct fixture *f = *state;
    const unsigned n = 400;
    for (unsigned i = 0; i < n; i++)
        make_blob(f, 1, i, i);
    store_blob_id dropped = make_blob(f, 0, 99, 1);
    assert_int_equal(change_refs(f, dropped, 0, 1), OUTCOME_DONE);
    struct listing l = {0};
    assert_int_equal(store_each_blob(f->store, list_blob, &l), OUTCOME_DONE);
    assert_int_equal(l.bad, 0);
    assert_int_equal(l.n, n);
    assert_int_equal(l.bytes, n + n * (n - 1) / 2);
    struct store_figures figures;
    store_figures(f->store, &figures);
    assert_true(figures.mutations >= n + 2);
    assert_int_equal(figures.garbage, 1);
    assert_true(figures.live_bytes >= l.bytes && figures.segment_bytes >= figures.live_bytes);
    uint64_t blobs = 0, bytes = 0;
    assert_int_equal(store_verify(f->store, NULL, NULL, &blobs, &bytes), 0);
    assert_true(blobs >= n && bytes >= l.bytes);
}

int blob_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_no_body, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_ranges, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_references, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_bad_reference_applies_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_sweep_after_delay, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_retain_saves, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_open_blob_is_pinned, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_refused_blob_becomes_garbage, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_each_and_figures, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("blobs", tests, NULL, NULL);
}
