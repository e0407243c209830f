#include "base/random.h"
#include "queue/schedule.h"
#include "unit/unit.h"

#define NEVER SCHEDULE_NEVER

static uint64_t middle(uint64_t below)
{
    return below / 2;
}

static struct schedule *make(unsigned couriers, unsigned per_route, size_t lanes)
{
    struct schedule *s = schedule_create(&(struct schedule_options){
        .couriers = couriers, .couriers_route = per_route, .lanes_max = lanes, .random = middle});
    assert_non_null(s);
    return s;
}

/* The account that is served; what is left of it is due at next. */
static uint64_t serve(struct schedule *s, struct schedule_route *r, int64_t now, int64_t next)
{
    struct schedule_pick pick;
    if (!schedule_pick(s, r, now, &pick))
        return UINT64_MAX;
    schedule_picked(s, r, &pick, next, true, now);
    return pick.account;
}

static void gaps_double_up_to_four_hours(void **state)
{
    static const int64_t gaps[] = {300, 600, 1200, 2400, 4800, 9600, 14400, 14400};
    struct schedule *s = make(0, 0, 0);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(schedule_gap(s, i + 1), gaps[i]);
    assert_int_equal(schedule_gap(s, UINT32_MAX), 14400);
    schedule_destroy(s);
    s = schedule_create(&(struct schedule_options){0});
    for (int i = 0; i < 1000; i++)
        assert_in_range(schedule_gap(s, 1), 240, 360);
    schedule_destroy(s);
}

static void nothing_starts_before_it_is_due(void **state)
{
    struct schedule *s = make(0, 0, 0);
    assert_true(schedule_next(s) == NEVER);
    assert_true(schedule_note(s, S("a.example"), 1, 100));
    assert_int_equal(schedule_next(s), 100);
    assert_null(schedule_start(s, 99, NULL));
    struct schedule_route *r = schedule_start(s, 100, NULL);
    assert_slice(schedule_name(r), S("a.example"));
    assert_null(schedule_start(s, 100, NULL)); /* the first has not looked yet */
    assert_int_equal(serve(s, r, 100, NEVER), 1);
    assert_int_equal(serve(s, r, 100, NEVER), UINT64_MAX);
    schedule_ended(s, r, true, 100);
    assert_null(schedule_start(s, 1000, NULL));
    schedule_destroy(s);
}

static void senders_of_a_route_go_round(void **state)
{
    struct schedule *s = make(0, 0, 0);
    schedule_note(s, S("a.example"), 1, 50); /* 100,000 of them, for long */
    struct schedule_route *r = schedule_start(s, 100, NULL);
    for (int i = 0; i < 100; i++)
        assert_int_equal(serve(s, r, 100, 50), 1);
    schedule_note(s, S("a.example"), 2, 101);
    schedule_note(s, S("a.example"), 3, 101);
    assert_int_equal(serve(s, r, 101, 50), 1);
    assert_int_equal(serve(s, r, 101, NEVER), 2);
    assert_int_equal(serve(s, r, 101, 50), 3);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(serve(s, r, 101, 50), 1);
        assert_int_equal(serve(s, r, 101, 50), 3);
    }
    schedule_ended(s, r, true, 101);
    schedule_destroy(s);
}

static void routes_go_round(void **state)
{
    struct schedule *s = make(1, 1, 0);
    schedule_note(s, S("a.example"), 1, 10);
    schedule_note(s, S("b.example"), 1, 11);
    for (int i = 0; i < 6; i++) {
        struct schedule_route *r = schedule_start(s, 100, NULL);
        assert_slice(schedule_name(r), i % 2 ? S("b.example") : S("a.example"));
        assert_true(serve(s, r, 100, 10) == 1);
        assert_null(schedule_start(s, 100, NULL));
        assert_false(schedule_stay(s, r, 100)); /* the other waits */
        schedule_ended(s, r, true, 100);
    }
    schedule_destroy(s);
}

/* How many couriers a route gets now. */
static unsigned fill(struct schedule *s, struct schedule_route **r, int64_t now)
{
    unsigned n = 0;
    struct schedule_route *one;
    for (; (one = schedule_start(s, now, NULL)); n++) {
        *r = one;
        assert_int_equal(serve(s, one, now, 0), 1);
    }
    return n;
}

static void end(struct schedule *s, struct schedule_route *r, unsigned n, int64_t now)
{
    while (n--)
        schedule_ended(s, r, true, now);
}

