/* Time is what the tests say: slots of 300 s from a round beginning on. */
#include "mailbox/row.h"
#include "mailbox/sent.h"
#include "unit/mailbox/fixture.h"

#define BEGIN INT64_C(1800000000) /* a slot begins */

static enum outcome add_fn(struct store_txn *t, void *arg)
{
    return sent_add(t, arg);
}

/* The harsh store ends no commit unknown here. */
static enum outcome add(struct sent_add *a, uint32_t n, int64_t now)
{
    a->n = n;
    a->now = now;
    return fixture_try(add_fn, a);
}

struct look {
    int64_t now;
    struct sent_limits limits;
    struct sent_counts counts;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    sent_read(v, l->now, &l->limits, &l->counts);
}

static struct sent_counts look(int64_t now, uint32_t hour, uint32_t day)
{
    struct look l = {.now = now, .limits = {.hour = hour, .day = day}};
    fixture_read(look_fn, &l);
    return l.counts;
}

static void windows(void *arg)
{
    struct sent_add a = {0};
    fixture_open();
    struct sent_counts c = look(BEGIN, 1, 1);
    CHECK(!c.burst && !c.hour && !c.day && !c.hour_free && !c.day_free);
    CHECK(add(&a, 3, BEGIN) == OUTCOME_DONE && add(&a, 2, BEGIN + 299) == OUTCOME_DONE);
    CHECK(add(&a, 4, BEGIN + 300) == OUTCOME_DONE);
    c = look(BEGIN + 300, 0, 0);
    CHECK(c.burst == 9 && c.hour == 9 && c.day == 9 && !c.hour_free && !c.day_free);
    c = look(BEGIN + 600, 9, 4);
    CHECK(c.burst == 4 && c.hour == 9 && c.day == 9);
    CHECK(c.hour_free == BEGIN + 3600 && c.day_free == BEGIN + 300 + 86400);
    c = look(BEGIN + 3599, 0, 0);
    CHECK(c.burst == 0 && c.hour == 9);
    c = look(BEGIN + 3600, 9, 0);
    CHECK(c.hour == 4 && c.hour_free == 0 && c.day == 9);
    c = look(BEGIN + 86400 + 299, 0, 0);
    CHECK(c.hour == 0 && c.day == 4);
    c = look(BEGIN + 86400 + 300, 0, 0);
    CHECK(c.day == 0);
    fixture_close();
}

static void limits(void *arg)
{
    struct sent_add a = {.limits = {.hour = 10}};
    fixture_open();
    CHECK(add(&a, 10, BEGIN) == OUTCOME_DONE && !a.over);
    CHECK(add(&a, 1, BEGIN + 3599) == OUTCOME_FAILED && a.over);
    CHECK(look(BEGIN + 3599, 0, 0).hour == 10);
    CHECK(add(&a, 10, BEGIN + 3600) == OUTCOME_DONE && !a.over);
    a.limits = (struct sent_limits){.day = 21};
    CHECK(add(&a, 2, BEGIN + 86399) == OUTCOME_FAILED && a.over);
    CHECK(add(&a, 1, BEGIN + 86399) == OUTCOME_DONE);
    CHECK(add(&a, 11, BEGIN + 86400) == OUTCOME_FAILED);
    CHECK(add(&a, 10, BEGIN + 86400) == OUTCOME_DONE);
    a.limits = (struct sent_limits){0};
    CHECK(add(&a, UINT32_MAX, BEGIN + 86400) == OUTCOME_DONE);
    CHECK(add(&a, UINT32_MAX, BEGIN + 86400) == OUTCOME_DONE); /* it does not start anew at 0 */
    CHECK(look(BEGIN + 86400, 0, 0).hour == UINT64_C(1) + UINT32_MAX);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

/* Told once an hour; held once in ten minutes. */
static void alarms(void *arg)
{
    struct sent_add a = {.limits = {.hour = 10}};
    fixture_open();
    CHECK(add(&a, 5, BEGIN) == OUTCOME_DONE && !a.burst);
    CHECK(add(&a, 1, BEGIN + 300) == OUTCOME_DONE && a.burst);
    CHECK(add(&a, 1, BEGIN + 301) == OUTCOME_DONE && !a.burst);
    CHECK(add(&a, 8, BEGIN + 3600) == OUTCOME_DONE && !a.burst);
    CHECK(add(&a, 1, BEGIN + 3900) == OUTCOME_DONE && a.burst);
    a.hold = true;
    CHECK(add(&a, 0, BEGIN + 7200) == OUTCOME_DONE && a.began);
    CHECK(add(&a, 0, BEGIN + 7500) == OUTCOME_DONE && !a.began);
    CHECK(add(&a, 0, BEGIN + 7800) == OUTCOME_DONE && !a.began);
    CHECK(add(&a, 0, BEGIN + 8400) == OUTCOME_DONE && a.began);
    fixture_close();
}

/* What was counted with a date in the future is forgotten when the clock is right again. */
static void clocks(void *arg)
{
    struct sent_add a = {.limits = {.hour = 10, .day = 10}};
    fixture_open();
    CHECK(add(&a, 10, BEGIN + 999999999) == OUTCOME_DONE);
    CHECK(look(BEGIN, 0, 0).day == 0);
    CHECK(add(&a, 10, BEGIN) == OUTCOME_DONE);
    CHECK(look(BEGIN + 999999999, 0, 0).day == 0);
    CHECK(add(&a, 1, -5) == OUTCOME_DONE);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void row_fn(struct store_view *v, void *arg)
{
    struct slice row;
    CHECK(store_get(v, slice(&(const char){KEY_SENT}, 1), &row));
    *(size_t *)arg = row.n;
}

static enum outcome spoil_fn(struct store_txn *t, void *arg)
{
    store_put(t, slice(&(const char){KEY_SENT}, 1), *(struct slice *)arg);
    return OUTCOME_DONE;
}

/* A busy week takes the room of a day; a broken row is told, and begun anew. */
static void rows(void *arg)
{
    struct sent_add a = {0};
    size_t n;
    fixture_open();
    for (int i = 0; i < 7 * SENT_DAY; i += 3)
        CHECK(add(&a, 1, BEGIN + (int64_t)i * SENT_SLOT / 3) == OUTCOME_DONE);
    fixture_read(row_fn, &n);
    CHECK(n == SENT_ROW);
    CHECK(fixture_faults(false) == 0);
    struct slice broken = S("\1\0\0\0");
    fixture_mutate(spoil_fn, &broken);
    CHECK(fixture_faults(true) == 1);
    CHECK(add(&a, 2, BEGIN) == OUTCOME_DONE && look(BEGIN, 0, 0).day == 2);
    CHECK(fixture_faults(false) == 0);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(add(&a, 1, BEGIN) == OUTCOME_REFUSED);
    fixture_close();
}

#define FIXTURE_TEST(name)                                                                         \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        fixture_run(name);                                                                         \
    }
FIXTURE_TEST(windows)
FIXTURE_TEST(limits)
FIXTURE_TEST(alarms)
FIXTURE_TEST(clocks)
FIXTURE_TEST(rows)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_alarms),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
