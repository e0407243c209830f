#include "check.h"
#include <unistd.h>

/* ---- every kind of wait is cancelled ---- */

static struct event never;
static struct gate closed;
static int silent[2];
static unsigned cancelled, ended;

static void tell(enum wait outcome)
{
    CHECK(outcome == WAIT_CANCELLED);
    CHECK(task_cancelled());
    cancelled++;
    /* From now on at once. */
    event_raise(&never);
    CHECK(event_wait(&never, DEADLINE_NEVER) == WAIT_CANCELLED);
    CHECK(gate_enter(&closed, DEADLINE_NEVER) == WAIT_CANCELLED);
    CHECK(task_sleep(DEADLINE_NEVER) == WAIT_CANCELLED);
    CHECK(task_wait_fd(silent[0], WATCH_READ, NULL, DEADLINE_NEVER) == WAIT_CANCELLED);
    never.raised = false;
    task_yield();
    ended++;
}

static void wait_event(void *arg)
{
    tell(event_wait(&never, DEADLINE_NEVER));
}

static void wait_gate(void *arg)
{
    tell(gate_enter(&closed, DEADLINE_NEVER));
}

static void wait_time(void *arg)
{
    tell(task_sleep(deadline_in(3600 * CLOCK_SEC)));
}

static void wait_fd(void *arg)
{
    tell(task_wait_fd(silent[0], WATCH_READ, NULL, DEADLINE_NEVER));
}

static void short_work(void *arg)
{
    usleep(1000);
    ++*(unsigned *)arg;
}

/* Not cut short: the thread has its argument. */
static void wait_offload(void *arg)
{
    unsigned worked = 0;
    CHECK(offload_run(OFFLOAD_CPU, short_work, &worked));
    CHECK(worked == 1 && task_cancelled());
    ended++;
}

static void at_end(void *arg)
{
    ended++;
}

static void cancel_all(void *arg)
{
    struct scope s;
    event_init(&never);
    gate_init(&closed, 0);
    CHECK(pipe(silent) == 0);
    scope_init(&s);
    CHECK(!task_cancelled());
    void (*const kinds[])(void *) = {wait_event, wait_gate, wait_time, wait_fd, wait_offload};
    for (unsigned i = 0; i < 5; i++)
        CHECK(scope_spawn(&s, TASK_NORMAL, kinds[i], NULL));
    task_yield();
    task_yield();
    CHECK(s.count == 5);
    scope_close(&s);
    CHECK(cancelled == 4 && ended == 5);
    CHECK(s.count == 0 && list_empty(&s.tasks));
    CHECK(list_empty(&closed.waiting) && !never.waiter);
    CHECK(!scope_spawn(&s, TASK_NORMAL, at_end, NULL));
    /* A child that has not begun runs all the same. */
    scope_init(&s);
    CHECK(scope_spawn(&s, TASK_PREAUTH, at_end, NULL));
    scope_close(&s);
    CHECK(ended == 6);
    /* Nothing to wait for. */
    scope_init(&s);
    scope_close(&s);
    close(silent[0]);
    close(silent[1]);
}

static void cancels_every_wait(void **state)
{
    run_on(1, cancel_all, NULL);
}

/* ---- trees ---- */

struct node {
    unsigned depth;
    unsigned *leaves;
};

static void grow(void *arg)
{
    struct node *n = arg;
    if (n->depth == 0) {
        CHECK(task_sleep(deadline_in(3600 * CLOCK_SEC)) == WAIT_CANCELLED);
        ++*n->leaves;
        return;
    }
    struct scope s;
    struct node child = {.depth = n->depth - 1, .leaves = n->leaves};
    scope_init(&s);
    for (unsigned i = 0; i < 4; i++)
        CHECK(scope_spawn(&s, TASK_NORMAL, grow, &child));
    CHECK(task_sleep(DEADLINE_NEVER) == WAIT_CANCELLED);
    scope_close(&s);
}

static void tree_main(void *arg)
{
    unsigned leaves = 0;
    struct node root = {.depth = 5, .leaves = &leaves};
    struct scope s;
    scope_init(&s);
    CHECK(scope_spawn(&s, TASK_NORMAL, grow, &root));
    for (unsigned i = 0; i < 20; i++)
        task_yield();
    CHECK(task_stacks_in_use() == 1 + 1 + 4 + 16 + 64 + 256 + 1024);
    scope_close(&s);
    CHECK(leaves == 1024);
    while (task_stacks_in_use() > 1)
        task_yield();
}

static void trees(void **state)
{
    run_on(1, tree_main, NULL);
}

/* ---- more children than stacks ---- */

static void sleep_a_little(void *arg)
{
    task_sleep(deadline_in(CLOCK_MS));
    ++*(unsigned *)arg;
}

static void crowd_main(void *arg)
{
    unsigned count = 0;
    struct scope s;
    scope_init(&s);
    for (unsigned i = 0; i < 500; i++)
        CHECK(scope_spawn(&s, i % 2 ? TASK_PREAUTH : TASK_NORMAL, sleep_a_little, &count));
    task_yield();
    CHECK(task_stacks_wanted());
    while (count < 100)
        task_yield();
    scope_close(&s);
    CHECK(count == 500);
}

static void crowds(void **state)
{
    struct runtime_options options = {.reactors = 1, .stacks = 12};
    assert_true(runtime_run(&options, crowd_main, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancels_every_wait),
        cmocka_unit_test(trees),
        cmocka_unit_test(crowds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
