#include "engine_test.h"
#include "tasks.h"

/* ---- posts ---- */

struct post {
    char key[8], value[8];
};

static enum outcome post_fn(struct store_txn *t, void *arg)
{
    const struct post *p = arg;
    store_put(t, slice_str(p->key), slice_str(p->value));
    return OUTCOME_DONE;
}

static void test_post_is_seen_by_the_next_read(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        struct post p = {.key = "k"};
        p.value[0] = (char)('a' + i % 26);
        store_post(f->store, TEST_PARTITION + (uint64_t)i % 5, post_fn, &p, sizeof p);
        const char *seen = get(f, TEST_PARTITION + (uint64_t)i % 5, S("k"));
        assert_non_null(seen);
        assert_string_equal(seen, p.value);
        if (i % 7 == 0)
            task_yield();
    }
}

static enum outcome see_post_fn(struct store_txn *t, void *arg)
{
    struct slice value;
    *(bool *)arg = store_get(store_txn_view(t), S("k"), &value);
    return OUTCOME_DONE;
}

/* In order with the mutations that follow; many in one go. */
static void test_posts_before_mutation(void **state)
{
    struct fixture *f = *state;
    struct post p = {.key = "k", .value = "v"};
    bool seen = false;
    struct store_mutation m = {.partition = TEST_PARTITION, .fn = see_post_fn, .arg = &seen};
    store_post(f->store, TEST_PARTITION, post_fn, &p, sizeof p);
    assert_int_equal(store_mutate(f->store, &m, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    assert_true(seen);
    for (uint32_t i = 0; i < 1000; i++) {
        p.key[0] = (char)('a' + i % 10);
        p.key[1] = (char)('a' + i / 10 % 10);
        p.key[2] = (char)('a' + i / 100);
        p.key[3] = '\0';
        store_post(f->store, TEST_PARTITION, post_fn, &p, sizeof p);
    }
    assert_int_equal(count_rows(f, TEST_PARTITION), 1001);
}

struct largest {
    char bytes[256];
};

static enum outcome largest_fn(struct store_txn *t, void *arg)
{
    store_put(t, S("k"), slice(arg, sizeof(struct largest)));
    return OUTCOME_DONE;
}

static void test_post_copies_its_argument(void **state)
{
    struct fixture *f = *state;
    struct largest l;
    memset(l.bytes, 'y', sizeof l.bytes);
    store_post(f->store, TEST_PARTITION, largest_fn, &l, sizeof l);
    memset(l.bytes, 'n', sizeof l.bytes);
    const char *seen = get(f, TEST_PARTITION, S("k"));
    assert_non_null(seen);
    assert_int_equal(strlen(seen), sizeof l.bytes);
    assert_int_equal(strspn(seen, "y"), sizeof l.bytes);
}

/* ---- watches ---- */

struct watcher_of {
    struct store_watch watch;
    struct event fired;
    unsigned calls;
};

static void on_fire(struct store_watch *w)
{
    struct watcher_of *own = list_entry(w, struct watcher_of, watch);
    own->calls++;
    event_raise(&own->fired);
}

static void watch(struct fixture *f, struct watcher_of *w, store_partition p)
{
    *w = (struct watcher_of){.calls = 0};
    event_init(&w->fired);
    store_watch_start(f->store, &w->watch, p, on_fire);
}

static bool wait_fired(struct watcher_of *w, int64_t ns)
{
    return event_wait(&w->fired, deadline_in(ns)) == WAIT_OK;
}

static void test_watch_fires_at_once(void **state)
{
    struct fixture *f = *state;
    struct watcher_of w, other;
    watch(f, &w, TEST_PARTITION);
    watch(f, &other, TEST_PARTITION + 1);
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("1")), OUTCOME_DONE);
    assert_true(wait_fired(&w, 60 * CLOCK_SEC));
    assert_true(w.watch.raised);
    assert_int_equal(w.watch.version, version_of(f, TEST_PARTITION));
    assert_int_equal(other.calls, 0);
    assert_false(other.watch.raised);
    store_watch_stop(&w.watch);
    store_watch_stop(&other.watch);
}