static void concurrency_follows_success(void **state)
{
    struct schedule *s = make(0, 5, 0);
    struct schedule_route *r = NULL;
    schedule_note(s, S("a.example"), 1, 0);
    unsigned n = fill(s, &r, 10);
    assert_int_equal(n, SCHEDULE_FIRST_LIMIT);
    for (unsigned i = 0; i < SCHEDULE_GROWTH * n - 1; i++)
        schedule_success(s, r, 10);
    assert_int_equal(fill(s, &r, 10), 0);
    for (unsigned i = 0; i < SCHEDULE_GROWTH * (3 + 4 + 5 + 5); i++)
        schedule_success(s, r, 10);
    n += fill(s, &r, 10);
    assert_int_equal(n, 5);
    schedule_deferred(s, r);
    assert_false(schedule_stay(s, r, 10));
    end(s, r, n, 10);
    assert_int_equal(n = fill(s, &r, 10), 2);
    schedule_deferred(s, r);
    schedule_deferred(s, r);
    end(s, r, n, 10);
    assert_int_equal(n = fill(s, &r, 10), 1);
    end(s, r, n, 10);
    schedule_destroy(s);
}

static void concurrency_follows_need(void **state)
{
    struct schedule *s = make(0, 5, 0);
    struct schedule_route *r = NULL;
    struct schedule_waiter w;
    schedule_note(s, S("a.example"), 1, 0);
    assert_non_null(r = schedule_start(s, 10, NULL));
    assert_int_equal(serve(s, r, 10, 11), 1); /* the next is due later */
    for (int i = 0; i < 10; i++)
        schedule_success(s, r, 10);
    assert_true(schedule_wait(s, r, true, &w, 10)); /* nothing to do: one is enough */
    schedule_wait_over(s, &w);
    assert_null(schedule_start(s, 11, NULL));
    for (int i = 0; i < SCHEDULE_GROWTH; i++)
        schedule_success(s, r, 11);
    assert_int_equal(fill(s, &r, 11), 1);
    end(s, r, 2, 11);
    schedule_destroy(s);
}

static void a_route_that_is_down_waits(void **state)
{
    struct schedule *s = make(0, 5, 0);
    struct schedule_route *r = NULL;
    struct schedule_figures f;
    int64_t until;
    schedule_note(s, S("a.example"), 1, 0);
    unsigned n = fill(s, &r, 10);
    schedule_down(s, r, 10);
    schedule_down(s, r, 10); /* the other courier says so too */
    assert_int_equal(schedule_failures(r, &until), 1);
    assert_int_equal(until, 310);
    assert_false(schedule_stay(s, r, 10));
    end(s, r, n, 10);
    schedule_note(s, S("a.example"), 2, 20); /* new mail waits with it */
    assert_null(schedule_start(s, 309, NULL));
    assert_int_equal(schedule_next(s), 310);
    assert_ptr_equal(schedule_start(s, 310, NULL), r);
    assert_true(serve(s, r, 310, 0) == 1);
    assert_null(schedule_start(s, 310, NULL)); /* one courier tries */
    schedule_figures(s, &f);
    assert_true(f.down == 1 && f.running == 1 && f.lanes == 2);
    schedule_down(s, r, 310);
    schedule_ended(s, r, true, 310);
    assert_int_equal(schedule_next(s), 910);
    schedule_up(s, S("a.example"));
    assert_ptr_equal(schedule_start(s, 311, NULL), r);
    assert_int_equal(schedule_failures(r, &until), 0);
    schedule_ended(s, r, false, 311);
    schedule_destroy(s);
}

static void a_success_ends_a_back_off(void **state)
{
    struct schedule *s = make(0, 5, 0);
    struct schedule_route *r = NULL;
    schedule_note(s, S("a.example"), 1, 0);
    assert_true(schedule_restore(s, S("a.example"), 4, 500));
    assert_false(schedule_restore(s, S("b.example"), 4, 500));
    assert_int_equal(schedule_next(s), 500);
    unsigned n = fill(s, &r, 500);
    assert_int_equal(n, 1);
    schedule_success(s, r, 500);
    assert_int_equal(fill(s, &r, 500), SCHEDULE_FIRST_LIMIT - 1);
    end(s, r, SCHEDULE_FIRST_LIMIT, 500);
    schedule_destroy(s);
}

