#include "task/reactor_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAKE UINT64_MAX /* epoll data of wake_fd */

_Thread_local struct reactor *reactor_here;

struct reactor *reactor_self(void)
{
    return reactor_here;
}

unsigned reactor_index(const struct reactor *r)
{
    return r->index;
}

int64_t reactor_now(void)
{
    return reactor_here ? reactor_here->now : clock_now();
}

/* ---- messages between threads ---- */

void reactor_wake(struct reactor *r)
{
    uint64_t one = 1;
    /* EPOLLET: a write is an edge even while the counter is above zero, which is never read and
     * cannot reach its end. */
    ssize_t n = write(r->wake_fd, &one, sizeof one);
    (void)n;
}

bool reactor_send(struct reactor *to, struct remote *m)
{
    if (atomic_exchange_explicit(&m->sent, true, memory_order_acq_rel))
        return false;
    struct remote *head = atomic_load_explicit(&to->inbox, memory_order_relaxed);
    bool held = false;
    do {
        /* An inbox that is not empty holds the runtime. */
        if (!head && !held) {
            runtime_hold();
            held = true;
        }
        atomic_store_explicit(&m->next, head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(
        &to->inbox, &head, m, memory_order_seq_cst, memory_order_relaxed));
    if (head) {
        /* Whoever filled the empty inbox wakes the reactor. */
        if (held)
            runtime_release();
    } else if (atomic_load(&to->asleep) && atomic_exchange(&to->asleep, false)) {
        reactor_wake(to);
    }
    return true;
}

static void read_inbox(struct reactor *r)
{
    if (!atomic_load_explicit(&r->inbox, memory_order_relaxed))
        return;
    struct remote *latest = atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire);
    struct remote *first = NULL;
    while (latest) {
        struct remote *next = atomic_load_explicit(&latest->next, memory_order_relaxed);
        atomic_store_explicit(&latest->next, first, memory_order_relaxed);
        first = latest;
        latest = next;
    }
    while (first) {
        struct remote *m = first;
        first = atomic_load_explicit(&m->next, memory_order_relaxed);
        /* Takes over what was written before a send that found it on its way. */
        atomic_exchange_explicit(&m->sent, false, memory_order_acq_rel);
        m->fn(m);
    }
    runtime_release();
}

/* ---- the loop ---- */

/* For epoll_wait: 0 when there is something to do, -1 when nothing will be by itself. */
static int poll_timeout(const struct reactor *r)
{
    if (!list_empty(&r->runnable) || task_can_serve(r))
        return 0;
    deadline next = timer_wheel_next(&r->timers);
    if (next == DEADLINE_NEVER)
        return -1;
    int64_t wait = next - clock_now();
    if (wait <= 0)
        return 0;
    return wait > 3600 * CLOCK_SEC ? 3600 * 1000 : (int)((wait + CLOCK_MS - 1) / CLOCK_MS);
}

/* Waits for what comes from outside. False: all is over. */
static bool poll_outside(struct reactor *r)
{
    struct epoll_event events[REACTOR_EVENTS];
    int timeout = poll_timeout(r);
    if (timeout != 0) {
        /* Sequentially consistent with reactor_send: it sees the flag or we see the message. */
        atomic_store(&r->asleep, true);
        if (atomic_load(&r->inbox))
            timeout = 0;
    }
    bool resting = timeout != 0 && r->live == 0;
    if (resting)
        runtime_release();
    int n = epoll_wait(r->epoll, events, REACTOR_EVENTS, timeout);
    atomic_store_explicit(&r->asleep, false, memory_order_relaxed);
    r->now = clock_now();
    if (resting && !runtime_hold_again())
        return false;
    for (int i = 0; i < n; i++)
        if (events[i].data.u64 != WAKE)
            watcher_dispatch(&r->watchers, events[i].data.u64, events[i].events);
    return r->live != 0 || !runtime_stopping();
}

void reactor_loop(struct reactor *r)
{
    reactor_here = r;
    blame_thread_start();
    context_adopt(&r->loop);
    r->now = clock_now();
    do {
        read_inbox(r);
        timer_wheel_run(&r->timers, r->now);
        task_serve(r);
        task_run_all(r);
    } while (poll_outside(r));
    timer_wheel_finish(&r->timers);
    blame_thread_end();
    reactor_here = NULL;
}

/* ---- life ---- */

bool reactor_init(struct reactor *r, unsigned index, size_t stacks)
{
    memset(r, 0, sizeof *r);
    r->index = index;
    r->epoll = r->wake_fd = -1;
    list_init(&r->runnable);
    list_init(&r->requests[TASK_NORMAL]);
    list_init(&r->requests[TASK_PREAUTH]);
    r->class_limit[TASK_NORMAL] = stacks;
    r->class_limit[TASK_PREAUTH] = stacks < 4 ? 1 : stacks / 4;
    timer_wheel_init(&r->timers, clock_now());
    r->tasks = calloc(stacks, sizeof *r->tasks);
    if (!r->tasks || !stack_pool_init(&r->stacks, stacks) ||
        !completion_table_init(&r->completions))
        return false;
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->epoll < 0 || r->wake_fd < 0)
        return false;
    r->watchers.epoll = r->epoll;
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE};
    return epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->wake_fd, &e) == 0;
}

void reactor_finish(struct reactor *r)
{
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    if (r->epoll >= 0)
        close(r->epoll);
    watcher_table_finish(&r->watchers);
    completion_table_finish(&r->completions);
    stack_pool_finish(&r->stacks);
    free(r->tasks);
}
