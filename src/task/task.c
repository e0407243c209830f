#include "task/reactor_private.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Thread_local unsigned forbidden;

/* ---- running and waiting ---- */

void task_die(const char *text)
{
    dprintf(STDERR_FILENO, "barid: %s\n", text);
    abort();
}

struct task *task_self(void)
{
    return reactor_here ? reactor_here->current : NULL;
}

struct task *task_current(void)
{
    struct task *t = task_self();
    if (!t)
        task_die("waiting outside of a task");
    return t;
}

void task_forbid_suspend(void)
{
    forbidden++;
}

void task_allow_suspend(void)
{
    assert(forbidden);
    forbidden--;
}

/* Gives the thread back to the loop. errno belongs to the task. */
static void leave(struct task *t)
{
    if (forbidden)
        task_die("a task waits where waiting is forbidden");
    int kept = errno;
    context_jump(&t->stack->context, &t->reactor->loop);
    errno = kept;
}

static void time_out(struct timer *timer)
{
    task_wake(list_entry(timer, struct task, timer), WAIT_TIMEOUT);
}

enum wait task_suspend(bool cancellable, deadline until)
{
    struct task *t = task_current();
    t->suspended = true;
    t->cancellable = cancellable;
    timer_start(&t->timer, until);
    leave(t);
    return t->outcome;
}

void task_wake(struct task *t, enum wait outcome)
{
    if (!t->suspended)
        return;
    t->suspended = false;
    t->outcome = outcome;
    timer_stop(&t->timer);
    if (t->waiter)
        *t->waiter = NULL;
    t->waiter = NULL;
    list_remove(&t->link);
    list_push_back(&t->reactor->runnable, &t->link);
}

void task_yield(void)
{
    struct task *t = task_current();
    list_push_back(&t->reactor->runnable, &t->link);
    leave(t);
}

bool task_cancelled(void)
{
    struct task *t = task_self();
    return t && t->scope && t->scope->closing;
}

void task_run_all(struct reactor *r)
{
    if (list_empty(&r->runnable))
        return;
    /* The ring changes its head: what becomes runnable from now on waits for the next turn. */
    struct list turn, *node;
    list_insert_before(&r->runnable, &turn);
    list_remove(&r->runnable);
    while ((node = list_pop_front(&turn))) {
        struct task *t = list_entry(node, struct task, link);
        r->current = t;
        blame_now = t->blame;
        context_jump(&r->loop, &t->stack->context);
        t->blame = blame_now;
        blame_now = (struct blame){0};
        r->current = NULL;
        if (t->ended) {
            stack_give(&r->stacks, t->stack);
            r->class_used[t->class]--;
            r->live--;
        }
    }
}

/* ---- stacks on request ---- */

/* On the stack of the task. */
static void run(struct context *c)
{
    struct task *t = reactor_here->current;
    t->fn(t->arg);
    if (forbidden)
        task_die("a task ends where waiting is forbidden");
    t->ended = true;
}

void task_request_init(struct task_request *q, enum task_class class, void (*fn)(void *), void *arg)
{
    *q = (struct task_request){.fn = fn, .arg = arg, .class = class};
    list_init(&q->node);
}

void task_start(struct task_request *q)
{
    assert(!q->queued);
    q->queued = true;
    list_push_back(&reactor_here->requests[q->class], &q->node);
    reactor_here->live++;
}

bool task_unstart(struct task_request *q)
{
    if (!q->queued)
        return false;
    q->queued = false;
    list_remove(&q->node);
    reactor_here->live--;
    return true;
}

static bool waits(const struct reactor *r, enum task_class class)
{
    return !list_empty(&r->requests[class]);
}

/* A request of this class that may have a stack now? */
static bool eligible(const struct reactor *r, enum task_class class)
{
    return waits(r, class) && r->class_used[class] < r->class_limit[class];
}

bool task_can_serve(const struct reactor *r)
{
    return (eligible(r, TASK_NORMAL) || eligible(r, TASK_PREAUTH)) && stack_available(&r->stacks);
}

bool task_stacks_wanted(void)
{
    const struct reactor *r = reactor_here;
    if (!r || task_can_serve(r))
        return false;
    /* Pre-auth requests that wait for their quarter get nothing from a task that is not of it. */
    bool of_quarter = r->current && r->current->class == TASK_PREAUTH;
    return waits(r, TASK_NORMAL) || eligible(r, TASK_PREAUTH) ||
           (of_quarter && waits(r, TASK_PREAUTH));
}

static void serve(struct reactor *r, struct task_request *q, struct stack *s)
{
    struct task *t = &r->tasks[s->index];
    *t = (struct task){.reactor = r, .stack = s, .fn = q->fn, .arg = q->arg, .class = q->class};
    list_init(&t->sibling);
    timer_init(&t->timer, time_out);
    list_remove(&q->node);
    q->queued = false;
    r->class_used[t->class]++;
    list_push_back(&r->runnable, &t->link);
}

void task_serve(struct reactor *r)
{
    while (task_can_serve(r)) {
        /* The classes take turns, so that neither starves the other. */
        enum task_class class = (enum task_class)r->next_class;
        r->next_class = (r->next_class + 1) % TASK_CLASSES;
        if (!eligible(r, class))
            continue;
        struct stack *s = stack_take(&r->stacks, run);
        if (!s)
            return;
        serve(r, list_entry(r->requests[class].next, struct task_request, node), s);
    }
}