static void a_clock_that_is_set_back_holds_nothing_up(void **state)
{
    struct schedule *s = make(0, 0, 0);
    int64_t until;
    schedule_note(s, S("a.example"), 1, 10000);
    struct schedule_route *r = schedule_start(s, 10000, NULL);
    assert_int_equal(serve(s, r, 10000, 10000), 1); /* and has more */
    schedule_ended(s, r, true, 10000);
    schedule_note(s, S("a.example"), 2, 5000);
    schedule_set_back(s, 5000);
    assert_ptr_equal(schedule_start(s, 5000, NULL), r);
    assert_int_equal(serve(s, r, 5000, NEVER), 2);
    assert_int_equal(serve(s, r, 5000, NEVER), 1);
    schedule_ended(s, r, true, 5000);
    schedule_note(s, S("b.example"), 1, 30000);
    r = schedule_start(s, 30000, NULL);
    schedule_down(s, r, 30000);
    schedule_ended(s, r, true, 30000);
    schedule_set_back(s, 1000);
    assert_int_equal(schedule_failures(r, &until), 1);
    assert_int_equal(until, 1000 + SCHEDULE_GAP_MAX);
    schedule_destroy(s);
}

static void an_old_look_hides_no_new_note(void **state)
{
    struct schedule *s = make(0, 5, 0);
    struct schedule_pick pick;
    schedule_note(s, S("a.example"), 1, 0);
    struct schedule_route *r = schedule_start(s, 10, NULL);
    assert_true(schedule_pick(s, r, 10, &pick));
    schedule_note(s, S("a.example"), 1, 10);
    schedule_picked(s, r, &pick, NEVER, true, 10);
    assert_int_equal(serve(s, r, 10, NEVER), 1);
    assert_int_equal(serve(s, r, 10, NEVER), UINT64_MAX);
    schedule_ended(s, r, true, 10);
    schedule_destroy(s);
}

static void a_full_schedule_says_so(void **state)
{
    struct schedule *s = make(0, 5, 4);
    struct schedule_figures f;
    char name[2] = "a";
    for (; name[0] < 'e'; name[0]++)
        assert_true(schedule_note(s, slice_str(name), 1, name[0]));
    assert_false(schedule_note(s, S("e"), 1, 0));
    assert_false(schedule_note(s, S("a"), 2, 0));
    assert_true(schedule_note(s, S("a"), 1, 0));
    schedule_shed(s, 'c');
    schedule_figures(s, &f);
    assert_int_equal(f.lanes, 2);
    assert_true(schedule_note(s, S("e"), 1, 0));
    schedule_destroy(s);
}

static void idle_routes_are_forgotten_in_the_end(void **state)
{
    struct schedule *s = make(0, 5, 0);
    struct schedule_figures f;
    char name[32];
    for (int i = 0; i < SCHEDULE_IDLE_MAX + 100; i++) {
        snprintf(name, sizeof name, "r%d.example", i);
        schedule_note(s, slice_str(name), 1, 0);
        struct schedule_route *r = schedule_start(s, 10, NULL);
        assert_int_equal(serve(s, r, 10, NEVER), 1);
        schedule_down(s, r, 10);
        schedule_ended(s, r, true, 10);
    }
    schedule_figures(s, &f);
    assert_true(f.routes == SCHEDULE_IDLE_MAX && f.down == SCHEDULE_IDLE_MAX && f.lanes == 0);
    schedule_destroy(s);
}

static void a_courier_that_waits_goes_on(void **state)
{
    struct schedule *s = make(2, 5, 0);
    struct schedule_waiter w, *woken;
    struct schedule_figures f;
    schedule_note(s, S("a.example"), 1, 0);
    struct schedule_route *a = schedule_start(s, 10, &woken), *b;
    assert_true(a && !woken && serve(s, a, 10, NEVER) == 1);
    schedule_success(s, a, 10);
    assert_true(schedule_wait(s, a, true, &w, 10));
    assert_null(schedule_start(s, 10, &woken));
    schedule_note(s, S("a.example"), 2, 11);
    assert_null(schedule_start(s, 10, &woken));
    assert_ptr_equal(schedule_start(s, 11, &woken), a);
    assert_ptr_equal(woken, &w);
    assert_null(schedule_start(s, 11, &woken)); /* it has not looked yet */
    assert_int_equal(serve(s, a, 11, NEVER), 2);
    schedule_figures(s, &f);
    assert_int_equal(f.running, 1);
    assert_true(schedule_wait(s, a, true, &w, 11));
    schedule_note(s, S("b.example"), 1, 11);
    assert_true((b = schedule_start(s, 11, &woken)) && !woken && serve(s, b, 11, NEVER) == 1);
    schedule_success(s, b, 11);
    assert_null(schedule_evict(s, false, 11));
    schedule_note(s, S("c.example"), 1, 11); /* finds no courier but the one that waits */
    assert_null(schedule_start(s, 11, &woken));
    assert_ptr_equal(schedule_evict(s, false, 11), &w);
    assert_false(schedule_wait(s, a, true, &w, 11));
    schedule_ended(s, a, true, 11);
    assert_slice(schedule_name(schedule_start(s, 11, &woken)), S("c.example"));
    schedule_destroy(s);
}

