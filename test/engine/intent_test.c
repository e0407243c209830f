#include "engine_test.h"
#include "store/memory.h"

#define DESTINATIONS 5

/* Retains the blob (if any) and puts "k"; or refuses. */
struct drop {
    const struct store_new_blob *blob;
    enum outcome answer;
};

static enum outcome drop_fn(struct store_txn *t, void *arg)
{
    const struct drop *d = arg;
    if (d->blob)
        store_retain(t, d->blob->id);
    store_put(t, S("k"), S("v"));
    return d->answer;
}

struct letter {
    struct drop drops[DESTINATIONS];
    struct store_mutation m[DESTINATIONS];
};

static void write_letter(struct letter *l, const struct store_new_blob *blob)
{
    *l = (struct letter){0};
    for (size_t i = 0; i < DESTINATIONS; i++) {
        l->drops[i] = (struct drop){blob, OUTCOME_DONE};
        l->m[i] = (struct store_mutation){
            .partition = TEST_PARTITION + i, .fn = drop_fn, .arg = &l->drops[i]};
    }
}

static enum outcome send_letter(struct fixture *f, struct letter *l, struct store_new_blob *blob)
{
    return store_intent(f->store, l->m, DESTINATIONS, blob, DEADLINE_NEVER);
}

/* How many destinations have it. */
static unsigned arrived(struct fixture *f)
{
    unsigned n = 0;
    for (size_t i = 0; i < DESTINATIONS; i++)
        n += get(f, TEST_PARTITION + i, S("k")) != NULL;
    return n;
}

static void test_all_destinations(void **state)
{
    struct fixture *f = *state;
    struct letter l;
    struct store_new_blob blob = {.head = S("head"), .body = make_spool(f, 1000, 1)};
    write_letter(&l, &blob);
    assert_int_equal(send_letter(f, &l, &blob), OUTCOME_DONE);
    spool_destroy(blob.body);
    for (size_t i = 0; i < DESTINATIONS; i++)
        assert_int_equal(l.m[i].outcome, OUTCOME_DONE);
    assert_int_equal(arrived(f), DESTINATIONS);
    assert_int_equal(blob_refs(f, blob.id), DESTINATIONS);
    verify_clean(f);
}

