#include "engine_test.h"
#include "tasks.h"

static void test_refused_applies_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("1")), OUTCOME_DONE);
    uint64_t version = version_of(f, TEST_PARTITION);
    const struct op ops[] = {{OP_PUT, S("a"), S("2")}, {OP_PUT, S("b"), S("2")}, {OP_DEL, S("a")}};
    struct batch b = {ops, 3, OUTCOME_REFUSED};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = batch_fn, .arg = &b};
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_REFUSED);
    b.answer = OUTCOME_FAILED;
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_FAILED);
    assert_string_equal(dump(f, TEST_PARTITION), "a=1 ");
    assert_int_equal(version_of(f, TEST_PARTITION), version);
}

static void test_versions_grow(void **state)
{
    struct fixture *f = *state;
    uint64_t last = version_of(f, TEST_PARTITION);
    uint64_t other = version_of(f, TEST_PARTITION + 1);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(put(f, TEST_PARTITION, S("a"), S("same")), OUTCOME_DONE);
        uint64_t now = version_of(f, TEST_PARTITION);
        assert_true(now > last);
        last = now;
    }
    assert_int_equal(version_of(f, TEST_PARTITION + 1), other);
}

struct count {
    uint64_t value;
    enum outcome answer;
};

static uint64_t counter_in(struct store_view *v, struct slice key)
{
    struct slice value;
    return store_get(v, key, &value) && value.n == 8 ? unpack_u64(value.p) : 0;
}

/* The counter plus one; what it became. */
static enum outcome count_fn(struct store_txn *t, void *arg)
{
    struct count *c = arg;
    char bytes[8];
    c->value = counter_in(store_txn_view(t), S("counter")) + 1;
    pack_u64(bytes, c->value);
    store_put(t, S("counter"), slice(bytes, 8));
    return c->answer;
}

static void counter_fn(struct store_view *v, void *arg)
{
    *(uint64_t *)arg = counter_in(v, S("counter"));
}

static uint64_t counter(struct fixture *f, store_partition p)
{
    uint64_t value = 0;
    assert_int_equal(
        store_read(f->store, p, counter_fn, &value, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    return value;
}

static enum outcome count_once(struct fixture *f, struct store_id id, struct count *c)
{
    struct store_mutation m = {.partition = TEST_PARTITION, .id = id, .fn = count_fn, .arg = c};
    return store_mutate(f->store, &m, NULL, DEADLINE_NEVER);
}

static struct store_id id_of(uint32_t n)
{
    struct store_id id = {{1}};
    pack_u32(id.bytes + 12, n);
    return id;
}

static void test_repeated_id(void **state)
{
    struct fixture *f = *state;
    struct count c = {0, OUTCOME_DONE};
    for (int i = 0; i < 3; i++)
        assert_int_equal(count_once(f, id_of(1), &c), OUTCOME_DONE);
    assert_int_equal(counter(f, TEST_PARTITION), 1);
    assert_int_equal(count_once(f, id_of(2), &c), OUTCOME_DONE);
    assert_int_equal(counter(f, TEST_PARTITION), 2);
    /* All zero is no id. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(count_once(f, (struct store_id){0}, &c), OUTCOME_DONE);
    assert_int_equal(counter(f, TEST_PARTITION), 5);
    if (fixture_durable(f))
        fixture_reopen(f);
    assert_int_equal(count_once(f, id_of(1), &c), OUTCOME_DONE);
    assert_int_equal(counter(f, TEST_PARTITION), 5);
}

/* The last 1,024 of a partition, whatever other partitions do. */
static void test_ids_are_remembered(void **state)
{
    struct fixture *f = *state;
    struct count c = {0, OUTCOME_DONE};
    for (uint32_t i = 1; i <= 1024; i++)
        assert_int_equal(count_once(f, id_of(i), &c), OUTCOME_DONE);
    for (uint32_t i = 1; i <= 1024; i += 93)
        assert_int_equal(count_once(f, id_of(i), &c), OUTCOME_DONE);
    assert_int_equal(counter(f, TEST_PARTITION), 1024);
    struct store_mutation m = {
        .partition = TEST_PARTITION + 1, .id = id_of(5), .fn = count_fn, .arg = &c};
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(counter(f, TEST_PARTITION + 1), 1);
}

static void test_deadline_bounds_admission(void **state)
{
    struct fixture *f = *state;
    struct count c = {0, OUTCOME_DONE};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = count_fn, .arg = &c};
    assert_int_equal(store_mutate(f->store, &m, NULL, clock_now() - 1), OUTCOME_FAILED);
    assert_int_equal(counter(f, TEST_PARTITION), 0);
    assert_int_equal(store_mutate(f->store, &m, NULL, deadline_in(60 * CLOCK_SEC)), OUTCOME_DONE);
    assert_int_equal(counter(f, TEST_PARTITION), 1);
}

/* ---- many writers ---- */

#define WRITERS 40
#define ROUNDS  25

struct race {
    struct fixture *f;
    atomic_uint done, unknown, wrong;
};

static void writer(void *arg, unsigned index)
{
    struct race *race = arg;
    uint64_t last = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct count c = {0, OUTCOME_DONE};
        struct store_mutation m = {
            .partition = TEST_PARTITION + index % 3, .fn = count_fn, .arg = &c};
        enum outcome outcome = store_mutate(race->f->store, &m, NULL, DEADLINE_NEVER);
        if (outcome == OUTCOME_DONE)
            atomic_fetch_add(&race->done, 1);
        else if (outcome == OUTCOME_UNKNOWN)
            atomic_fetch_add(&race->unknown, 1);
        else
            atomic_fetch_add(&race->wrong, 1);
        /* A completed mutation is seen by the next read and by the next mutation. */
        uint64_t seen = 0;
        if (outcome == OUTCOME_DONE && (store_read(race->f->store, m.partition, counter_fn, &seen,
                                            NULL, DEADLINE_NEVER) != OUTCOME_DONE ||
                                           seen < c.value || c.value <= last))
            atomic_fetch_add(&race->wrong, 1);
        last = outcome == OUTCOME_DONE ? c.value : last;
    }
}

static uint64_t race_sum(struct fixture *f, struct race *race)
{
    race->f = f;
    run_tasks(WRITERS, writer, race);
    assert_int_equal(race->wrong, 0);
    return counter(f, TEST_PARTITION) + counter(f, TEST_PARTITION + 1) +
           counter(f, TEST_PARTITION + 2);
}

static void test_counters_of_many_tasks(void **state)
{
    struct race race = {0};
    assert_int_equal(race_sum(*state, &race), WRITERS * ROUNDS);
    assert_int_equal(race.done, WRITERS * ROUNDS);
}

/* What ended UNKNOWN may have happened or not; what ended DONE has. */
static void test_counters_with_unknown(void **state)
{
    struct race race = {0};
    if (engine_kind == ENGINE_LMDB)
        return;
    fixture_restart(*state, 0, 10);
    uint64_t sum = race_sum(*state, &race);
    assert_int_equal(race.done + race.unknown, WRITERS * ROUNDS);
    assert_true(sum >= race.done && sum <= race.done + race.unknown);
    if (engine_kind == ENGINE_HARSH)
        assert_true(race.unknown > 0 && sum > race.done && sum < race.done + race.unknown);
}

int write_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_refused_applies_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_versions_grow, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_repeated_id, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_ids_are_remembered, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_deadline_bounds_admission, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_counters_of_many_tasks, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_counters_with_unknown, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("writes", tests, NULL, NULL);
}
