#include "check.h"
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void turns_pass(unsigned n)
{
    while (n--)
        task_yield();
}

static deadline soon(void)
{
    return deadline_in(3 * CLOCK_MS);
}

static deadline late(void)
{
    return deadline_in(60 * CLOCK_SEC);
}

/* ---- events ---- */

static void raise_event(void *arg)
{
    event_raise(arg);
}

static void events_main(void *arg)
{
    struct event e;
    struct task_request r;
    event_init(&e);
    CHECK(event_wait(&e, soon()) == WAIT_TIMEOUT);
    CHECK(event_wait(&e, 0) == WAIT_TIMEOUT);
    event_raise(&e);
    event_raise(&e);
    CHECK(event_wait(&e, 0) == WAIT_OK);           /* stayed raised, also for a past deadline */
    CHECK(event_wait(&e, soon()) == WAIT_TIMEOUT); /* one bit */
    task_request_init(&r, TASK_NORMAL, raise_event, &e);
    task_start(&r);
    CHECK(event_wait(&e, late()) == WAIT_OK);
    CHECK(!e.raised && !e.waiter);
}

static void events(void **state)
{
    run_on(1, events_main, NULL);
}

/* A wait that timed out leaves nothing behind: a raise before it runs on is kept for the next. */
static struct event both;
static struct timer raiser;

static void raise_too(struct timer *t)
{
    event_raise(&both);
}

static void start_raiser(void *arg)
{
    timer_start(&raiser, *(deadline *)arg);
}

static void raced(void *arg)
{
    deadline at = deadline_in(20 * CLOCK_MS);
    struct task_request r;
    event_init(&both);
    timer_init(&raiser, raise_too);
    task_request_init(&r, TASK_NORMAL, start_raiser, &at);
    task_start(&r);
    /* The timer of the wait runs first, the raiser behind it in the same turn. */
    CHECK(event_wait(&both, at) == WAIT_TIMEOUT);
    CHECK(event_wait(&both, late()) == WAIT_OK);
}

static void no_raise_is_lost(void **state)
{
    run_on(1, raced, NULL);
}

/* ---- gates ---- */

enum { VISITORS = 50 };

struct visitor {
    struct task_request request;
    struct gate *gate;
    deadline until;
    enum wait outcome;
    unsigned *clock, place;
};

static unsigned inside, most;

static void visit(void *arg)
{
    struct visitor *v = arg;
    v->outcome = gate_enter(v->gate, v->until);
    if (v->outcome != WAIT_OK)
        return;
    v->place = (*v->clock)++;
    if (++inside > most)
        most = inside;
    turns_pass(3);
    inside--;
    gate_leave(v->gate);
}

static void start_visitor(struct visitor *v, struct gate *g, deadline until, unsigned *count)
{
    *v = (struct visitor){.gate = g, .until = until, .clock = count};
    task_request_init(&v->request, TASK_NORMAL, visit, v);
    task_start(&v->request);
}

static void gate_main(void *arg)
{
    static struct visitor v[VISITORS];
    struct gate g;
    unsigned count = 0;
    gate_init(&g, 3);
    for (unsigned i = 0; i < VISITORS; i++)
        start_visitor(&v[i], &g, late(), &count);
    while (count < VISITORS || inside)
        task_yield();
    CHECK(most == 3 && g.free == 3);
    for (unsigned i = 0; i < VISITORS; i++)
        CHECK(v[i].outcome == WAIT_OK && v[i].place == i);
    /* One that gives up keeps its place from nobody. */
    for (unsigned i = 0; i < 3; i++)
        CHECK(gate_enter(&g, 0) == WAIT_OK);
    CHECK(gate_enter(&g, soon()) == WAIT_TIMEOUT);
    count = 0;
    start_visitor(&v[0], &g, 0, &count);
    start_visitor(&v[1], &g, late(), &count);
    turns_pass(3);
    CHECK(v[0].outcome == WAIT_TIMEOUT);
    gate_leave(&g);
    turns_pass(6);
    CHECK(count == 1 && v[1].outcome == WAIT_OK && g.free == 1);
}

