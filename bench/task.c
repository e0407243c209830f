/* What tasks cost: a switch, a start from the pool, a message to another thread and back. */
#include "task/task.h"
#include <inttypes.h>
#include <stdio.h>

enum { SWITCHES = 2000000, STARTS = 1000000, TRIPS = 100000, JOBS = 50000, TIMERS = 2000000 };

static void report(const char *what, int64_t begin, unsigned n)
{
    printf("%-36s %8.1f ns\n", what, (double)(clock_now() - begin) / n);
}

/* ---- a switch: as a turn of the loop holds one task or many ---- */

struct yielder {
    struct task_request request;
    unsigned left;
};

static void yield_often(void *arg)
{
    struct yielder *y = arg;
    while (y->left--)
        task_yield();
}

static void bench_switch(unsigned tasks, const char *what)
{
    static struct yielder y[1000];
    int64_t begin = clock_now();
    for (unsigned i = 0; i < tasks; i++) {
        y[i].left = SWITCHES / tasks;
        task_request_init(&y[i].request, TASK_NORMAL, yield_often, &y[i]);
        task_start(&y[i].request);
    }
    while (task_stacks_in_use() > 1 || y[tasks - 1].request.queued)
        task_yield();
    report(what, begin, SWITCHES);
}

/* ---- a start ---- */

static unsigned started;

static void nothing(void *arg)
{
    started++;
}

static void bench_start(void)
{
    static struct task_request r[500];
    int64_t begin = clock_now();
    started = 0;
    while (started < STARTS) {
        for (unsigned i = 0; i < 500; i++) {
            task_request_init(&r[i], TASK_NORMAL, nothing, NULL);
            task_start(&r[i]);
        }
        task_yield();
        task_yield();
    }
    report("start and end of a task", begin, STARTS);
}

/* ---- between threads ---- */

struct ball {
    struct remote message;
    struct reactor *home;
    struct event back;
};

static void strike(struct remote *m)
{
    struct ball *b = list_entry(m, struct ball, message);
    if (reactor_self() == b->home)
        event_raise(&b->back);
    else
        reactor_send(b->home, m);
}

static void bench_trip(void)
{
    struct ball b = {.message.fn = strike, .home = reactor_self()};
    event_init(&b.back);
    int64_t begin = clock_now();
    for (unsigned i = 0; i < TRIPS; i++) {
        reactor_send(runtime_reactor(1), &b.message);
        event_wait(&b.back, DEADLINE_NEVER);
    }
    report("message to a sleeping thread and back", begin, TRIPS);
}

static void bench_offload(void)
{
    int64_t begin = clock_now();
    for (unsigned i = 0; i < JOBS; i++)
        offload_run(OFFLOAD_CPU, nothing, NULL);
    report("offload_run of nothing", begin, JOBS);
}

/* ---- timers ---- */

static void fire(struct timer *t)
{
}

static void bench_timers(void)
{
    static struct timer t[1000];
    for (unsigned i = 0; i < 1000; i++)
        timer_init(&t[i], fire);
    int64_t begin = clock_now();
    for (unsigned i = 0; i < TIMERS; i++)
        timer_start(&t[i % 1000], begin + CLOCK_SEC + (int64_t)(i * 2654435761U));
    report("move of a timer", begin, TIMERS);
    for (unsigned i = 0; i < 1000; i++)
        timer_stop(&t[i]);
}

static void all(void *arg)
{
    bench_switch(1, "yield, alone (a turn each)");
    bench_switch(1000, "yield, 1,000 tasks");
    bench_start();
    bench_trip();
    bench_offload();
    bench_timers();
}

int main(void)
{
    struct runtime_options options = {.reactors = 2};
    if (!runtime_run(&options, all, NULL)) {
        perror("runtime_run");
        return 1;
    }
    return 0;
}