static void few_wait_and_none_when_all_end(void **state)
{
    struct schedule *s = make(9, 5, 0);
    struct schedule_waiter w[SCHEDULE_WAITERS_ROUTE + 1];
    struct schedule_route *r = NULL;
    unsigned n = 0;
    schedule_note(s, S("a.example"), 1, 0);
    for (; n <= SCHEDULE_WAITERS_ROUTE; n++) {
        assert_non_null(r = schedule_start(s, 10, NULL));
        serve(s, r, 10, 0);
        for (unsigned i = 0; i < SCHEDULE_GROWTH * SCHEDULE_FIRST_LIMIT; i++)
            schedule_success(s, r, 10);
    }
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(schedule_wait(s, r, true, &w[i], 10), i < SCHEDULE_WAITERS_ROUTE);
    schedule_wait_over(s, &w[0]);
    for (unsigned i = 1; i < SCHEDULE_WAITERS_ROUTE; i++)
        assert_ptr_equal(schedule_evict(s, true, 10), &w[i]);
    assert_null(schedule_evict(s, true, 10));
    schedule_down(s, r, 10);
    assert_false(schedule_wait(s, r, true, &w[0], 10));
    end(s, r, n, 10);
    schedule_destroy(s);
}

static void a_quarter_stays_free_for_others(void **state)
{
    struct schedule *s = make(8, 5, 0);
    struct schedule_waiter w[8];
    struct schedule_route *r[8];
    char name[2] = "a";
    for (int i = 0; i < 8; i++, name[0]++) {
        schedule_note(s, slice_str(name), 1, 0);
        assert_non_null(r[i] = schedule_start(s, 10, NULL));
        assert_int_equal(serve(s, r[i], 10, NEVER), 1);
        schedule_success(s, r[i], 10);
    }
    for (int i = 0; i < 8; i++) {
        assert_true(schedule_wait(s, r[i], true, &w[i], 10));
        assert_ptr_equal(schedule_evict(s, false, 10), i < 6 ? NULL : &w[i - 6]);
    }
    for (int i = 2; i < 8; i++)
        assert_ptr_equal(schedule_evict(s, true, 10), &w[i]);
    for (int i = 0; i < 8; i++)
        schedule_ended(s, r[i], true, 10);
    schedule_destroy(s);
}

/* 5,000 routes whose hosts never answer, each attempt 30 s long; one with mail every second. */
static void the_dead_delay_nobody(void **state)
{
    enum { DEAD = 5000, MAX = 200 };
    struct schedule *s = make(MAX, 20, 0);
    struct {
        struct schedule_route *r;
        int64_t until;
    } busy[MAX];
    unsigned n = 0, suspects_max = 0;
    char name[32];
    for (int i = 0; i < DEAD; i++) {
        snprintf(name, sizeof name, "d%d.example", i);
        schedule_note(s, slice_str(name), (uint64_t)i % 7, 0);
        schedule_restore(s, slice_str(name), 1, 0);
    }
    for (int64_t now = 1; now < 3600; now++) {
        struct schedule_route *r;
        bool served = false;
        schedule_note(s, S("live.example"), 9, now);
        for (unsigned i = 0; i < n;)
            if (busy[i].until <= now) {
                schedule_down(s, busy[i].r, now);
                schedule_ended(s, busy[i].r, true, now);
                busy[i] = busy[--n];
            } else {
                i++;
            }
        while ((r = schedule_start(s, now, NULL))) {
            bool live = slice_eq(schedule_name(r), S("live.example"));
            assert_true(serve(s, r, now, live ? NEVER : 0) != UINT64_MAX);
            if (live) {
                schedule_success(s, r, now);
                schedule_ended(s, r, true, now);
                served = true;
            } else {
                assert_true(n < MAX);
                busy[n].r = r;
                busy[n++].until = now + 30;
            }
        }
        suspects_max = n > suspects_max ? n : suspects_max;
        assert_true(served);
    }
    assert_true(suspects_max <= MAX / 4);
    schedule_destroy(s);
}

/* ---- against a model ---- */

enum { ROUTES = 6, ACCOUNTS = 4, STEPS = 60000 };

struct model {
    struct schedule *s;
    int64_t due[ROUTES][ACCOUNTS];   /* first entry nobody owns */
    int64_t waits[ROUTES][ACCOUNTS]; /* picks of others on its route since it was due */
    struct schedule_route *route[ROUTES];
    unsigned running[ROUTES];
    int64_t down[ROUTES];
};

