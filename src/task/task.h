/* Tasks: straight-line code on pooled coroutine stacks, run by reactor threads.
 *
 * A reactor is one thread with an epoll, a timer wheel and a run queue. Everything marked "reactor"
 * below is called on the thread that owns the object; only what says "any thread" may be called
 * from elsewhere. A task lives on one reactor for ever. A function that may suspend the task that
 * calls it is marked TASK_FN and takes an absolute deadline last. Never suspend while a store read
 * or mutate function runs (asserted), nor inside a library callback. */
#pragma once
#include "base/clock.h"
#include "base/list.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TASK_FN

struct reactor;
struct task;

enum wait {
    WAIT_OK,
    WAIT_TIMEOUT,   /* the deadline passed first */
    WAIT_CANCELLED, /* the task's scope is being closed */
};

/* ---- runtime: all reactors and offload threads of the process ---- */

enum offload_class {
    OFFLOAD_DISK, /* writing and syncing spool files */
    OFFLOAD_READ, /* cold reads of the store */
    OFFLOAD_CPU,  /* password hashing and other long computing: as many threads as cores */
    OFFLOAD_CLASSES,
};

struct runtime_options {
    unsigned reactors;     /* 0: one per core */
    size_t stacks;         /* 0: 4096, over all reactors */
    unsigned disk_threads; /* 0: 4 */
    unsigned read_threads; /* 0: 4 */
    unsigned cpu_threads;  /* 0: one per core */
    size_t offload_queue;  /* 0: 8192 jobs waiting per class */
};

/* Starts the threads (the calling thread becomes reactor 0), runs main_fn(arg) as a task on reactor
 * 0 and returns when that task has returned, every task and offload job has ended, no message is
 * on its way and the threads are joined. Timers and watchers hold nothing up; what is left of them
 * is dropped. A thread of the caller's own that sends or posts must be joined before the last task
 * ends. The new threads block all signals but faults.
 * False: could not be started, errno says why. */
bool runtime_run(const struct runtime_options *options, void (*main_fn)(void *), void *arg);
/* Any thread, inside runtime_run. */
unsigned runtime_reactors(void);
struct reactor *runtime_reactor(unsigned index);
/* The reactor of this thread; NULL on other threads. */
struct reactor *reactor_self(void);
unsigned reactor_index(const struct reactor *r);
/* Cached clock_now() of the present turn of the loop: for timeouts and metrics that may be a few ms
 * old. */
int64_t reactor_now(void);

/* ---- timers (reactor) ---- */

struct timer {
    struct list node;
    deadline at;
    void (*fire)(struct timer *);
};

void timer_init(struct timer *t, void (*fire)(struct timer *));
/* Resolution about 1 ms; starting a running timer moves it. */
void timer_start(struct timer *t, deadline at);
void timer_stop(struct timer *t);

/* ---- file descriptors without a stack (reactor) ---- */

enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_ERROR = 4 };

struct watcher {
    int fd;
    unsigned armed;
    /* Called on the reactor, with no task, when something that was armed is ready (edge of
     * readiness is level-triggered: it is called again while it stays ready and armed). WATCH_ERROR
     * comes with either. */
    void (*ready)(struct watcher *, unsigned events);
};

/* False: errno (EPERM: a file, always ready; EEXIST: an fd has one watcher a reactor at most). The
 * fd stays the caller's. */
bool watcher_start(
    struct watcher *w, int fd, unsigned arm, void (*ready)(struct watcher *, unsigned));
/* Cheap: tells the kernel only when something new is armed. */
void watcher_arm(struct watcher *w, unsigned arm);
/* Safe inside ready(); no call comes afterwards. Before the fd is closed. Harmless when stopped. */
void watcher_stop(struct watcher *w);

/* ---- messages between threads ---- */

/* Intrusive and coalescing: while it is on its way, sending it again does nothing. Cannot fail,
 * does not allocate. */
struct remote {
    struct remote *_Atomic next;
    atomic_bool sent;
    void (*fn)(struct remote
            *); /* runs on the receiving reactor, no task; `sent` is cleared before it is called */
};

/* Any thread. The remote must live until fn has run. True: it was not on its way yet. */
bool reactor_send(struct reactor *to, struct remote *r);

/* A reserved place for the answer of another thread: {reactor, index, generation}. Reserved before
 * the request is submitted, so that posting cannot fail. Exactly one post per reservation. */
struct completion {
    struct reactor *reactor;
    uint32_t index, generation;
};

