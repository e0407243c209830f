#include "base/log.h"
#include "base/clock.h"
#include "base/log_private.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define RING_SIZE    ((uint64_t)1 << 20)
#define STOP_WAIT    CLOCK_SEC
#define POLL_WAIT_MS 50
#define BUSY         (10 * CLOCK_MS) /* between two pages: more will come */
#define GATHER_MS    5
#define TELL_EVERY   CLOCK_SEC

static _Atomic int level_now = LOG_INFO;
static _Atomic int format_now = LOG_LOGFMT;

/* Whole lines. `from` and `to` count bytes since the start and never wrap; the byte i is at
 * i % RING_SIZE; to - from <= RING_SIZE. All under `lock`, except that only the writer moves
 * `from`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static char ring[RING_SIZE];
static uint64_t from, to;
static uint64_t lost; /* lines, since it was last told */
static bool running, stopping;
static int64_t stop_by;
static int out_fd = STDERR_FILENO;
static pthread_t writer;

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

bool log_level_parse(struct slice name, enum log_level *level)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (slice_eq(name, slice_str(log_level_name((enum log_level)i)))) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&level_now, memory_order_relaxed);
}

/* The real clock: a test's clock may stand still. */
static int64_t real_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * CLOCK_SEC + ts.tv_nsec;
}

static bool gave_up(void)
{
    pthread_mutex_lock(&lock);
    bool late = stopping && real_now() >= stop_by;
    pthread_mutex_unlock(&lock);
    return late;
}

/* Writes all of it, waiting for a reader that is slow; false when that failed, or when it is time
 * to stop. At most a page at a time, so that a pipe that polls writable takes it without blocking.
 * A line that was torn by a failure is ended first, so that none is glued to it. */
static bool write_out(int fd, const char *p, size_t n)
{
    static bool torn;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    for (size_t done = 0; done < n;) {
        int polled = poll(&ready, 1, POLL_WAIT_MS);
        if (polled <= 0) {
            if (gave_up())
                return false;
            continue;
        }
        if (torn && write(fd, "\n", 1) == 1)
            torn = false;
        ssize_t wrote = torn ? -1 : write(fd, p + done, n - done);
        if (wrote >= 0) {
            done += (size_t)wrote;
        } else if (errno != EAGAIN && errno != EINTR) {
            torn |= done && p[done - 1] != '\n';
            return false;
        }
    }
    return true;
}

/* As many whole lines from the ring as a page holds; under the lock. */
static size_t take_lines(char page[LOG_LINE_MAX])
{
    size_t n = to - from < LOG_LINE_MAX ? (size_t)(to - from) : LOG_LINE_MAX;
    size_t start = (size_t)(from % RING_SIZE);
    size_t straight = n < RING_SIZE - start ? n : (size_t)(RING_SIZE - start);
    memcpy(page, ring + start, straight);
    memcpy(page + straight, ring, n - straight);
    size_t newline = slice_rfind(slice(page, n), '\n');
    return newline == SLICE_NONE ? 0 : newline + 1;
}

static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += p[i] == '\n';
    return count;
}

static size_t lost_line(char page[LOG_LINE_MAX], uint64_t count)
{
    struct log_field lines = log_int("lines", (int64_t)count);
    return log_format_line(page,
        (enum log_format)atomic_load_explicit(&format_now, memory_order_relaxed), clock_wall(),
        LOG_WARN, "log lines lost", &lines, 1);
}

/* Under the lock. Lets it go for a while when lines come one upon the other: then they go out
 * together, and those who log need not wake this thread for each. */
static void gather(void)
{
    static int64_t taken;
    if (real_now() - taken < BUSY && to - from < LOG_LINE_MAX && !stopping) {
        pthread_mutex_unlock(&lock);
        poll(NULL, 0, GATHER_MS);
        pthread_mutex_lock(&lock);
    }
    taken = real_now();
}

/* What to write next: lines, or how many were lost (*telling) once the queue is empty or a second
 * after that was last told. Waits for work; 0: stop. */
static size_t next_page(char page[LOG_LINE_MAX], uint64_t *telling, int *fd)
{
    static int64_t told;
    pthread_mutex_lock(&lock);
    while (from == to && !lost && !stopping)
        pthread_cond_wait(&filled, &lock);
    gather();
    *fd = out_fd;
    *telling = lost && (from == to || real_now() - told > TELL_EVERY) ? lost : 0;
    lost -= *telling;
    size_t n = *telling ? 0 : take_lines(page);
    from += n;
    pthread_mutex_unlock(&lock);
    if (!*telling)
        return n;
    told = real_now();
    return lost_line(page, *telling);
}

static void *write_lines(void *unused)
{
    static char page[LOG_LINE_MAX];
    uint64_t telling;
    int fd;
    for (size_t n; (n = next_page(page, &telling, &fd)) != 0;) {
        if (write_out(fd, page, n))
            continue;
        uint64_t missed = telling ? telling : count_lines(page, n);
        if (gave_up())
            break;
        pthread_mutex_lock(&lock);
        lost += missed;
        pthread_mutex_unlock(&lock);
        poll(NULL, 0, POLL_WAIT_MS); /* a full disk is not asked without pause */
    }
    return unused;
}

/* A child has no writer thread: it is as before log_start there, with nothing queued. */
static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void)
{
    running = stopping = false;
    from = to = lost = 0;
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

void log_start(int fd, enum log_level level, enum log_format format)
{
    atomic_store_explicit(&level_now, level, memory_order_relaxed);
    atomic_store_explicit(&format_now, format, memory_order_relaxed);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&lock);
    out_fd = fd;
    if (!running) {
        stopping = false;
        running = pthread_create(&writer, NULL, write_lines, NULL) == 0;
    }
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void log_stop(void)
{
    pthread_mutex_lock(&lock);
    bool was_running = running;
    if (was_running) {
        stopping = true;
        stop_by = real_now() + STOP_WAIT;
        pthread_cond_signal(&filled);
    }
    pthread_mutex_unlock(&lock);
    if (!was_running)
        return;
    pthread_join(writer, NULL);
    pthread_mutex_lock(&lock);
    running = stopping = false;
    from = to = lost = 0;
    pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static void enqueue(const char *line, size_t n)
{
    if (n > RING_SIZE - (to - from)) {
        lost++;
        return;
    }
    size_t start = (size_t)(to % RING_SIZE);
    size_t straight = n < RING_SIZE - start ? n : (size_t)(RING_SIZE - start);
    memcpy(ring + start, line, straight);
    memcpy(ring, line + straight, n - straight);
    if (to == from)
        pthread_cond_signal(&filled);
    to += n;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    static _Thread_local char line[LOG_LINE_MAX]; /* too large for a task's stack */
    size_t length = log_format_line(line,
        (enum log_format)atomic_load_explicit(&format_now, memory_order_relaxed), clock_wall(),
        level, event, fields, n);
    pthread_mutex_lock(&lock);
    bool queued = running;
    if (queued)
        enqueue(line, length);
    pthread_mutex_unlock(&lock);
    if (!queued && write(STDERR_FILENO, line, length) < 0)
        return; /* nobody is left to tell */
}
