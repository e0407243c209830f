#include "engine_test.h"
#include "store/memory.h"
#include "tasks.h"
#include <stdio.h>
#include <unistd.h>

static void test_verify_of_an_empty_store(void **state)
{
    verify_clean(*state);
}

static void test_reopen_keeps_everything(void **state)
{
    struct fixture *f = *state;
    if (!fixture_durable(f))
        return;
    store_blob_id blobs[3];
    for (size_t i = 0; i < 3; i++)
        blobs[i] = make_blob(f, 100, i * 700000, i);
    const struct op release = {OP_RELEASE, .blob = blobs[1]};
    assert_int_equal(apply(f, TEST_PARTITION, &release, 1), OUTCOME_DONE);
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("1")), OUTCOME_DONE);
    uint64_t version = version_of(f, TEST_PARTITION);
    for (int round = 0; round < 3; round++) {
        fixture_reopen(f);
        assert_string_equal(get(f, TEST_PARTITION, S("a")), "1");
        assert_true(version_of(f, TEST_PARTITION) >= version);
        verify_clean(f);
        for (size_t i = 0; i < 3; i++) {
            struct store_blob *b = NULL;
            char bytes[1000];
            size_t got = 0;
            assert_int_equal(store_blob_open(f->store, blobs[i], &b, DEADLINE_NEVER), OUTCOME_DONE);
            assert_int_equal(store_blob_size(b), 100 + i * 700000);
            assert_int_equal(
                store_blob_read(b, 50, bytes, sizeof bytes, &got, DEADLINE_NEVER), OUTCOME_DONE);
            assert_true(check_bytes(bytes, 50, got, i));
            store_blob_close(b);
        }
        assert_int_equal(blob_refs(f, blobs[0]), 1);
        assert_true(blob_refs(f, blobs[1]) <= 0);
        assert_true(make_blob(f, 1, 1, 1) > blobs[2]);
    }
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("2")), OUTCOME_DONE);
    assert_true(version_of(f, TEST_PARTITION) > version);
}

/* Not even the name of a blob that was never kept is given again. */
static void test_ids_are_never_reused(void **state)
{
    struct fixture *f = *state;
    if (!fixture_durable(f))
        return;
    store_blob_id last = 0;
    f->options.gc_delay = 1;
    for (int round = 0; round < 4; round++) {
        fixture_reopen(f);
        store_blob_id id = make_blob(f, 10, 2000000u * (unsigned)(round & 1), 1);
        assert_true(id > last);
        last = id;
        const struct op release = {OP_RELEASE, .blob = id};
        assert_int_equal(apply(f, TEST_PARTITION, &release, 1), OUTCOME_DONE);
        store_housekeep(f->store, false);
    }
}

static void test_second_open_is_locked(void **state)
{
    struct fixture *f = *state;
    if (!fixture_durable(f))
        return;
    enum store_open_error error = STORE_OPEN_OK;
    char why[512] = "";
    assert_null(store_open(&f->options, &error, why));
    assert_int_equal(error, STORE_OPEN_LOCKED);
    assert_int_not_equal(strlen(why), 0);
}

static void test_unknown_engine(void **state)
{
    struct fixture *f = *state;
    struct store_options options = f->options;
    options.engine = "punch cards";
    enum store_open_error error = STORE_OPEN_OK;
    char why[512] = "";
    assert_null(store_open(&options, &error, why));
    assert_int_equal(error, STORE_OPEN_FORMAT);
    assert_int_not_equal(strlen(why), 0);
}

/* ---- closing with work in flight ---- */

struct closing {
    struct fixture *f;
    unsigned tasks;
    atomic_uint submitted, done, late, wrong;
};

/* The first task closes once all others have submitted. */
static void close_or_write(void *arg, unsigned index)
{
    struct closing *c = arg;
    if (index == 0) {
        while (atomic_load(&c->submitted) < c->tasks - 1)
            task_yield();
        store_close(c->f->store);
        return;
    }
    char key[4];
    pack_u32(key, index);
    const struct op op = {OP_PUT, slice(key, 4), S("v")};
    struct batch b = {&op, 1, OUTCOME_DONE};
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = batch_fn, .arg = &b};
    atomic_fetch_add(&c->submitted, 1);
    enum outcome outcome = store_mutate(c->f->store, &m, NULL, DEADLINE_NEVER);
    if (outcome == OUTCOME_DONE)
        atomic_fetch_add(&c->done, 1);
    else if (outcome == OUTCOME_FAILED)
        atomic_fetch_add(&c->late, 1);
    else
        atomic_fetch_add(&c->wrong, 1);
}

/* All tasks on one reactor: each has submitted and waits when the closing task gets its turn. */
static void test_close_finishes_what_was_submitted(void **state)
{
    struct fixture *f = *state;
    struct closing c = {.f = f, .tasks = 31};
    run_tasks_here(c.tasks, close_or_write, &c);
    f->store = NULL;
    assert_int_equal(c.wrong, 0);
    assert_int_equal(c.done + c.late, c.tasks - 1);
    fixture_open(f);
    if (fixture_durable(f))
        assert_int_equal(count_rows(f, TEST_PARTITION), c.done);
}

/* ---- the crash of the memory engine ---- */

static enum outcome post_fn(struct store_txn *t, void *arg)
{
    store_put(t, S("posted"), S("1"));
    return OUTCOME_DONE;
}

static void test_memory_crash(void **state)
{
    struct fixture *f = *state;
    if (engine_kind == ENGINE_LMDB)
        return;
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("1")), OUTCOME_DONE);
    memory_crash_after(f->store, 1);
    assert_int_equal(put(f, TEST_PARTITION, S("b"), S("1")), OUTCOME_DONE);
    assert_int_equal(put(f, TEST_PARTITION, S("c"), S("1")), OUTCOME_UNKNOWN);
    assert_int_equal(put(f, TEST_PARTITION, S("d"), S("1")), OUTCOME_FAILED);
    store_post(f->store, TEST_PARTITION, post_fn, NULL, 0);
    uint64_t version;
    assert_int_equal(
        store_read(f->store, TEST_PARTITION, (store_read_fn)NULL, NULL, &version, DEADLINE_NEVER),
        OUTCOME_FAILED);
    memory_restart(f->store);
    assert_string_equal(dump(f, TEST_PARTITION), "a=1 b=1 ");
    assert_int_equal(put(f, TEST_PARTITION, S("e"), S("1")), OUTCOME_DONE);
}

int life_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_verify_of_an_empty_store, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_reopen_keeps_everything, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_ids_are_never_reused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_second_open_is_locked, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_engine, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_close_finishes_what_was_submitted, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_memory_crash, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
