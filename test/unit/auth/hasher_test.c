#include "cheap.h"
/* after cheap.h */
#include "auth/hasher.h"

#define TASKS 1000

static struct auth_hasher *hasher;
static unsigned ended, results[3];
static bool same_question, same_network;
static deadline until;
static struct directory_credentials stored;

static void ask(void *arg)
{
    uintptr_t i = (uintptr_t)arg;
    uint8_t digest[AUTH_DIGEST] = {0};
    if (!same_question)
        memcpy(digest, &i, sizeof i);
    results[auth_hasher_check(hasher, same_network ? 1 : i % 100, digest,
        i % 2 ? S("wrong") : S("right"), stored.password, until)]++;
    ended++;
}

static void ask_all(unsigned n, unsigned running, size_t queue_network, size_t queue_total)
{
    struct scope scope;
    struct auth_hasher_options options = {running, queue_network, queue_total};
    hasher = auth_hasher_create(&options);
    scope_init(&scope);
    ended = results[0] = results[1] = results[2] = 0;
    for (uintptr_t i = 0; i < n; i++)
        CHECK(scope_spawn(&scope, TASK_NORMAL, ask, (void *)i));
    while (ended < n)
        task_sleep(deadline_in(CLOCK_MS));
    scope_close(&scope);
}

static void bounded(void *arg)
{
    stored = cheap("right");
    until = DEADLINE_NEVER;
    same_question = false;
    same_network = true;
    ask_all(TASKS, 2, 64, 1000);
    /* The first two run, 64 wait, the others are told so; later ones may have found room. */
    CHECK(results[AUTH_HASHED_MATCH] + results[AUTH_HASHED_MISMATCH] >= 66);
    CHECK(results[AUTH_HASHED_BUSY] > 0);
    CHECK(auth_hasher_count(hasher) == TASKS - results[AUTH_HASHED_BUSY]);
    auth_hasher_destroy(hasher);

    same_network = false;
    ask_all(TASKS, 2, 64, 1000);
    CHECK(results[AUTH_HASHED_MATCH] == TASKS / 2 && results[AUTH_HASHED_MISMATCH] == TASKS / 2);
    auth_hasher_destroy(hasher);

    ask_all(TASKS, 2, 64, 10);
    CHECK(results[AUTH_HASHED_BUSY] > 0 && results[AUTH_HASHED_MATCH] > 0);
    auth_hasher_destroy(hasher);
}

/* All ask the same: the first one's hash answers those that came meanwhile. */
static void single_flight(void *arg)
{
    CHECK(password_make(S("right"), &stored) == PASSWORD_OK);
    until = DEADLINE_NEVER;
    same_question = same_network = true;
    ask_all(200, 2, 64, 64);
    CHECK(results[AUTH_HASHED_BUSY] == 0);
    CHECK(auth_hasher_count(hasher) <= 2);
    auth_hasher_destroy(hasher);
}

/* Deadlines that pass: waiting flights are given up, running ones end for nobody. */
static void given_up(void *arg)
{
    CHECK(password_make(S("right"), &stored) == PASSWORD_OK);
    until = deadline_in(5 * CLOCK_MS);
    same_question = same_network = false;
    ask_all(100, 2, 64, 1000);
    CHECK(results[AUTH_HASHED_BUSY] > 90);
    auth_hasher_destroy(hasher); /* while two still run */
}

static void run(void (*fn)(void *), unsigned reactors)
{
    struct runtime_options options = {.reactors = reactors};
    CHECK(runtime_run(&options, fn, NULL));
}

static void test_bounded(void **state)
{
    run(bounded, 1);
}

static void test_single_flight(void **state)
{
    run(single_flight, 1);
}

static void test_given_up(void **state)
{
    run(given_up, 1);
}

/* A network that fills its queue does not delay another one's first question. */
static unsigned order[80], order_n;

static void ask_in_order(void *arg)
{
    uintptr_t i = (uintptr_t)arg;
    uint8_t digest[AUTH_DIGEST] = {0};
    memcpy(digest, &i, sizeof i);
    auth_hasher_check(hasher, i == 60 ? 2 : 1, digest, S("x"), stored.password, DEADLINE_NEVER);
    order[order_n++] = (unsigned)i;
}

static void fair(void *arg)
{
    struct scope scope;
    struct auth_hasher_options options = {1, 64, 1000};
    stored = cheap("right");
    hasher = auth_hasher_create(&options);
    scope_init(&scope);
    for (uintptr_t i = 0; i <= 60; i++)
        CHECK(scope_spawn(&scope, TASK_NORMAL, ask_in_order, (void *)i));
    while (order_n < 61)
        task_sleep(deadline_in(CLOCK_MS));
    unsigned place = 0;
    while (order[place] != 60)
        place++;
    CHECK(place < 10);
    scope_close(&scope);
    auth_hasher_destroy(hasher);
}

static void test_fair(void **state)
{
    run(fair, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_single_flight),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
