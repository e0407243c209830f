#include "base/random.h"
#include "check.h"
#include "task/reactor_private.h"

enum { TIMERS = 2000 };
#define TICK (INT64_C(1) << WHEEL_TICK_SHIFT)

/* ---- the wheel alone, in a time of its own ---- */

static struct reactor fake;

struct probe {
    struct timer timer;
    int64_t fired_at;
    unsigned number;
};

static unsigned fired;
static int64_t last_at;
static struct probe *last;

static void note(struct timer *t)
{
    struct probe *p = list_entry(t, struct probe, timer);
    assert_int_equal(p->fired_at, -1);
    assert_true(fake.now >= t->at);
    p->fired_at = fake.now;
    /* In the order of their ticks. */
    assert_true(t->at > last_at - TICK);
    last_at = t->at > last_at ? t->at : last_at;
    last = p;
    fired++;
}

static void begin(int64_t now)
{
    reactor_here = &fake;
    fake.now = now;
    timer_wheel_init(&fake.timers, now);
    fired = 0;
    last_at = 0;
    last = NULL;
}

static void end(void)
{
    timer_wheel_finish(&fake.timers);
    reactor_here = NULL;
}

static void turn(int64_t now)
{
    fake.now = now;
    timer_wheel_run(&fake.timers, now);
}

static void probe_start(struct probe *p, deadline at)
{
    *p = (struct probe){.fired_at = -1};
    timer_init(&p->timer, note);
    timer_start(&p->timer, at);
}

/* Against the plain rule: fired in the first turn at or after the deadline, rounded up to a tick.
 */
static void follows_the_model(void **state)
{
    static struct probe probes[TIMERS];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_seed(seed);
        int64_t now = (int64_t)random_below(UINT64_C(1) << (10 + seed * 2));
        begin(now);
        for (unsigned i = 0; i < TIMERS; i++)
            probe_start(&probes[i], now + (int64_t)random_below(UINT64_C(1) << (1 + i % 61)));
        for (unsigned i = 0; i < TIMERS; i += 7)
            timer_start(&probes[i].timer, now + (int64_t)random_below(1000 * CLOCK_SEC));
        for (unsigned i = 3; i < TIMERS; i += 11)
            timer_stop(&probes[i].timer);
        while (timer_wheel_next(&fake.timers) != DEADLINE_NEVER) {
            int64_t next = timer_wheel_next(&fake.timers), before = fake.now;
            turn(next > before ? next + (int64_t)random_below(3 * TICK) : before + TICK);
            for (unsigned i = 0; i < TIMERS; i++) {
                const struct probe *p = &probes[i];
                bool stopped = i % 11 == 3;
                bool due = !stopped && p->timer.at <= fake.now - TICK;
                assert_true(!due || p->fired_at >= 0);
                assert_true(!stopped || p->fired_at < 0);
            }
        }
        assert_int_equal(fired, TIMERS - (TIMERS - 3 + 10) / 11);
        end();
    }
    random_seed(0);
}

static void far_future(void **state)
{
    struct probe p;
    begin(5 * CLOCK_SEC);
    probe_start(&p, DEADLINE_NEVER - 1);
    turn(DEADLINE_NEVER / 2);
    assert_int_equal(fired, 0);
    timer_start(&p.timer, DEADLINE_NEVER);
    assert_int_equal(timer_wheel_next(&fake.timers), DEADLINE_NEVER);
    assert_true(list_empty(&p.timer.node));
    end();
}

/* Never before its time, and within a tick of it. */
static void resolution(void **state)
{
    struct probe p;
    begin(0);
    probe_start(&p, 7 * TICK - 1);
    turn(7 * TICK - 1);
    assert_int_equal(fired, 0);
    turn(7 * TICK);
    assert_int_equal(fired, 1);
    probe_start(&p, 8 * TICK);
    turn(8 * TICK);
    assert_int_equal(fired, 2);
    last_at = -5;
    probe_start(&p, -5);
    assert_true(timer_wheel_next(&fake.timers) <= fake.now);
    turn(8 * TICK);
    assert_int_equal(fired, 3);
    end();
}

/* A slot emptied by a stop is not waited for. */
static void stopping_forgets(void **state)
{
    struct probe a, b;
    begin(0);
    probe_start(&a, 3 * TICK);
    probe_start(&b, 100 * TICK);
    timer_stop(&a.timer);
    assert_true(timer_wheel_next(&fake.timers) > 3 * TICK);
    timer_stop(&b.timer);
    assert_int_equal(timer_wheel_next(&fake.timers), DEADLINE_NEVER);
    timer_stop(&b.timer);
    end();
}

/* ---- stop and start inside fire ---- */

static struct probe pair[2];
static unsigned restarts;

static void stop_other(struct timer *t)
{
    fired++;
    timer_stop(&pair[0].timer);
    timer_stop(&pair[1].timer);
}

static void restart(struct timer *t)
{
    restarts++;
    timer_start(t, 0);
}

static void inside_fire(void **state)
{
    begin(0);
    for (unsigned i = 0; i < 2; i++) {
        timer_init(&pair[i].timer, stop_other);
        timer_start(&pair[i].timer, TICK);
    }
    turn(2 * TICK);
    assert_int_equal(fired, 1); /* the other one was due too, and stopped */
    struct timer t;
    timer_init(&t, restart);
    timer_start(&t, TICK);
    turn(3 * TICK);
    assert_int_equal(restarts, 1); /* once a turn */
    turn(3 * TICK);
    assert_int_equal(restarts, 2);
    timer_stop(&t);
    end();
}

/* ---- with the real clock ---- */

static void real(void *arg)
{
    for (unsigned i = 1; i <= 5; i++) {
        deadline until = deadline_in(i * CLOCK_MS);
        CHECK(task_sleep(until) == WAIT_OK);
        CHECK(clock_now() >= until);
    }
    CHECK(task_sleep(0) == WAIT_OK);
}

static void sleeps(void **state)
{
    run_on(1, real, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_model),
        cmocka_unit_test(far_future),
        cmocka_unit_test(resolution),
        cmocka_unit_test(stopping_forgets),
        cmocka_unit_test(inside_fire),
        cmocka_unit_test(sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
