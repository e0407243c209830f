#include "task/offload_private.h"
#include "task/reactor_private.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

enum { REACTORS_MAX = 256, STACKS = 4096, DISK_THREADS = 4, READ_THREADS = 4, JOBS = 8192 };

/* One at a time in a process. */
static struct runtime {
    atomic_bool running;
    atomic_bool stopping;
    _Alignas(64) atomic_size_t held;
    unsigned reactors;
    struct reactor *reactor;
    pthread_t thread[REACTORS_MAX]; /* from 1 */
} runtime;

unsigned runtime_reactors(void)
{
    return runtime.reactors;
}

struct reactor *runtime_reactor(unsigned index)
{
    return index < runtime.reactors ? &runtime.reactor[index] : NULL;
}

size_t task_stacks_in_use(void)
{
    size_t sum = 0;
    for (unsigned i = 0; i < runtime.reactors; i++)
        sum += atomic_load_explicit(&runtime.reactor[i].stacks.used, memory_order_relaxed);
    return sum;
}

/* ---- the end ---- */

static void stop_all(void)
{
    atomic_store(&runtime.stopping, true);
    for (unsigned i = 0; i < runtime.reactors; i++)
        reactor_wake(&runtime.reactor[i]);
}

void runtime_hold(void)
{
    atomic_fetch_add(&runtime.held, 1);
}

void runtime_release(void)
{
    if (atomic_fetch_sub(&runtime.held, 1) == 1)
        stop_all();
}

bool runtime_hold_again(void)
{
    size_t held = atomic_load(&runtime.held);
    while (held && !atomic_compare_exchange_weak(&runtime.held, &held, held + 1))
        ;
    return held;
}

bool runtime_stopping(void)
{
    return atomic_load_explicit(&runtime.stopping, memory_order_acquire);
}

/* ---- the begin ---- */

static void *run_reactor(void *arg)
{
    reactor_loop(arg);
    return NULL;
}

static unsigned cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

static void set_defaults(struct runtime_options *o)
{
    unsigned n = cores();
    o->reactors = o->reactors ? o->reactors : n;
    if (o->reactors > REACTORS_MAX)
        o->reactors = REACTORS_MAX;
    o->stacks = stack_limit(o->stacks ? o->stacks : STACKS);
    o->disk_threads = o->disk_threads ? o->disk_threads : DISK_THREADS;
    o->read_threads = o->read_threads ? o->read_threads : READ_THREADS;
    o->cpu_threads = o->cpu_threads ? o->cpu_threads : n;
    o->offload_queue = o->offload_queue ? o->offload_queue : JOBS;
}

static void destroy_reactors(void)
{
    int kept = errno;
    for (unsigned i = 0; i < runtime.reactors; i++)
        reactor_finish(&runtime.reactor[i]);
    free(runtime.reactor);
    runtime.reactor = NULL;
    runtime.reactors = 0;
    errno = kept;
}

static bool create_reactors(unsigned n, size_t stacks)
{
    runtime.reactor = aligned_alloc(64, n * sizeof *runtime.reactor);
    if (!runtime.reactor)
        return false;
    for (unsigned i = 0; i < n; i++) {
        /* Equal shares; the first ones have what remains. */
        size_t share = stacks / n + (i < stacks % n);
        runtime.reactors = i + 1;
        if (!reactor_init(&runtime.reactor[i], i, share ? share : 1)) {
            destroy_reactors();
            return false;
        }
    }
    return true;
}

/* Threads of the runtime take no signals but those of their own faults. */
static void block_signals(sigset_t *old)
{
    static const int faults[] = {
        SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, old);
}

/* Returns how many reactors have a thread, this one's included. */
static unsigned start_threads(const struct runtime_options *o)
{
    const unsigned threads[OFFLOAD_CLASSES] = {
        [OFFLOAD_DISK] = o->disk_threads,
        [OFFLOAD_READ] = o->read_threads,
        [OFFLOAD_CPU] = o->cpu_threads,
    };
    if (!offload_start(threads, o->offload_queue))
        return 0;
    for (unsigned i = 1; i < o->reactors; i++) {
        int error = pthread_create(&runtime.thread[i], NULL, run_reactor, &runtime.reactor[i]);
        if (error) {
            errno = error;
            return i;
        }
    }
    return o->reactors;
}

static bool run_all(const struct runtime_options *o, void (*main_fn)(void *), void *arg)
{
    struct task_request first;
    task_request_init(&first, TASK_NORMAL, main_fn, arg);
    atomic_store(&runtime.stopping, false);
    atomic_store(&runtime.held, o->reactors);
    reactor_here = &runtime.reactor[0];
    task_start(&first);
    reactor_here = NULL;

    sigset_t old;
    block_signals(&old);
    unsigned started = start_threads(o);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    bool ok = started == o->reactors;
    int error = errno;
    if (ok)
        reactor_loop(&runtime.reactor[0]);
    else
        stop_all();
    for (unsigned i = 1; i < started; i++)
        pthread_join(runtime.thread[i], NULL);
    if (started)
        offload_stop();
    errno = error;
    return ok;
}

bool runtime_run(const struct runtime_options *options, void (*main_fn)(void *), void *arg)
{
    if (atomic_exchange(&runtime.running, true)) {
        errno = EBUSY;
        return false;
    }
    struct runtime_options o = *options;
    set_defaults(&o);
    bool ok = create_reactors(o.reactors, o.stacks);
    if (ok) {
        ok = run_all(&o, main_fn, arg);
        destroy_reactors();
    }
    atomic_store(&runtime.running, false);
    return ok;
}