static struct slice name_of(int route, char name[16])
{
    snprintf(name, 16, "r%d", route);
    return slice_str(name);
}

static void model_note(struct model *m, int64_t now)
{
    char name[16];
    int route = (int)random_below(ROUTES), account = (int)random_below(ACCOUNTS);
    int64_t at = now + (int64_t)random_below(30);
    assert_true(schedule_note(m->s, name_of(route, name), (uint64_t)account, at));
    if (at < m->due[route][account])
        m->due[route][account] = at;
}

static void model_serve(struct model *m, int route, int64_t now)
{
    struct schedule_pick pick;
    if (!schedule_pick(m->s, m->route[route], now, &pick)) {
        for (int a = 0; a < ACCOUNTS && m->down[route] <= now; a++)
            assert_true(m->due[route][a] > now);
        return;
    }
    int64_t *due = &m->due[route][pick.account];
    assert_true(*due <= now && m->down[route] <= now);
    for (int a = 0; a < ACCOUNTS; a++) {
        bool waits = a != (int)pick.account && m->due[route][a] <= now;
        m->waits[route][a] = waits ? m->waits[route][a] + 1 : 0;
        assert_true(m->waits[route][a] < ACCOUNTS);
    }
    *due = random_below(3) ? now + (int64_t)random_below(20) - 5 : NEVER;
    schedule_picked(m->s, m->route[route], &pick, *due, true, now);
}

static void model_start(struct model *m, int64_t now)
{
    char name[16];
    struct schedule_route *r = schedule_start(m->s, now, NULL);
    if (!r) {
        assert_true(schedule_next(m->s) > now);
        return;
    }
    for (int i = 0; i < ROUTES; i++)
        if (slice_eq(schedule_name(r), name_of(i, name))) {
            m->route[i] = r;
            m->running[i]++;
            assert_true(m->running[i] <= 3 && m->down[i] <= now);
            model_serve(m, i, now);
        }
}

static void model_step(struct model *m, int64_t now)
{
    int route = (int)random_below(ROUTES);
    bool up = m->running[route] > 0;
    switch (random_below(8)) {
    case 0:
    case 1:
        model_note(m, now);
        return;
    case 2:
    case 3:
        model_start(m, now);
        return;
    case 4:
        if (up)
            model_serve(m, route, now);
        return;
    case 5:
        if (up)
            schedule_success(m->s, m->route[route], now), m->down[route] = 0;
        return;
    case 6:
        if (up && random_below(4) == 0) {
            schedule_down(m->s, m->route[route], now);
            schedule_failures(m->route[route], &m->down[route]);
        } else if (up) {
            schedule_deferred(m->s, m->route[route]);
        }
        return;
    default:
        if (up) {
            m->running[route]--;
            schedule_ended(m->s, m->route[route], true, now);
        }
    }
}

static void it_agrees_with_a_model(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct model m = {.s = make(8, 3, 0)};
        struct schedule_figures f;
        for (int i = 0; i < ROUTES * ACCOUNTS; i++)
            m.due[i / ACCOUNTS][i % ACCOUNTS] = NEVER;
        random_seed(seed);
        for (int i = 0; i < STEPS; i++) {
            unsigned running = 0;
            model_step(&m, 100 + i / 10);
            for (int r = 0; r < ROUTES; r++)
                running += m.running[r];
            schedule_figures(m.s, &f);
            assert_true(f.running == running && running <= 8);
        }
        random_seed(0);
        schedule_destroy(m.s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_double_up_to_four_hours),
        cmocka_unit_test(nothing_starts_before_it_is_due),
        cmocka_unit_test(senders_of_a_route_go_round),
        cmocka_unit_test(routes_go_round),
        cmocka_unit_test(concurrency_follows_success),
        cmocka_unit_test(concurrency_follows_need),
        cmocka_unit_test(a_route_that_is_down_waits),
        cmocka_unit_test(a_success_ends_a_back_off),
        cmocka_unit_test(a_clock_that_is_set_back_holds_nothing_up),
        cmocka_unit_test(an_old_look_hides_no_new_note),
        cmocka_unit_test(a_full_schedule_says_so),
        cmocka_unit_test(idle_routes_are_forgotten_in_the_end),
        cmocka_unit_test(a_courier_that_waits_goes_on),
        cmocka_unit_test(few_wait_and_none_when_all_end),
        cmocka_unit_test(a_quarter_stays_free_for_others),
        cmocka_unit_test(the_dead_delay_nobody),
        cmocka_unit_test(it_agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
