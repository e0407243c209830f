/* Sessions over real sockets: time, pressure, wakes. */
#include "../unit.h"
#include "client.h"
#include "echo.c"

static struct event ended, held;

static struct client begin(struct echo *e)
{
    event_init(&ended);
    event_init(&held);
    e->ended = &ended;
    e->held = &held;
    struct client k = client_open(e, (struct conn_options){0});
    client_expect(&k, "HI\r\n");
    return k;
}

static void finish(struct client *k, struct echo *e, enum conn_end why)
{
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    CHECK(e->end == why && conn_count() == 0);
    client_close(k);
}

static void run_talk(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    for (const char *p = "PING 1\r\nPING 2\r\n"; *p; p++) {
        client_send(&k, slice(p, 1));
        task_yield();
    }
    client_expect(&k, "PONG 1\r\nPONG 2\r\n");
    client_send(&k, S("PING 3\r\nSLEEP\r\nPING 4\r\nQUIT\r\n"));
    client_expect(&k, "PONG 3\r\nSLEPT\r\nPONG 4\r\nBYE\r\n");
    client_expect_end(&k);
    finish(&k, &e, CONN_END_SELF);
}

static void talk(void **state)
{
    client_run(run_talk, NULL);
}

/* Commands, then the end of the client's side at once: all are answered. */
static void run_half_closed(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    client_send(&k, S("SLEEP\r\nPING 1\r\nPING 2\r\n"));
    shutdown(k.fd, SHUT_WR);
    client_expect(&k, "SLEPT\r\nPONG 1\r\nPONG 2\r\n");
    client_expect_end(&k);
    finish(&k, &e, CONN_END_PEER);
}

/* Gone in the middle of a command: it ends in peace, then closed() comes. */
static void run_gone(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    client_send(&k, S("SLEEP\r\n"));
    close(k.fd);
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    CHECK(e.end == CONN_END_PEER && e.runs == 2);
}

static void run_gone_while_sending(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    client_send(&k, S("BIG 50000000\r\n"));
    char some[1000];
    CHECK(client_read(&k, some, sizeof some) > 0);
    close(k.fd);
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    CHECK(e.end == CONN_END_PEER && e.error[0]);
}

static void peer_ends(void **state)
{
    client_run(run_half_closed, NULL);
    client_run(run_gone, NULL);
    client_run(run_gone_while_sending, NULL);
}

