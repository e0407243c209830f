#include "base/budget.h"
#include "lmdb_harness.h"
#include "store/spool_private.h"
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#define KIB ((size_t)1024)

static unsigned ready_calls;

static void count_ready(void *arg)
{
    ready_calls++;
}

static void expect_bytes(struct spool *s, uint64_t seed, size_t n)
{
    static char piece[50000];
    for (size_t at = 0; at < n;) {
        size_t got;
        assert_int_equal(spool_read(s, at, piece, sizeof piece, &got), OUTCOME_DONE);
        assert_true(got > 0);
        for (size_t i = 0; i < got; i++)
            if (piece[i] != harness_byte(seed, at + i))
                fail_msg("byte %zu", at + i);
        at += got;
    }
    size_t got;
    assert_int_equal(spool_read(s, n, piece, 1, &got), OUTCOME_DONE);
    assert_int_equal(got, 0);
    struct slice head = spool_head(s);
    assert_int_equal(head.n, spool_in_memory(s) ? n : 64 * KIB);
    for (size_t i = 0; i < head.n; i++)
        assert_int_equal(head.p[i], harness_byte(seed, i));
}

static void sizes_body(struct harness *h)
{
    static const size_t sizes[] = {
        0, 1, 4096, 256 * KIB, 256 * KIB + 1, 300000, 512 * KIB, 512 * KIB + 1, 768 * KIB, 5000000};
    for (int tmp = 0; tmp < 2; tmp++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct spool *s = harness_spool(i, sizes[i], tmp ? h->dir : -1);
            assert_int_equal(spool_in_memory(s), !tmp || sizes[i] <= 256 * KIB);
            expect_bytes(s, i, sizes[i]);
            spool_destroy(s);
        }
    }
    assert_int_equal(budget_used(), 0);
}

static void waiting_body(struct harness *h)
{
    struct spool_options options = {.tmp_dir = h->dir, .ready = count_ready};
    static char big[300 * KIB];
    struct spool *s = spool_create(&options);
    ready_calls = 0;
    assert_int_equal(spool_write(s, slice(big, sizeof big)), SPOOL_OK); /* on its way */
    assert_int_equal(spool_write(s, slice(big, sizeof big)), SPOOL_WAIT);
    assert_int_equal(spool_state(s), SPOOL_WAIT);
    while (spool_state(s) == SPOOL_WAIT)
        task_yield();
    assert_int_equal(ready_calls, 1);
    assert_int_equal(spool_end(s, DEADLINE_NEVER), OUTCOME_DONE);
    assert_int_equal(spool_size(s), 2 * sizeof big);
    spool_destroy(s);
    /* Destroyed with a write in flight. */
    s = spool_create(&options);
    spool_write(s, slice(big, sizeof big));
    spool_write(s, slice(big, sizeof big));
    spool_destroy(s);
    spool_destroy(NULL);
    for (unsigned i = 0; budget_used() > 0 && i < 10000000; i++)
        task_yield();
    assert_int_equal(budget_used(), 0);
    assert_int_equal(ready_calls, 1);
}

static void max_body(struct harness *h)
{
    struct spool_options options = {.tmp_dir = -1, .max = 10};
    struct spool *s = spool_create(&options);
    assert_int_equal(spool_write(s, S("0123456789")), SPOOL_OK);
    assert_int_equal(spool_write(s, S("x")), SPOOL_TOO_BIG);
    assert_int_equal(spool_write(s, S("")), SPOOL_TOO_BIG);
    assert_int_equal(spool_size(s), 10);
    assert_int_equal(spool_end(s, DEADLINE_NEVER), OUTCOME_FAILED);
    spool_destroy(s);
}

static void memory_body(struct harness *h)
{
    struct spool_options options = {.tmp_dir = -1};
    static char piece[8 * KIB];
    budget_set(budget_used() + 10 * KIB);
    struct spool *s = spool_create(&options);
    assert_int_equal(spool_write(s, slice(piece, sizeof piece)), SPOOL_OK);
    assert_int_equal(spool_write(s, slice(piece, sizeof piece)), SPOOL_FAILED);
    assert_true(spool_error(s)[0] != 0);
    assert_true(spool_no_space(s));
    assert_true(spool_no_memory(s));
    spool_destroy(s);
    budget_set(0);
    assert_int_equal(budget_used(), 0);
}

static void space_body(struct harness *h)
{
    struct spool_options options = {.tmp_dir = h->dir, .ready = count_ready};
    static char big[300 * KIB];
    struct rlimit old, small = {100 * KIB, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    ready_calls = 0;
    struct spool *s = spool_create(&options);
    spool_write(s, slice(big, sizeof big));
    spool_write(s, slice(big, sizeof big));
    assert_int_equal(spool_end(s, DEADLINE_NEVER), OUTCOME_FAILED);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_true(spool_no_space(s));
    assert_false(spool_no_memory(s));
    assert_int_equal(spool_state(s), SPOOL_FAILED);
    assert_int_equal(ready_calls, 1);
    assert_int_equal(spool_write(s, S("x")), SPOOL_FAILED);
    spool_destroy(s);
}

#define TEST(name)                                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        harness_run(name##_body);                                                                  \
    }
TEST(sizes)
TEST(waiting)
TEST(max)
TEST(memory)
TEST(space)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(waiting),
        cmocka_unit_test(max),
        cmocka_unit_test(memory),
        cmocka_unit_test(space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
