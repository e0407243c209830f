#include "check.h"
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 3000 };

/* Yielding tasks take turns: each runs once before any runs again. */
struct turns {
    struct task_request request;
    unsigned *clock, seen;
};

static void take_turns(void *arg)
{
    struct turns *t = arg;
    for (unsigned round = 0; round < 5; round++) {
        unsigned at = (*t->clock)++;
        CHECK(at / MANY == round);
        t->seen++;
        errno = (int)at + 1;
        task_yield();
        CHECK(errno == (int)at + 1);
    }
}

static void start_many(void *arg)
{
    static struct turns turns[MANY];
    unsigned turn_clock = 0;
    for (unsigned i = 0; i < MANY; i++) {
        turns[i] = (struct turns){.clock = &turn_clock};
        task_request_init(&turns[i].request, TASK_NORMAL, take_turns, &turns[i]);
        task_start(&turns[i].request);
        CHECK(turns[i].request.queued);
    }
    CHECK(turn_clock == 0); /* none starts inside the call */
    CHECK(!task_stacks_wanted());
    task_yield();
    CHECK(task_stacks_in_use() == MANY + 1);
    while (task_stacks_in_use() > 1)
        task_yield();
    CHECK(turn_clock == MANY * 5);
}

static void thousands_take_turns(void **state)
{
    run_on(1, start_many, NULL);
}

/* ---- the queue for stacks ---- */

struct client {
    struct task_request request;
    struct event go;
    unsigned *order, place;
    bool runs;
};

static void serve_client(void *arg)
{
    struct client *c = arg;
    c->place = (*c->order)++;
    c->runs = true;
    CHECK(event_wait(&c->go, DEADLINE_NEVER) == WAIT_OK);
    c->runs = false;
}

static void start_clients(struct client *c, unsigned n, enum task_class class, unsigned *order)
{
    for (unsigned i = 0; i < n; i++) {
        c[i] = (struct client){.order = order};
        event_init(&c[i].go);
        task_request_init(&c[i].request, class, serve_client, &c[i]);
        task_start(&c[i].request);
    }
}

static unsigned running(const struct client *c, unsigned n)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += c[i].runs;
    return sum;
}

static void turns_pass(unsigned n)
{
    while (n--)
        task_yield();
}

/* 16 stacks: the main task, 15 for others, 4 of all for pre-auth. */
static void quarter(void *arg)
{
    unsigned order = 0;
    struct client pre[10], normal[20];
    start_clients(pre, 10, TASK_PREAUTH, &order);
    turns_pass(3);
    CHECK(running(pre, 10) == 4);
    CHECK(!task_stacks_wanted()); /* what they want, a normal task cannot give */
    start_clients(normal, 20, TASK_NORMAL, &order);
    CHECK(!task_stacks_wanted());
    turns_pass(3);
    CHECK(running(normal, 20) == 11);
    CHECK(running(pre, 10) == 4);
    CHECK(task_stacks_in_use() == 16);
    CHECK(task_stacks_wanted());
    /* One that has not been served goes away; one that runs does not. */
    CHECK(task_unstart(&normal[11].request));
    CHECK(!task_unstart(&normal[11].request));
    CHECK(!task_unstart(&normal[0].request));
    /* A pre-auth stack that falls free: both classes take turns at what falls free. */
    unsigned before = order;
    for (unsigned i = 0; i < 4; i++) {
        event_raise(&pre[i].go);
        turns_pass(3);
    }
    CHECK(order == before + 4);
    CHECK(running(pre, 10) == 2 && running(normal, 20) == 13);
    for (unsigned i = 0; i < 20; i++)
        event_raise(&normal[i].go);
    for (unsigned i = 4; i < 10; i++)
        event_raise(&pre[i].go);
    turns_pass(30);
    CHECK(task_stacks_in_use() == 1);
    CHECK(order == 29);
    for (unsigned i = 1; i < 10; i++)
        CHECK(pre[i].place > pre[i - 1].place);
    for (unsigned i = 1; i < 20; i++)
        CHECK(i == 11 || i == 12 || normal[i].place > normal[i - 1].place);
    CHECK(normal[12].place > normal[10].place);
}

static void preauth_gets_a_quarter(void **state)
{
    struct runtime_options options = {.reactors = 1, .stacks = 16};
    assert_true(runtime_run(&options, quarter, NULL));
}

static void on_each(void *arg)
{
    unsigned order = 0;
    struct client c[3];
    start_clients(c, 3, TASK_NORMAL, &order);
    turns_pass(2);
    CHECK(running(c, 3) == 1); /* 5 stacks over 3 reactors: 2, 2, 1 */
    for (unsigned i = 0; i < 3; i++) {
        event_raise(&c[i].go);
        turns_pass(3);
    }
    CHECK(order == 3);
}

static void stacks_are_shared_out(void **state)
{
    struct runtime_options options = {.reactors = 3, .stacks = 5};
    assert_true(runtime_run(&options, on_each, NULL));
}

/* ---- bugs end the process ---- */

static void suspend_forbidden(void *arg)
{
    task_forbid_suspend();
    task_forbid_suspend();
    task_allow_suspend();
    task_yield();
}

static void end_forbidden(void *arg)
{
    task_forbid_suspend();
}

static void suspend_nowhere(struct timer *t)
{
    task_yield();
}

static void suspend_in_timer(void *arg)
{
    static struct timer t;
    timer_init(&t, suspend_nowhere);
    timer_start(&t, 0);
    task_sleep(deadline_in(CLOCK_SEC));
}

static struct event contended;
static struct scope owner;

static void wait_forever(void *arg)
{
    event_wait(&contended, DEADLINE_NEVER);
}

static void wait_twice(void *arg)
{
    scope_init(&owner);
    scope_spawn(&owner, TASK_NORMAL, wait_forever, NULL);
    scope_spawn(&owner, TASK_NORMAL, wait_forever, NULL);
    task_sleep(deadline_in(CLOCK_SEC));
}

static void wait_fd_forever(void *arg)
{
    task_wait_fd(*(int *)arg, WATCH_READ, NULL, DEADLINE_NEVER);
}

static void wait_fd_twice(void *arg)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    scope_init(&owner);
    scope_spawn(&owner, TASK_NORMAL, wait_fd_forever, &fds[0]);
    scope_spawn(&owner, TASK_NORMAL, wait_fd_forever, &fds[0]);
    task_sleep(deadline_in(CLOCK_SEC));
}

static void close_own(void *arg)
{
    scope_close(arg);
}

static void close_inside(void *arg)
{
    scope_init(&owner);
    scope_spawn(&owner, TASK_NORMAL, close_own, &owner);
    task_sleep(deadline_in(CLOCK_SEC));
}

static void expect_abort(void (*fn)(void *))
{
    pid_t pid = fork();
    if (!pid) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        close(STDERR_FILENO);
        run_on(1, fn, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void bugs_abort(void **state)
{
    expect_abort(suspend_forbidden);
    expect_abort(end_forbidden);
    expect_abort(suspend_in_timer);
    expect_abort(wait_twice);
    expect_abort(wait_fd_twice);
    expect_abort(close_inside);
}

static void allowed(void *arg)
{
    task_forbid_suspend();
    task_allow_suspend();
    task_yield();
}

static void allowed_again(void **state)
{
    run_on(1, allowed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_take_turns),
        cmocka_unit_test(preauth_gets_a_quarter),
        cmocka_unit_test(stacks_are_shared_out),
        cmocka_unit_test(bugs_abort),
        cmocka_unit_test(allowed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
