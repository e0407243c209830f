#include "task/reactor_private.h"
#include <errno.h>

enum wait task_sleep(deadline until)
{
    task_current();
    if (task_cancelled())
        return WAIT_CANCELLED;
    return task_suspend(true, until) == WAIT_CANCELLED ? WAIT_CANCELLED : WAIT_OK;
}

/* ---- descriptors ---- */

struct fd_wait {
    struct watcher watcher;
    struct task *task;
    unsigned events;
};

static void fd_ready(struct watcher *w, unsigned events)
{
    struct fd_wait *wait = list_entry(w, struct fd_wait, watcher);
    wait->events = events;
    watcher_stop(w);
    task_wake(wait->task, WAIT_OK);
}

enum wait task_wait_fd(int fd, unsigned arm, unsigned *events, deadline until)
{
    struct fd_wait wait = {.task = task_current()};
    if (task_cancelled())
        return WAIT_CANCELLED;
    enum wait outcome = WAIT_OK;
    if (watcher_start(&wait.watcher, fd, arm, fd_ready)) {
        outcome = task_suspend(true, until);
        watcher_stop(&wait.watcher);
    } else {
        /* A file is always ready (EPERM); else the caller's next call on the fd tells. */
        if (errno == EEXIST)
            task_die("two wait for one descriptor");
        wait.events = errno == EPERM ? arm : arm | WATCH_ERROR;
    }
    if (events)
        *events = outcome == WAIT_OK ? wait.events : 0;
    return outcome;
}

/* ---- events ---- */

void event_init(struct event *e)
{
    *e = (struct event){0};
}

void event_raise(struct event *e)
{
    if (e->waiter)
        task_wake(e->waiter, WAIT_OK);
    else
        e->raised = true;
}

enum wait event_wait(struct event *e, deadline until)
{
    struct task *t = task_current();
    if (e->waiter)
        task_die("two wait for one event");
    if (task_cancelled())
        return WAIT_CANCELLED;
    if (e->raised) {
        e->raised = false;
        return WAIT_OK;
    }
    e->waiter = t;
    t->waiter = &e->waiter;
    return task_suspend(true, until);
}

void event_await(struct event *e)
{
    struct task *t = task_current();
    if (e->waiter)
        task_die("two wait for one event");
    if (e->raised) {
        e->raised = false;
        return;
    }
    e->waiter = t;
    t->waiter = &e->waiter;
    task_suspend(false, DEADLINE_NEVER);
}

/* ---- gates ---- */

/* Nobody waits while one is free. */
void gate_init(struct gate *g, unsigned free)
{
    g->free = free;
    list_init(&g->waiting);
}

enum wait gate_enter(struct gate *g, deadline until)
{
    struct task *t = task_current();
    if (task_cancelled())
        return WAIT_CANCELLED;
    if (g->free) {
        g->free--;
        return WAIT_OK;
    }
    list_push_back(&g->waiting, &t->link);
    return task_suspend(true, until);
}

void gate_leave(struct gate *g)
{
    if (list_empty(&g->waiting))
        g->free++;
    else
        task_wake(list_entry(g->waiting.next, struct task, link), WAIT_OK);
}
