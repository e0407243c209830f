#include "check.h"
#include <pthread.h>
#include <semaphore.h>

enum { CALLERS = 200 };

static struct runtime_options small = {
    .reactors = 1, .disk_threads = 1, .read_threads = 1, .cpu_threads = 1, .offload_queue = 3};

/* ---- the queue ---- */

struct job {
    struct offload_job job;
    unsigned worked, done;
    unsigned place;
};

static sem_t started, go;
static pthread_t reactor_thread;
static unsigned done_count;

static void work(struct offload_job *j)
{
    struct job *job = list_entry(j, struct job, job);
    CHECK(!reactor_self() && !pthread_equal(pthread_self(), reactor_thread));
    sem_post(&started);
    sem_wait(&go);
    job->worked++;
}

static void done(struct offload_job *j)
{
    struct job *job = list_entry(j, struct job, job);
    CHECK(pthread_equal(pthread_self(), reactor_thread) && !task_self());
    CHECK(job->worked == 1);
    job->done++;
    job->place = done_count++;
}

static void fill(void *arg)
{
    struct job jobs[6];
    reactor_thread = pthread_self();
    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
    for (unsigned i = 0; i < 6; i++)
        jobs[i] = (struct job){.job = {.work = work, .done = done}};
    CHECK(offload_submit(OFFLOAD_DISK, &jobs[0].job));
    sem_wait(&started); /* it no longer waits */
    for (unsigned i = 1; i <= 3; i++)
        CHECK(offload_submit(OFFLOAD_DISK, &jobs[i].job));
    CHECK(!offload_submit(OFFLOAD_DISK, &jobs[4].job));
    CHECK(!offload_run(OFFLOAD_DISK, NULL, NULL));
    CHECK(offload_submit(OFFLOAD_READ, &jobs[5].job)); /* each class has its own */
    for (unsigned i = 0; i < 5; i++)
        sem_post(&go);
    while (done_count < 5)
        task_sleep(deadline_in(CLOCK_MS));
    for (unsigned i = 1; i <= 3; i++)
        CHECK(jobs[i].done == 1 && jobs[i].place > jobs[i - 1].place);
    CHECK(jobs[4].worked == 0 && jobs[4].done == 0);
    sem_destroy(&go);
    sem_destroy(&started);
}

static void queue_has_an_end(void **state)
{
    assert_true(runtime_run(&small, fill, NULL));
}

/* ---- the end waits for jobs ---- */

static struct job last;

static void late(struct offload_job *j)
{
    last.worked++;
}

static void late_done(struct offload_job *j)
{
    last.done++;
    if (last.done < 3)
        CHECK(offload_submit(OFFLOAD_CPU, j)); /* belongs to the caller again */
}

static void submit_last(void *arg)
{
    last = (struct job){.job = {.work = late, .done = late_done}};
    CHECK(offload_submit(OFFLOAD_CPU, &last.job));
}

static void end_waits(void **state)
{
    run_on(2, submit_last, NULL);
    assert_int_equal(last.worked, 3);
    assert_int_equal(last.done, 3);
}

/* ---- from tasks of several reactors ---- */

struct caller {
    struct task_request request;
    struct remote spread;
    enum offload_class class;
    unsigned value;
};

static void square(void *arg)
{
    unsigned *value = arg;
    CHECK(!task_self());
    *value *= *value;
}

static void call(void *arg)
{
    struct caller *c = arg;
    struct reactor *home = reactor_self();
    unsigned value = c->value;
    for (unsigned i = 0; i < 5; i++) {
        c->value = value;
        CHECK(offload_run(c->class, square, &c->value));
        CHECK(reactor_self() == home);
        CHECK(c->value == value * value);
    }
}

static void begin(struct remote *m)
{
    struct caller *c = list_entry(m, struct caller, spread);
    task_request_init(&c->request, TASK_NORMAL, call, c);
    task_start(&c->request);
}

static struct caller callers[CALLERS];

static void spread(void *arg)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){
            .spread.fn = begin, .class = (enum offload_class)(i % OFFLOAD_CLASSES), .value = i};
        reactor_send(runtime_reactor(i % runtime_reactors()), &callers[i].spread);
    }
}

static void runs_for_tasks(void **state)
{
    for (unsigned reactors = 1; reactors <= 4; reactors *= 2) {
        run_on(reactors, spread, NULL);
        for (unsigned i = 0; i < CALLERS; i++)
            assert_int_equal(callers[i].value, i * i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_has_an_end),
        cmocka_unit_test(end_waits),
        cmocka_unit_test(runs_for_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
