#include "server/everywhere.h"
#include "unit/task/check.h"

#define REACTORS 4

static atomic_uint seen[REACTORS];

static void here(void *arg)
{
    CHECK(!task_self());
    atomic_fetch_add(&seen[reactor_index(reactor_self())], *(unsigned *)arg);
}

static void many_rounds(void *arg)
{
    unsigned one = 1;
    for (int i = 0; i < 500; i++)
        everywhere(here, &one);
    for (unsigned i = 0; i < runtime_reactors(); i++)
        CHECK(atomic_load(&seen[i]) == 500);
    for (unsigned i = 0; i < runtime_reactors(); i++)
        for (unsigned n = 0; n <= i; n++)
            everywhere_on(i, here, &one);
    for (unsigned i = 0; i < runtime_reactors(); i++)
        CHECK(atomic_load(&seen[i]) == 500 + i + 1);
}

struct several {
    unsigned left;
    struct event all;
};

static void one_of_several(void *arg)
{
    struct several *s = arg;
    unsigned one = 1;
    for (int i = 0; i < 20; i++)
        everywhere(here, &one);
    if (--s->left == 0)
        event_raise(&s->all);
}

/* Rounds at the same time, one of them in a scope that is being closed: it too comes to its end. */
static void at_the_same_time(void *arg)
{
    struct several s = {.left = 32};
    struct scope scope;
    for (unsigned i = 0; i < REACTORS; i++)
        atomic_store(&seen[i], 0);
    event_init(&s.all);
    scope_init(&scope);
    for (int i = 0; i < 32; i++)
        CHECK(scope_spawn(&scope, TASK_NORMAL, one_of_several, &s));
    scope_close(&scope);
    CHECK(s.left == 0);
    for (unsigned i = 0; i < runtime_reactors(); i++)
        CHECK(atomic_load(&seen[i]) == 32 * 20);
}

static void once_on_each(void **state)
{
    run_on(REACTORS, many_rounds, NULL);
}

static void several_rounds(void **state)
{
    run_on(1, at_the_same_time, NULL);
    run_on(REACTORS, at_the_same_time, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_on_each),
        cmocka_unit_test(several_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
