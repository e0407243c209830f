#include "server/everywhere.h"
#include <stdlib.h>

struct call {
    struct remote remote;
    void (*fn)(void *);
    void *arg;
    struct completion done;
};

struct round {
    unsigned open;
    struct event all;
};

static void on_reactor(struct remote *r)
{
    struct call *c = list_entry(r, struct call, remote);
    c->fn(c->arg);
    completion_post(c->done, 0);
}

static void one_done(void *arg, int64_t result)
{
    struct round *r = arg;
    if (--r->open == 0)
        event_raise(&r->all);
}

static TASK_FN
void prepare(struct call *c, struct round *round, void (*fn)(void *arg), void *arg)
{
    c->fn = fn;
    c->arg = arg;
    c->remote.fn = on_reactor;
    while (!completion_reserve(&c->done, one_done, round))
        task_yield();
    round->open++;
}

static TASK_FN
void await_all(struct round *round)
{
    while (round->open)
        event_await(&round->all);
}

TASK_FN
void everywhere(void (*fn)(void *arg), void *arg)
{
    unsigned n = runtime_reactors();
    struct round round = {0};
    struct call *calls = calloc(n, sizeof *calls);
    if (!calls)
        abort();
    event_init(&round.all);
    for (unsigned i = 0; i < n; i++)
        prepare(&calls[i], &round, fn, arg);
    for (unsigned i = 0; i < n; i++)
        reactor_send(runtime_reactor(i), &calls[i].remote);
    await_all(&round);
    free(calls);
}

TASK_FN
void everywhere_on(unsigned reactor, void (*fn)(void *arg), void *arg)
{
    struct round round = {0};
    struct call call = {.fn = fn};
    event_init(&round.all);
    prepare(&call, &round, fn, arg);
    reactor_send(runtime_reactor(reactor), &call.remote);
    await_all(&round);
}