static void gates(void **state)
{
    run_on(1, gate_main, NULL);
}

/* ---- descriptors ---- */

static void write_byte(void *arg)
{
    CHECK(write(*(int *)arg, "x", 1) == 1);
}

static void fd_main(void *arg)
{
    int fds[2];
    unsigned events = 77;
    char c;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    CHECK(task_wait_fd(fds[0], WATCH_READ, &events, soon()) == WAIT_TIMEOUT);
    CHECK(events == 0);
    CHECK(task_wait_fd(fds[0], WATCH_WRITE | WATCH_READ, &events, late()) == WAIT_OK);
    CHECK(events == WATCH_WRITE);
    struct task_request r;
    task_request_init(&r, TASK_NORMAL, write_byte, &fds[1]);
    task_start(&r);
    CHECK(task_wait_fd(fds[0], WATCH_READ, &events, late()) == WAIT_OK);
    CHECK(events == WATCH_READ);
    CHECK(task_wait_fd(fds[0], WATCH_READ, NULL, 0) == WAIT_OK); /* ready now */
    CHECK(read(fds[0], &c, 1) == 1);
    CHECK(task_wait_fd(fds[0], WATCH_READ, NULL, 0) == WAIT_TIMEOUT);
    close(fds[1]);
    CHECK(task_wait_fd(fds[0], WATCH_READ, &events, late()) == WAIT_OK);
    CHECK(events & WATCH_READ);
    CHECK(read(fds[0], &c, 1) == 0);
    close(fds[0]);
    CHECK(task_wait_fd(fds[0], WATCH_READ, &events, late()) == WAIT_OK);
    CHECK(events == (WATCH_READ | WATCH_ERROR));
    FILE *file = tmpfile();
    CHECK(task_wait_fd(fileno(file), WATCH_READ, &events, late()) == WAIT_OK);
    CHECK(events == WATCH_READ);
    fclose(file);
}

static void descriptors(void **state)
{
    run_on(1, fd_main, NULL);
}

/* Pairs of tasks on all reactors talk through pipes. */
enum { TALKERS = 100, WORDS = 50 };

struct talker {
    struct remote start;
    struct task_request request;
    int in, out;
    bool first;
};

static void talk(void *arg)
{
    struct talker *t = arg;
    char c = 'x';
    if (t->first)
        CHECK(write(t->out, &c, 1) == 1);
    for (unsigned i = 0; i < WORDS; i++) {
        ssize_t n;
        while ((n = read(t->in, &c, 1)) < 0 && errno == EAGAIN)
            CHECK(task_wait_fd(t->in, WATCH_READ, NULL, late()) == WAIT_OK);
        CHECK(n == 1 || (n == 0 && i == WORDS - 1 && t->first));
        if (n)
            CHECK(write(t->out, &c, 1) == 1 || errno == EPIPE);
    }
    close(t->in);
    close(t->out);
}

static void start_talker(struct remote *m)
{
    struct talker *t = list_entry(m, struct talker, start);
    task_request_init(&t->request, TASK_NORMAL, talk, t);
    task_start(&t->request);
}

static void pipe_nonblock(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

static void talkers_main(void *arg)
{
    static struct talker t[TALKERS];
    for (unsigned i = 0; i < TALKERS; i += 2) {
        int there[2], back[2];
        pipe_nonblock(there);
        pipe_nonblock(back);
        t[i] = (struct talker){
            .start.fn = start_talker, .in = back[0], .out = there[1], .first = true};
        t[i + 1] = (struct talker){.start.fn = start_talker, .in = there[0], .out = back[1]};
        reactor_send(runtime_reactor(i % runtime_reactors()), &t[i].start);
        reactor_send(runtime_reactor((i + 1) % runtime_reactors()), &t[i + 1].start);
    }
}

static void talkers(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    run_on(1, talkers_main, NULL);
    run_on(2, talkers_main, NULL);
    run_on(4, talkers_main, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events),
        cmocka_unit_test(no_raise_is_lost),
        cmocka_unit_test(gates),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(talkers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