/* Raised and not cleared: no second call. Cleared: one call for all that came meanwhile, not before
 * the quiet time is over. */
static void test_watch_coalesces(void **state)
{
    struct fixture *f = *state;
    struct watcher_of w;
    watch(f, &w, TEST_PARTITION);
    int64_t first = clock_now();
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("1")), OUTCOME_DONE);
    assert_true(wait_fired(&w, 60 * CLOCK_SEC));
    for (int i = 0; i < 20; i++)
        assert_int_equal(put(f, TEST_PARTITION, S("a"), S("2")), OUTCOME_DONE);
    assert_int_equal(w.calls, 1);
    w.watch.raised = false;
    for (int i = 0; i < 20; i++)
        assert_int_equal(put(f, TEST_PARTITION, S("a"), S("3")), OUTCOME_DONE);
    assert_true(wait_fired(&w, 60 * CLOCK_SEC));
    assert_int_equal(w.calls, 2);
    assert_true(clock_now() - first > 100 * CLOCK_MS);
    store_watch_stop(&w.watch);
}

static void test_no_call_after_stop(void **state)
{
    struct fixture *f = *state;
    struct watcher_of w;
    watch(f, &w, TEST_PARTITION);
    store_watch_stop(&w.watch);
    watch(f, &w, TEST_PARTITION);
    store_watch_stop(&w.watch);
    assert_int_equal(put(f, TEST_PARTITION, S("a"), S("1")), OUTCOME_DONE);
    assert_false(wait_fired(&w, 20 * CLOCK_MS));
    assert_int_equal(w.calls, 0);
}

/* Watching on one reactor, changing from the other. The last change is always told. */
struct far {
    struct fixture *f;
    unsigned changes;
    enum outcome outcome;
};

static void change_from_there(void *arg)
{
    struct far *far = arg;
    far->outcome = OUTCOME_DONE;
    for (unsigned i = 0; i < far->changes && far->outcome == OUTCOME_DONE; i++)
        far->outcome = put(far->f, TEST_PARTITION, S("a"), S("1"));
}

static void test_watch_from_another_reactor(void **state)
{
    struct fixture *f = *state;
    struct watcher_of w[3];
    for (int i = 0; i < 3; i++)
        watch(f, &w[i], TEST_PARTITION);
    struct far far = {.f = f, .changes = 30};
    run_task_on(1, change_from_there, &far);
    assert_int_equal(far.outcome, OUTCOME_DONE);
    uint64_t version = version_of(f, TEST_PARTITION);
    for (int i = 0; i < 3; i++) {
        assert_true(wait_fired(&w[i], 60 * CLOCK_SEC));
        for (int tries = 0; w[i].watch.version < version && tries < 50; tries++) {
            w[i].watch.raised = false;
            wait_fired(&w[i], CLOCK_SEC);
        }
        assert_int_equal(w[i].watch.version, version);
        store_watch_stop(&w[i].watch);
    }
}

static void test_posts_and_intents_are_watched(void **state)
{
    struct fixture *f = *state;
    struct watcher_of w[2];
    struct post p = {.key = "k", .value = "v"};
    watch(f, &w[0], TEST_PARTITION);
    watch(f, &w[1], TEST_PARTITION + 1);
    store_post(f->store, TEST_PARTITION, post_fn, &p, sizeof p);
    assert_true(wait_fired(&w[0], 60 * CLOCK_SEC));
    w[0].watch.raised = false;
    struct store_mutation m[] = {
        {.partition = TEST_PARTITION, .fn = post_fn, .arg = &p},
        {.partition = TEST_PARTITION + 1, .fn = post_fn, .arg = &p},
    };
    assert_int_equal(store_intent(f->store, m, 2, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    for (int i = 0; i < 2; i++) {
        assert_true(wait_fired(&w[i], 60 * CLOCK_SEC));
        store_watch_stop(&w[i].watch);
    }
}

int watch_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_post_is_seen_by_the_next_read, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_posts_before_mutation, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_post_copies_its_argument, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_watch_fires_at_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_watch_coalesces, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_no_call_after_stop, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_watch_from_another_reactor, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_posts_and_intents_are_watched, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("posts and watches", tests, NULL, NULL);
}
