#include "check.h"
#include "task/stack_private.h"
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static void idle(struct context *c)
{
}

/* ---- the pool ---- */

static unsigned resident(const struct stack *s)
{
    static unsigned char pages[STACK_SIZE / 4096];
    CHECK(mincore(s->bottom, STACK_SIZE, pages) == 0);
    unsigned sum = 0;
    for (unsigned i = 0; i < STACK_SIZE / 4096; i++)
        sum += pages[i] & 1;
    return sum;
}

enum { LIMIT = 100 };

static void pool_main(void *arg)
{
    struct stack_pool p;
    struct stack *s[LIMIT];
    CHECK(stack_pool_init(&p, LIMIT));
    for (unsigned i = 0; i < LIMIT; i++) {
        s[i] = stack_take(&p, idle);
        CHECK(s[i] && s[i]->index == i);
        memset(s[i]->bottom, 1, STACK_SIZE);
    }
    CHECK(!stack_available(&p) && !stack_take(&p, idle));
    for (unsigned i = 0; i < LIMIT; i++)
        stack_give(&p, s[i]);
    CHECK(p.used == 0 && p.warm_count == LIMIT);
    /* The one given back last is taken first. */
    CHECK(stack_take(&p, idle) == s[LIMIT - 1]);
    stack_give(&p, s[LIMIT - 1]);
    /* Two looks without use: pages go, but for a few stacks. */
    timer_stop(&p.trim);
    p.trim.fire(&p.trim);
    CHECK(p.warm_count == LIMIT);
    p.trim.fire(&p.trim);
    CHECK(p.warm_count == STACK_WARM);
    CHECK(list_empty(&p.trim.node) || p.warm_count <= STACK_WARM);
    unsigned with_pages = 0;
    for (unsigned i = 0; i < LIMIT; i++)
        with_pages += resident(s[i]) != 0;
    CHECK(with_pages == STACK_WARM);
    for (unsigned i = 0; i < LIMIT; i++)
        CHECK(stack_take(&p, idle));
    CHECK(!stack_take(&p, idle));
    timer_stop(&p.trim);
    stack_pool_finish(&p);
}

static void pool(void **state)
{
    run_on(1, pool_main, NULL);
}

static void limits(void **state)
{
    assert_int_equal(stack_limit(10), 10);
    assert_true(stack_limit(4096) >= 1024);
}

/* ---- the guard ---- */

__attribute__((noinline)) static unsigned dig(unsigned depth)
{
    volatile char hole[1024];
    hole[0] = (char)depth;
    unsigned below = depth ? dig(depth - 1) : 0;
    return below + (unsigned)(hole[0] != 0);
}

static void dig_too_deep(void *arg)
{
    dig(1000);
}

static void dig_deep(void *arg)
{
    dig(STACK_SIZE / 1024 * 3 / 4 - 8);
}

static int run_in_child(void (*fn)(void *))
{
    pid_t pid = fork();
    if (!pid) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        struct runtime_options options = {.reactors = 1, .stacks = 64};
        _exit(runtime_run(&options, fn, NULL) ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void overflow_hits_the_guard(void **state)
{
#ifdef TASK_SANITIZED
    skip();
#endif
    int status = run_in_child(dig_deep);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = run_in_child(dig_too_deep);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* ---- the high water of debug builds ---- */

static void high_water(void **state)
{
    run_on(1, dig_deep, NULL);
    if (RUNNING_ON_VALGRIND)
        skip();
#if defined(NDEBUG) || defined(TASK_SANITIZED)
    assert_int_equal(task_stack_high_water(), 0);
#else
    assert_true(task_stack_high_water() > STACK_SIZE / 2);
    assert_true(task_stack_high_water() < STACK_SIZE);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(high_water), /* before the others fill stacks */
        cmocka_unit_test(pool),
        cmocka_unit_test(limits),
        cmocka_unit_test(overflow_hits_the_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