/* Reactor. fn runs on this reactor with no task. False: the table (16,384 a reactor) is full; treat
 * as busy. */
bool completion_reserve(struct completion *c, void (*fn)(void *arg, int64_t result), void *arg);
/* Any thread. */
void completion_post(struct completion c, int64_t result);
/* Reactor. fn will not be called; the slot is given back when the post arrives. */
void completion_abandon(struct completion c);

/* ---- offload ---- */

struct offload_job {
    struct list node;
    void (*work)(struct offload_job *); /* on a thread of the class */
    void (*done)(struct offload_job *); /* back on the submitting reactor, no task */
    struct reactor *home;
    struct remote back;
};

/* Reactor. work and done are set by the caller; the job belongs to the pool until done is called.
 * False: queue full. */
bool offload_submit(enum offload_class class, struct offload_job *job);
/* Task. Runs fn(arg) on a thread of the class and waits for its end (which nothing cancels). False:
 * queue full, fn did not run. */
TASK_FN
bool offload_run(enum offload_class class, void (*fn)(void *), void *arg);

/* ---- tasks ---- */

/* A wish for a stack. Served at once when one is free, else first come first served; the pre-auth
 * class gets at most a quarter of all stacks. Intrusive: cannot fail. fn runs as a task on this
 * reactor and gives the stack back when it returns. */
enum task_class { TASK_NORMAL, TASK_PREAUTH };

struct task_request {
    struct list node;
    void (*fn)(void *);
    void *arg;
    enum task_class class;
    bool queued;
};

/* Reactor. The request must live until fn is called. The task starts in this turn of the loop or a
 * later one, never inside the call. */
void task_request_init(
    struct task_request *r, enum task_class class, void (*fn)(void *), void *arg);
void task_start(struct task_request *r);
/* Takes a request back that has not been served yet; false when it has. */
bool task_unstart(struct task_request *r);
/* Does somebody wait for a stack on this reactor that the running task (or one of the normal class)
 * could give? */
bool task_stacks_wanted(void);
/* On a task? */
struct task *task_self(void);

/* A scope owns child tasks: closing it cancels what they wait for and returns when all have ended.
 * Once it is closing every cancellable wait of a child answers WAIT_CANCELLED at once. A child that
 * has no stack yet still runs, so that it can free what it was given. */
struct scope {
    struct list tasks;
    unsigned count;
    bool closing;
    struct task *closer;
};

void scope_init(struct scope *s);
/* Task or reactor: a child, waiting for a stack if need be. False: out of memory or the scope is
 * closing. */
bool scope_spawn(struct scope *s, enum task_class class, void (*fn)(void *), void *arg);
/* Task, on the reactor of its children. Not cancellable, so that it can promise the end. */
TASK_FN
void scope_close(struct scope *s);
/* Has this task's scope been asked to close? */
bool task_cancelled(void);

/* Lets others run. Work of more than 5 ms calls it in between. */
TASK_FN
void task_yield(void);
/* WAIT_OK when the time has come. */
TASK_FN
enum wait task_sleep(deadline until);
/* Any of the armed events, or the deadline (a past one: only what is ready now). *events is 0
 * unless WAIT_OK; it may be NULL. A bad fd is ready, with WATCH_ERROR. No watcher on the fd
 * meanwhile. */
TASK_FN
enum wait task_wait_fd(int fd, unsigned arm, unsigned *events, deadline until);

/* ---- waiting for each other, on one reactor ---- */

/* One bit, one waiter. */
struct event {
    bool raised;
    struct task *waiter;
};

void event_init(struct event *e);
/* Reactor. Stays raised until somebody waits. */
void event_raise(struct event *e);
/* Takes the bit. */
TASK_FN
enum wait event_wait(struct event *e, deadline until);
/* Takes the bit; neither a deadline nor the end of the scope cuts it short: for waiting while
 * another thread holds memory of this task. */
TASK_FN
void event_await(struct event *e);

/* Counting semaphore, first come first served. */
struct gate {
    unsigned free;
    struct list waiting;
};

void gate_init(struct gate *g, unsigned free);
TASK_FN
enum wait gate_enter(struct gate *g, deadline until);
void gate_leave(struct gate *g);

/* ---- for the store and for tests ---- */

/* Between these two on one thread, suspending is a bug and aborts. They nest. */
void task_forbid_suspend(void);
void task_allow_suspend(void);
/* Highest number of stack bytes any task has used so far (0 unless built with debug painting:
 * NDEBUG not defined, no sanitizer). */
size_t task_stack_high_water(void);
size_t task_stacks_in_use(void);
