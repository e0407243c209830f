#include "engine_test.h"

static char big[STORE_VALUE_MAX + 1];

static int setup(void **state)
{
    memset(big, 'x', sizeof big);
    return fixture_setup(state);
}

static void test_key_length(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, TEST_PARTITION, slice(big, STORE_KEY_MAX), S("1")), OUTCOME_DONE);
    assert_string_equal(get(f, TEST_PARTITION, slice(big, STORE_KEY_MAX)), "1");
    assert_int_equal(put(f, TEST_PARTITION, slice(big, STORE_KEY_MAX + 1), S("1")), OUTCOME_FAILED);
    assert_int_equal(put(f, TEST_PARTITION, S(""), S("1")), OUTCOME_FAILED);
    assert_null(get(f, TEST_PARTITION, slice(big, STORE_KEY_MAX + 1)));
    assert_int_equal(count_rows(f, TEST_PARTITION), 1);
    const struct op del = {OP_DEL, slice(big, STORE_KEY_MAX)};
    assert_int_equal(apply(f, TEST_PARTITION, &del, 1), OUTCOME_DONE);
    assert_int_equal(count_rows(f, TEST_PARTITION), 0);
}

static void measure_fn(struct store_view *v, void *arg)
{
    size_t *n = arg;
    struct slice value = {0};
    *n = store_get(v, S("v"), &value) ? value.n : 0;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != 'x')
            *n = 0;
}

static void test_value_length(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    assert_int_equal(put(f, TEST_PARTITION, S("v"), slice(big, STORE_VALUE_MAX)), OUTCOME_DONE);
    assert_int_equal(
        store_read(f->store, TEST_PARTITION, measure_fn, &n, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(n, STORE_VALUE_MAX);
    assert_int_equal(
        put(f, TEST_PARTITION, S("w"), slice(big, STORE_VALUE_MAX + 1)), OUTCOME_FAILED);
    assert_int_equal(put(f, TEST_PARTITION, S("w"), S("")), OUTCOME_FAILED);
    assert_int_equal(count_rows(f, TEST_PARTITION), 1);
}

struct many {
    uint32_t n;
    size_t value_n, last_value_n;
    enum outcome answer;
};

static enum outcome many_fn(struct store_txn *t, void *arg)
{
    const struct many *m = arg;
    for (uint32_t i = 0; i < m->n; i++) {
        char key[4];
        pack_u32(key, i);
        store_put(t, slice(key, 4), slice(big, i + 1 == m->n ? m->last_value_n : m->value_n));
    }
    return m->answer;
}

static enum outcome put_many(struct fixture *f, struct many many)
{
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = many_fn, .arg = &many};
    return store_mutate(f->store, &m, NULL, DEADLINE_NEVER);
}

static void test_keys_of_a_mutation(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        put_many(f, (struct many){STORE_WRITE_KEYS_MAX + 1, 1, 1, OUTCOME_DONE}), OUTCOME_FAILED);
    assert_int_equal(count_rows(f, TEST_PARTITION), 0);
    assert_int_equal(
        put_many(f, (struct many){STORE_WRITE_KEYS_MAX, 1, 1, OUTCOME_DONE}), OUTCOME_DONE);
    assert_int_equal(count_rows(f, TEST_PARTITION), STORE_WRITE_KEYS_MAX);
}

/* 8 MiB of keys and values. */
static void test_bytes_of_a_mutation(void **state)
{
    struct fixture *f = *state;
    const uint32_t n = (uint32_t)(STORE_WRITE_BYTES_MAX / STORE_VALUE_MAX);
    const size_t rest = STORE_VALUE_MAX - 4 * (size_t)n;
    assert_int_equal(
        put_many(f, (struct many){n, STORE_VALUE_MAX, rest + 1, OUTCOME_DONE}), OUTCOME_FAILED);
    assert_int_equal(count_rows(f, TEST_PARTITION), 0);
    assert_int_equal(
        put_many(f, (struct many){n, STORE_VALUE_MAX, rest, OUTCOME_DONE}), OUTCOME_DONE);
    assert_int_equal(count_rows(f, TEST_PARTITION), n);
}

/* Over the limit is FAILED even if the fn refuses: its answer rests on reads that missed writes. */
static void test_limit_beats_answer(void **state)
{
    struct fixture *f = *state;
    const struct op ops[] = {{OP_PUT, S("a"), S("1")}, {OP_PUT, S("b"), slice(big, sizeof big)}};
    struct batch b = {ops, 2, OUTCOME_REFUSED};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = batch_fn, .arg = &b};
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_FAILED);
    assert_int_equal(count_rows(f, TEST_PARTITION), 0);
}

static enum outcome intent_to(struct fixture *f, struct store_mutation *m, size_t n)
{
    return store_intent(f->store, m, n, NULL, DEADLINE_NEVER);
}

static void test_destinations_of_an_intent(void **state)
{
    struct fixture *f = *state;
    struct store_mutation *m = calloc(STORE_INTENT_MAX + 1, sizeof *m);
    assert_non_null(m);
    const struct op op = {OP_PUT, S("k"), S("v")};
    struct batch b = {&op, 1, OUTCOME_DONE};
    for (size_t i = 0; i <= STORE_INTENT_MAX; i++)
        m[i] = (struct store_mutation){.partition = TEST_PARTITION + i, .fn = batch_fn, .arg = &b};
    enum outcome over = intent_to(f, m, STORE_INTENT_MAX + 1), none = intent_to(f, m, 0);
    size_t rows = count_rows(f, TEST_PARTITION);
    enum outcome most = intent_to(f, m, STORE_INTENT_MAX);
    m[1].partition = m[0].partition;
    enum outcome twice = intent_to(f, m, 2);
    free(m);
    assert_int_equal(over, OUTCOME_FAILED);
    assert_int_equal(none, OUTCOME_FAILED);
    assert_int_equal(rows, 0);
    assert_int_equal(most, OUTCOME_DONE);
    assert_int_equal(twice, OUTCOME_FAILED);
    for (size_t i = 0; i < STORE_INTENT_MAX; i += 31)
        assert_string_equal(get(f, TEST_PARTITION + i, S("k")), "v");
    assert_null(get(f, TEST_PARTITION + STORE_INTENT_MAX, S("k")));
}

static void test_head_of_a_blob(void **state)
{
    struct fixture *f = *state;
    const struct op op = {OP_PUT, S("k"), S("v")};
    struct batch b = {&op, 1, OUTCOME_DONE};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = batch_fn, .arg = &b};
    struct store_new_blob blob = {.head = slice(big, sizeof big)};
    blob.body = make_spool(f, 1, 1);
    assert_int_equal(store_mutate(f->store, &m, &blob, DEADLINE_NEVER), OUTCOME_FAILED);
    assert_int_equal(count_rows(f, TEST_PARTITION), 0);
    blob.head.n--;
    assert_int_equal(store_mutate(f->store, &m, &blob, DEADLINE_NEVER), OUTCOME_DONE);
    spool_destroy(blob.body);
}

int limit_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_key_length, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_value_length, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_keys_of_a_mutation, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_bytes_of_a_mutation, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_limit_beats_answer, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_destinations_of_an_intent, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_head_of_a_blob, setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
