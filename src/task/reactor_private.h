/* What the files of this room know of a reactor and its tasks. */
#pragma once
#include "base/blame.h"
#include "task/completion_private.h"
#include "task/context_private.h"
#include "task/stack_private.h"
#include "task/task.h"
#include "task/timer_private.h"
#include "task/watcher_private.h"

enum { TASK_CLASSES = 2, REACTOR_EVENTS = 256 };

/* A task is running (reactor->current), runnable (link in reactor->runnable), or suspended. */
struct task {
    struct list link;     /* the run queue, or the gate it waits at */
    struct list sibling;  /* in its scope */
    struct scope *scope;  /* NULL: of nobody */
    struct task **waiter; /* the place in an event that names this task */
    struct timer timer;
    struct reactor *reactor;
    struct stack *stack;
    void (*fn)(void *);
    void *arg;
    struct blame blame; /* of what it works on, while it does not run */
    enum task_class class;
    enum wait outcome;
    bool suspended;
    bool cancellable;
    bool ended;
};

struct reactor {
    /* Written by any thread. */
    _Alignas(64) struct remote *_Atomic inbox; /* latest first */
    atomic_bool asleep;                        /* wake it by its eventfd */

    /* Of this reactor's thread alone. */
    _Alignas(64) unsigned index;
    int epoll, wake_fd;
    int64_t now;
    struct task *current;
    struct context loop;
    struct list runnable;
    struct list requests[TASK_CLASSES]; /* first come first served */
    unsigned next_class;                /* the one to serve first, in turn */
    size_t class_limit[TASK_CLASSES], class_used[TASK_CLASSES];
    size_t live; /* requests, tasks and offload jobs: while there is one, the runtime goes on */
    struct task *tasks; /* by the index of the stack */
    struct stack_pool stacks;
    struct wheel timers;
    struct watcher_table watchers;
    struct completion_table completions;
};

extern _Thread_local struct reactor *reactor_here;

bool reactor_init(struct reactor *r, unsigned index, size_t stacks);
void reactor_finish(struct reactor *r);
/* Runs until the runtime stops. */
void reactor_loop(struct reactor *r);
/* Any thread. */
void reactor_wake(struct reactor *r);

/* Gives waiting requests the stacks that are free. */
void task_serve(struct reactor *r);
bool task_can_serve(const struct reactor *r);
/* Each runnable task, once. */
void task_run_all(struct reactor *r);
/* Lets the current task wait until task_wake, the deadline or (when cancellable) its scope's
 * closing. Whoever ends the wait takes the task out of what it is registered with. */
TASK_FN
enum wait task_suspend(bool cancellable, deadline until);
/* Nothing when it is not suspended (any more). */
void task_wake(struct task *t, enum wait outcome);
/* The task that calls; aborts when there is none. */
struct task *task_current(void);
/* A bug of the caller that would hang or corrupt: one line on stderr and the end of the process. */
_Noreturn void task_die(const char *text);

/* The runtime counts what may still cause work: reactors that are awake or have live tasks, and
 * inboxes that are not empty. At zero all is over. */
void runtime_hold(void);
void runtime_release(void);
/* False: all is over. */
bool runtime_hold_again(void);
bool runtime_stopping(void);
