#include "check.h"
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A watcher that counts and may act. */
struct probe {
    struct watcher watcher;
    unsigned calls, events;
    void (*act)(struct probe *);
};

static void ready(struct watcher *w, unsigned events)
{
    struct probe *p = list_entry(w, struct probe, watcher);
    p->calls++;
    p->events = events;
    if (p->act)
        p->act(p);
}

static void pair(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void say(int fd)
{
    CHECK(write(fd, "x", 1) == 1);
}

static void turns_pass(unsigned n)
{
    while (n--)
        task_yield();
}

static void level(void *arg)
{
    int fds[2];
    pair(fds);
    struct probe p = {0};
    CHECK(watcher_start(&p.watcher, fds[0], WATCH_READ, ready));
    turns_pass(3);
    CHECK(p.calls == 0);
    say(fds[1]);
    turns_pass(4);
    CHECK(p.calls >= 3); /* again while it stays ready */
    CHECK(p.events == WATCH_READ);
    watcher_arm(&p.watcher, 0);
    p.calls = 0;
    turns_pass(4);
    CHECK(p.calls == 0);
    watcher_arm(&p.watcher, WATCH_WRITE);
    turns_pass(3);
    CHECK(p.calls && p.events == WATCH_WRITE);
    watcher_arm(&p.watcher, WATCH_READ | WATCH_WRITE);
    turns_pass(3);
    CHECK(p.events == (WATCH_READ | WATCH_WRITE));
    watcher_stop(&p.watcher);
    watcher_stop(&p.watcher);
    p.calls = 0;
    turns_pass(3);
    CHECK(p.calls == 0);
    close_both(fds);
}

static void is_level_triggered(void **state)
{
    run_on(1, level, NULL);
}

/* Of two that are ready in one batch, the first stops the other and puts a new one on its fd. */
static struct probe batch[2], replacement;
static int batch_fds[2][2];
static unsigned batch_calls;

static void stop_other(struct probe *p)
{
    batch_calls++;
    struct probe *other = &batch[p == &batch[0]];
    int *fds = batch_fds[p == &batch[0]];
    watcher_stop(&p->watcher);
    watcher_stop(&other->watcher);
    int number = fds[0];
    close_both(fds);
    pair(fds);
    CHECK(fds[0] == number); /* the lowest free one */
    CHECK(watcher_start(&replacement.watcher, number, WATCH_READ, ready));
}

static void one_batch(void *arg)
{
    for (unsigned i = 0; i < 2; i++) {
        pair(batch_fds[i]);
        batch[i] = (struct probe){.act = stop_other};
        CHECK(watcher_start(&batch[i].watcher, batch_fds[i][0], WATCH_READ, ready));
    }
    for (unsigned i = 0; i < 2; i++)
        say(batch_fds[i][1]);
    turns_pass(4);
    CHECK(batch_calls == 1);
    CHECK(batch[0].calls + batch[1].calls == 1);
    CHECK(replacement.calls == 0);
    say(batch_fds[batch[0].calls][1]);
    turns_pass(4);
    CHECK(replacement.calls > 0);
    watcher_stop(&replacement.watcher);
    close_both(batch_fds[0]);
    close_both(batch_fds[1]);
}

static void stopped_hears_nothing(void **state)
{
    run_on(1, one_batch, NULL);
}

/* The end of the other side is told to whoever is armed, and costs nothing while none is. */
static void hangup(void *arg)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    struct probe p = {0};
    CHECK(watcher_start(&p.watcher, fds[0], 0, ready));
    close(fds[1]);
    turns_pass(4);
    CHECK(p.calls == 0);
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    task_sleep(deadline_in(50 * CLOCK_MS));
    getrusage(RUSAGE_THREAD, &after);
    CHECK(after.ru_nvcsw - before.ru_nvcsw < 20); /* it slept */
    int64_t cpu = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * INT64_C(1000000) +
                  after.ru_utime.tv_usec - before.ru_utime.tv_usec;
    CHECK(cpu < 25000);
    watcher_arm(&p.watcher, WATCH_READ);
    turns_pass(4);
    CHECK(p.calls && p.events == (WATCH_READ | WATCH_ERROR));
    watcher_arm(&p.watcher, 0);
    p.calls = 0;
    turns_pass(4);
    CHECK(p.calls == 0);
    watcher_arm(&p.watcher, WATCH_READ);
    turns_pass(2);
    CHECK(p.calls);
    watcher_stop(&p.watcher);
    close(fds[0]);
}

static void tells_a_hangup(void **state)
{
    run_on(1, hangup, NULL);
}

static void refuse(void *arg)
{
    struct probe p = {0}, q = {0};
    CHECK(!watcher_start(&p.watcher, -1, WATCH_READ, ready) && errno == EBADF);
    CHECK(!watcher_start(&p.watcher, 900, WATCH_READ, ready) && errno == EBADF);
    FILE *file = tmpfile();
    CHECK(!watcher_start(&p.watcher, fileno(file), WATCH_READ, ready) && errno == EPERM);
    fclose(file);
    int fds[2];
    pair(fds);
    CHECK(watcher_start(&p.watcher, fds[0], WATCH_READ, ready));
    CHECK(!watcher_start(&q.watcher, fds[0], WATCH_WRITE, ready) && errno == EEXIST);
    watcher_stop(&q.watcher); /* not its own */
    say(fds[1]);
    turns_pass(2);
    CHECK(p.calls);
    watcher_stop(&p.watcher);
    close_both(fds);
}

static void refuses(void **state)
{
    run_on(1, refuse, NULL);
}

/* More descriptors than a batch holds; each is heard. */
enum { PAIRS = 400 };

static void take_byte(struct probe *p)
{
    char c;
    CHECK(read(p->watcher.fd, &c, 1) == 1);
}

static void many(void *arg)
{
    static struct probe probes[PAIRS];
    static int fds[PAIRS][2];
    for (unsigned i = 0; i < PAIRS; i++) {
        pair(fds[i]);
        probes[i] = (struct probe){.act = take_byte};
        CHECK(watcher_start(&probes[i].watcher, fds[i][0], WATCH_READ, ready));
        say(fds[i][1]);
    }
    turns_pass(10);
    for (unsigned i = 0; i < PAIRS; i++) {
        CHECK(probes[i].calls == 1);
        watcher_stop(&probes[i].watcher);
        close_both(fds[i]);
    }
}

static void hears_many(void **state)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    run_on(1, many, NULL);
}

/* Stopping after the end of the runtime does nothing. */
static struct probe left;
static int left_fds[2];

static void leave(void *arg)
{
    CHECK(watcher_start(&left.watcher, left_fds[0], WATCH_READ, ready));
}

static void outlived(void **state)
{
    pair(left_fds);
    run_on(1, leave, NULL);
    watcher_stop(&left.watcher);
    close_both(left_fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_level_triggered),
        cmocka_unit_test(stopped_hears_nothing),
        cmocka_unit_test(tells_a_hangup),
        cmocka_unit_test(refuses),
        cmocka_unit_test(hears_many),
        cmocka_unit_test(outlived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
