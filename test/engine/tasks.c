#include "tasks.h"
#include <stdlib.h>

struct crew {
    struct reactor *home;
    struct event all_done;
    unsigned left;
    void (*fn)(void *arg, unsigned index);
    void (*simple_fn)(void *arg);
    void *arg;
};

struct member {
    struct crew *crew;
    unsigned index;
    struct task_request request;
    struct remote there, back;
};

static void came_back(struct remote *r)
{
    struct member *m = list_entry(r, struct member, back);
    if (--m->crew->left == 0)
        event_raise(&m->crew->all_done);
}

static void run_member(void *arg)
{
    struct member *m = arg;
    if (m->crew->fn)
        m->crew->fn(m->crew->arg, m->index);
    else
        m->crew->simple_fn(m->crew->arg);
    reactor_send(m->crew->home, &m->back);
}

static void arrived(struct remote *r)
{
    struct member *m = list_entry(r, struct member, there);
    task_request_init(&m->request, TASK_NORMAL, run_member, m);
    task_start(&m->request);
}

static void send_member(struct member *m, struct crew *crew, unsigned index, unsigned reactor)
{
    m->crew = crew;
    m->index = index;
    m->there.fn = arrived;
    m->back.fn = came_back;
    reactor_send(runtime_reactor(reactor), &m->there);
}

static void run_crew(
    unsigned n, unsigned reactors, void (*fn)(void *arg, unsigned index), void *arg)
{
    struct crew crew = {.home = reactor_self(), .left = n, .fn = fn, .arg = arg};
    struct member *members = calloc(n, sizeof *members);
    if (!members)
        abort();
    event_init(&crew.all_done);
    for (unsigned i = 0; i < n; i++)
        send_member(&members[i], &crew, i, i % reactors);
    event_wait(&crew.all_done, DEADLINE_NEVER);
    free(members);
}

void run_tasks(unsigned n, void (*fn)(void *arg, unsigned index), void *arg)
{
    run_crew(n, runtime_reactors(), fn, arg);
}

void run_tasks_here(unsigned n, void (*fn)(void *arg, unsigned index), void *arg)
{
    run_crew(n, 1, fn, arg);
}

void run_task_on(unsigned reactor, void (*fn)(void *arg), void *arg)
{
    struct crew crew = {.home = reactor_self(), .left = 1, .simple_fn = fn, .arg = arg};
    struct member *member = calloc(1, sizeof *member);
    if (!member)
        abort();
    event_init(&crew.all_done);
    send_member(member, &crew, 0, reactor);
    event_wait(&crew.all_done, DEADLINE_NEVER);
    free(member);
}