static void test_one_destination(void **state)
{
    struct fixture *f = *state;
    struct letter l;
    write_letter(&l, NULL);
    assert_int_equal(store_intent(f->store, l.m, 1, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(l.m[0].outcome, OUTCOME_DONE);
    assert_int_equal(arrived(f), 1);
}

static void test_some_refuse(void **state)
{
    struct fixture *f = *state;
    struct letter l;
    struct store_new_blob blob = {.head = S("head"), .body = make_spool(f, 1000, 1)};
    write_letter(&l, &blob);
    l.drops[0].answer = l.drops[3].answer = OUTCOME_REFUSED;
    assert_int_equal(send_letter(f, &l, &blob), OUTCOME_DONE);
    spool_destroy(blob.body);
    for (size_t i = 0; i < DESTINATIONS; i++) {
        bool refused = i == 0 || i == 3;
        assert_int_equal(l.m[i].outcome, refused ? OUTCOME_REFUSED : OUTCOME_DONE);
        assert_int_equal(get(f, TEST_PARTITION + i, S("k")) == NULL, refused);
    }
    assert_int_equal(blob_refs(f, blob.id), DESTINATIONS - 2);
    verify_clean(f);
}

static void test_all_refuse(void **state)
{
    struct fixture *f = *state;
    struct letter l;
    struct store_new_blob blob = {.head = S("head"), .body = make_spool(f, 1000, 1)};
    write_letter(&l, &blob);
    for (size_t i = 0; i < DESTINATIONS; i++)
        l.drops[i].answer = OUTCOME_REFUSED;
    assert_int_equal(send_letter(f, &l, &blob), OUTCOME_REFUSED);
    spool_destroy(blob.body);
    assert_int_equal(l.m[2].outcome, OUTCOME_REFUSED);
    assert_int_equal(arrived(f), 0);
    assert_true(blob_refs(f, blob.id) <= 0);
    verify_clean(f);
}

static void test_one_fails(void **state)
{
    struct fixture *f = *state;
    struct letter l;
    write_letter(&l, NULL);
    l.drops[DESTINATIONS - 1].answer = OUTCOME_FAILED;
    assert_int_equal(send_letter(f, &l, NULL), OUTCOME_FAILED);
    assert_int_equal(arrived(f), 0);
    const struct store_new_blob nobody = {.id = 123456};
    write_letter(&l, NULL);
    l.drops[2].blob = &nobody;
    assert_int_equal(send_letter(f, &l, NULL), OUTCOME_FAILED);
    assert_int_equal(arrived(f), 0);
    assert_int_equal(store_intent(f->store, l.m, 2, NULL, clock_now() - 1), OUTCOME_FAILED);
    assert_int_equal(arrived(f), 0);
}

static void test_repeated_id(void **state)
{
    struct fixture *f = *state;
    struct letter l;
    write_letter(&l, NULL);
    for (size_t i = 0; i < DESTINATIONS; i++)
        l.m[i].id = (struct store_id){{9, (uint8_t)i}};
    assert_int_equal(send_letter(f, &l, NULL), OUTCOME_DONE);
    const struct op del = {OP_DEL, S("k")};
    for (size_t i = 0; i < DESTINATIONS; i++)
        assert_int_equal(apply(f, TEST_PARTITION + i, &del, 1), OUTCOME_DONE);
    assert_int_equal(send_letter(f, &l, NULL), OUTCOME_DONE);
    assert_int_equal(l.m[1].outcome, OUTCOME_DONE);
    assert_int_equal(arrived(f), 0);
}

/* Died after each step in turn: before the intent's row nothing has happened, behind it everything,
 * once. */
static void test_crash_at_every_step(void **state)
{
    struct fixture *f = *state;
    if (engine_kind == ENGINE_LMDB)
        return;
    for (unsigned steps = 0; steps <= DESTINATIONS + 2; steps++) {
        fixture_reopen(f);
        struct letter l;
        struct store_new_blob blob = {.head = S("head"), .body = make_spool(f, 1000, 1)};
        write_letter(&l, &blob);
        memory_crash_after(f->store, steps);
        enum outcome expected = steps < DESTINATIONS + 2 ? OUTCOME_UNKNOWN : OUTCOME_DONE;
        assert_int_equal(send_letter(f, &l, &blob), expected);
        assert_int_equal(l.m[0].outcome, expected);
        spool_destroy(blob.body);
        const struct op op = {OP_PUT, S("other"), S("1")};
        if (steps < DESTINATIONS + 2)
            assert_int_equal(apply(f, TEST_PARTITION, &op, 1), OUTCOME_FAILED);
        memory_restart(f->store);
        assert_int_equal(arrived(f), steps == 0 ? 0 : DESTINATIONS);
        int64_t refs = blob_refs(f, blob.id);
        assert_true(steps == 0 ? refs <= 0 : refs == DESTINATIONS);
        assert_int_equal(apply(f, TEST_PARTITION, &op, 1), OUTCOME_DONE);
        memory_restart(f->store);
        assert_int_equal(arrived(f), steps == 0 ? 0 : DESTINATIONS);
        verify_clean(f);
    }
}

static void test_all_or_nothing_when_unknown(void **state)
{
    struct fixture *f = *state;
    if (engine_kind != ENGINE_HARSH)
        return;
    fixture_restart(f, 0, 2);
    unsigned unknown = 0, kept = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct letter l;
        write_letter(&l, NULL);
        for (size_t i = 0; i < DESTINATIONS; i++)
            l.m[i].partition = TEST_PARTITION + 100 * round + i;
        enum outcome outcome = send_letter(f, &l, NULL);
        unsigned n = 0;
        for (size_t i = 0; i < DESTINATIONS; i++)
            n += get(f, l.m[i].partition, S("k")) != NULL;
        assert_true(n == DESTINATIONS || (n == 0 && outcome == OUTCOME_UNKNOWN));
        unknown += outcome == OUTCOME_UNKNOWN;
        kept += outcome == OUTCOME_UNKNOWN && n;
    }
    assert_true(unknown > kept && kept > 0);
}

int intent_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_destinations, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_one_destination, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_some_refuse, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_all_refuse, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_one_fails, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_repeated_id, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_crash_at_every_step, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_all_or_nothing_when_unknown, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("intents", tests, NULL, NULL);
}