static void run_hold(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    static char body[100000];
    client_send(&k, S("HOLD 100000\r\n"));
    client_expect(&k, "OK\r\n");
    int fl = fcntl(k.fd, F_GETFL);
    CHECK(fl & O_NONBLOCK);
    client_send(&k, slice(body, 1000));
    CHECK(event_wait(&held, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    client_send(&k, slice(body, 99000));
    task_sleep(deadline_in(10 * CLOCK_MS));
    CHECK(e.got == 1000 && e.holds == 1);
    while (e.got < 100000) {
        conn_resume(e.c);
        task_sleep(deadline_in(CLOCK_MS));
    }
    client_expect(&k, "GOT 100000\r\n");
    client_send(&k, S("QUIT\r\n"));
    finish(&k, &e, CONN_END_SELF);
}

/* The sink is full with the last byte: only the call after resume can say that all is there, also
 * when a wake comes in between. */
static bool last_byte_held;

static enum conn_next feed_last(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct echo *e = conn_session(c);
    *used = in.n;
    if (in.n == 0 && last_byte_held) {
        last_byte_held = false;
        e->line = S("PING all");
        return CONN_RUN;
    }
    last_byte_held = in.n > 0;
    return last_byte_held ? CONN_HOLD : CONN_MORE;
}

static void run_hold_last(void *wake)
{
    struct echo e = {0};
    struct conn_handler handler = echo_handler;
    handler.feed = feed_last;
    event_init(&ended);
    e.ended = &ended;
    struct client k = client_open(&e, (struct conn_options){.handler = &handler});
    client_expect(&k, "HI\r\n");
    client_send(&k, S("body"));
    while (!last_byte_held)
        task_sleep(deadline_in(CLOCK_MS));
    if (wake) {
        conn_wake(e.c);
        client_expect(&k, "NEWS\r\n");
    }
    conn_resume(e.c);
    client_expect(&k, "PONG all\r\n");
    close(k.fd);
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
}

static void hold_and_resume(void **state)
{
    client_run(run_hold, NULL);
    client_run(run_hold_last, NULL);
    client_run(run_hold_last, &ended);
}

static void run_timeout(void *arg)
{
    struct echo e = {.timeout = 30 * CLOCK_MS};
    int64_t from = clock_now();
    struct client k = begin(&e);
    client_send(&k, S("PI"));
    client_expect(&k, "LATE\r\n");
    CHECK(clock_now() - from >= 30 * CLOCK_MS);
    client_expect_end(&k);
    finish(&k, &e, CONN_END_TIMEOUT);
    CHECK(e.last == CONN_TIMED_OUT);
}

/* A body too slow for its rate, though bytes keep coming. The window is a minute, so the clock is
 * turned. */
static int64_t ahead;

static int64_t turned_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec + ahead;
}

static int64_t turned_wall(void)
{
    return 1;
}

static void run_rate(void *arg)
{
    struct echo e = {.rate = 100};
    struct client k = begin(&e);
    static char body[7000];
    client_send(&k, S("BODY 20000\r\n"));
    client_expect(&k, "OK\r\n");
    client_send(&k, slice(body, 7000));
    task_sleep(deadline_in(5 * CLOCK_MS));
    ahead += 61 * CLOCK_SEC;
    task_sleep(deadline_in(5 * CLOCK_MS));
    client_send(&k, slice(body, 5000)); /* 7,000 in a minute was enough, 5,000 is not */
    task_sleep(deadline_in(5 * CLOCK_MS));
    CHECK(!e.closed && e.last == CONN_COMPLETE);
    ahead += 61 * CLOCK_SEC;
    client_expect(&k, "LATE\r\n");
    finish(&k, &e, CONN_END_TIMEOUT);
}

static void time_is_up(void **state)
{
    client_run(run_timeout, NULL);
    struct clock_source turned = {turned_now, turned_wall};
    clock_set(&turned);
    client_run(run_rate, NULL);
    clock_set(NULL);
}

static void run_wake(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    conn_wake(e.c);
    conn_wake(e.c);
    client_expect(&k, "NEWS\r\n");
    client_send(&k, S("SLEEP\r\n"));
    while (!e.running)
        task_sleep(deadline_in(CLOCK_MS));
    conn_wake(e.c);
    conn_wake(e.c);
    CHECK(e.wakes == 1);
    client_expect(&k, "SLEPT\r\nNEWS\r\n");
    client_send(&k, S("PING\r\n"));
    client_expect(&k, "PONG\r\n");
    CHECK(e.wakes == 2);
    client_send(&k, S("QUIT\r\n"));
    finish(&k, &e, CONN_END_SELF);
}

static void wakes(void **state)
{
    client_run(run_wake, NULL);
}

static void drain_one(struct conn *c, void *arg)
{
    ++*(int *)arg;
    conn_drain(c);
}

static void run_drain(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    int n = 0;
    conn_each(drain_one, &n);
    CHECK(n == 1 && !e.closed);
    client_expect(&k, "DRAIN\r\n");
    client_expect_end(&k);
    finish(&k, &e, CONN_END_SELF);
    /* In a command: it is finished, what stands behind it is not begun. */
    struct echo busy = {0};
    k = begin(&busy);
    client_send(&k, S("SLEEP\r\nPING\r\n"));
    while (!busy.running)
        task_sleep(deadline_in(CLOCK_MS));
    conn_drain(busy.c);
    client_expect(&k, "SLEPT\r\nDRAIN\r\n");
    client_expect_end(&k);
    finish(&k, &busy, CONN_END_SELF);
}

static void run_abort(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    conn_abort(e.c, CONN_END_SELF);
    CHECK(e.closed && e.end == CONN_END_SELF && conn_count() == 0);
    finish(&k, &e, CONN_END_SELF);
    struct echo busy = {0};
    k = begin(&busy);
    client_send(&k, S("SLEEP\r\n"));
    while (!busy.running)
        task_sleep(deadline_in(CLOCK_MS));
    conn_abort(busy.c, CONN_END_TIMEOUT);
    CHECK(!busy.closed);
    client_expect_end(&k);
    finish(&k, &busy, CONN_END_TIMEOUT);
    struct echo queued = {0};
    k = client_open(&queued, (struct conn_options){0});
    queued.ended = &ended;
    CHECK(conn_count() == 1);
    conn_each(drain_one, &(int){0});
    client_expect(&k, "HI\r\nDRAIN\r\n");
    finish(&k, &queued, CONN_END_SELF);
}

static void drains_and_aborts(void **state)
{
    client_run(run_drain, NULL);
    client_run(run_abort, NULL);
}

/* A goodbye reaches a client that is still sending. */
static void run_linger(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    static char junk[200000];
    memset(junk, 'x', sizeof junk);
    client_send(&k, slice(junk, sizeof junk));
    client_expect(&k, "BAD\r\n");
    client_expect_end(&k);
    close(k.fd);
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    CHECK(e.end == CONN_END_SELF);
}

/* Pipelined commands with large answers that nobody reads: no more is taken, memory is bounded. */
static void run_pressure(void *arg)
{
    struct echo e = {0};
    struct client k = begin(&e);
    static char ping[120000];
    size_t sent = 0, got = 0;
    for (size_t i = 0; i + 12 <= sizeof ping; i += 12)
        memcpy(ping + i, "PING 12345\r\n", 12);
    char in[4096];
    /* It stops taking commands though nothing is full but its output. */
    for (int stopped = 0; stopped < 20;) {
        ssize_t r = send(k.fd, ping + sent % 12, sizeof ping - 12, MSG_NOSIGNAL);
        sent += r > 0 ? (size_t)r : 0;
        stopped = r > 0 ? 0 : stopped + 1;
        task_sleep(deadline_in(CLOCK_MS));
        CHECK(sent < 4000000);
    }
    while (got < sent || sent % 12) {
        if (sent % 12) {
            ssize_t r = send(k.fd, ping + sent % 12, 12 - sent % 12, MSG_NOSIGNAL);
            sent += r > 0 ? (size_t)r : 0;
        }
        got += client_read(&k, in, sizeof in);
    }
    CHECK(got == sent);
    client_send(&k, S("QUIT\r\n"));
    client_expect(&k, "BYE\r\n");
    finish(&k, &e, CONN_END_SELF);
}

static void pressure(void **state)
{
    client_run(run_linger, NULL);
    client_run(run_pressure, NULL);
}

/* More slow readers than stacks: a newcomer is served after the 5 s. */
#define STUCK 6

static void run_stacks(void *arg)
{
    static struct echo stuck[STUCK];
    struct client k[STUCK];
    for (int i = 0; i < STUCK; i++) {
        k[i] = client_open(&stuck[i], (struct conn_options){0});
        client_send(&k[i], S("BIG 10000000\r\n"));
    }
    task_sleep(deadline_in(20 * CLOCK_MS));
    struct echo e = {0};
    event_init(&ended);
    e.ended = &ended;
    struct client new = client_open(&e, (struct conn_options){0});
    client_expect(&new, "HI\r\n");
    client_send(&new, S("QUIT\r\n"));
    client_expect(&new, "BYE\r\n");
    CHECK(event_wait(&ended, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
    int slow = 0;
    for (int i = 0; i < STUCK; i++) {
        slow += stuck[i].closed && stuck[i].end == CONN_END_SLOW;
        client_close(&k[i]);
    }
    CHECK(slow > 0);
    client_await_count(0);
}

static void stacks_are_taken_back(void **state)
{
    struct runtime_options options = {.reactors = 1, .stacks = 16}; /* 4 before login */
    CHECK(runtime_run(&options, run_stacks, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talk),
        cmocka_unit_test(peer_ends),
        cmocka_unit_test(hold_and_resume),
        cmocka_unit_test(time_is_up),
        cmocka_unit_test(wakes),
        cmocka_unit_test(drains_and_aborts),
        cmocka_unit_test(pressure),
        cmocka_unit_test(stacks_are_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
