#include "check.h"
#include <errno.h>
#include <string.h>

static void count(void *arg)
{
    ++*(int *)arg;
}

static void fifty_in_a_row(void **state)
{
    int runs = 0;
    for (unsigned i = 0; i < 50; i++)
        run_on(1 + i % 4, count, &runs);
    assert_int_equal(runs, 50);
    assert_null(reactor_self());
    assert_int_equal(runtime_reactors(), 0);
    assert_int_equal(task_stacks_in_use(), 0);
}

static void inside(void *arg)
{
    CHECK(runtime_reactors() == 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK(reactor_index(runtime_reactor(i)) == i);
    CHECK(!runtime_reactor(3));
    CHECK(reactor_self() == runtime_reactor(0));
    CHECK(task_self());
    CHECK(task_stacks_in_use() == 1);
    int64_t now = clock_now();
    CHECK(reactor_now() <= now && reactor_now() > 0);
    CHECK(task_sleep(deadline_in(5 * CLOCK_MS)) == WAIT_OK);
    CHECK(reactor_now() > now);
}

static void knows_itself(void **state)
{
    run_on(3, inside, NULL);
}

static void again(void *arg)
{
    struct runtime_options options = {.reactors = 1};
    errno = 0;
    CHECK(!runtime_run(&options, again, NULL));
    CHECK(errno == EBUSY);
}

static void one_at_a_time(void **state)
{
    run_on(1, again, NULL);
}

/* The end waits for tasks of other reactors and for what is on its way between them. */
struct relay {
    struct remote message;
    struct task_request request;
    unsigned hops;
    bool arrived;
};

static void relay_run(struct remote *m);

static void relay_task(void *arg)
{
    struct relay *r = arg;
    task_sleep(deadline_in(CLOCK_MS));
    if (r->hops-- == 0)
        r->arrived = true;
    else
        reactor_send(runtime_reactor(r->hops % runtime_reactors()), &r->message);
}

static void relay_run(struct remote *m)
{
    struct relay *r = list_entry(m, struct relay, message);
    task_request_init(&r->request, TASK_NORMAL, relay_task, r);
    task_start(&r->request);
}

static void relay_start(void *arg)
{
    struct relay *r = arg;
    r->message.fn = relay_run;
    reactor_send(runtime_reactor(1), &r->message);
}

static void outlives_main(void **state)
{
    for (unsigned n = 0; n < 20; n++) {
        struct relay r = {.hops = n};
        run_on(2 + n % 3, relay_start, &r);
        assert_true(r.arrived);
    }
}

/* A timer and a watcher that are left running hold nobody up, and can be stopped afterwards. */
static struct timer left;

static void never(struct timer *t)
{
    abort();
}

static void leave_timer(void *arg)
{
    timer_init(&left, never);
    timer_start(&left, deadline_in(3600 * CLOCK_SEC));
}

static void idle_things_do_not_hold(void **state)
{
    run_on(2, leave_timer, NULL);
    assert_true(list_empty(&left.node));
    timer_stop(&left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifty_in_a_row),
        cmocka_unit_test(knows_itself),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(outlives_main),
        cmocka_unit_test(idle_things_do_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
