/* From notes to rows: when they are written, what is dropped, what is swept. */
#include "base/log.h"
#include "base/metrics.h"
#include "unit/trace/fixture.h"

static void note(const char *id, const char *reply)
{
    trace_note(TRACE_REFUSED, trace_text(TRACE_ID, id), trace_text(TRACE_REPLY, reply));
}

static long dropped(void)
{
    struct buffer page;
    long n = -1;
    buffer_init(&page, (size_t)1024 * 1024);
    metrics_render(&page);
    buffer_add_char(&page, '\0');
    const char *at = strstr(page.p, "barid_trace_events_total{result=\"dropped\"} ");
    if (at)
        n = strtol(strchr(at, ' '), NULL, 10);
    buffer_finish(&page);
    return n;
}

/* Nobody asks for it: a second later it is there. */
static void by_itself(void *arg)
{
    fixture_open_with(30 * DAY, 0); /* what is written at the end is written once */
    deadline before = clock_now(), end = SOON;
    note("one", "x");
    while (!fixture_rows() && clock_now() < end)
        task_sleep(deadline_in(20 * CLOCK_MS));
    CHECK(fixture_rows() == 1 && clock_now() - before >= CLOCK_SEC);
    note("two", "y"); /* goes to the same row */
    CHECK(fixture_ask_id("two") == 1 && fixture_rows() == 1);
    CHECK(fixture_ask_id("one") == 1);
    trace_stop(); /* and what comes last is not lost */
    CHECK(trace_start(fixture_store, 30 * DAY));
    note("three", "z");
    trace_stop();
    trace_stop();
    note("four", "nobody listens");
    CHECK(fixture_rows() == 2);
    CHECK(trace_start(fixture_store, 30 * DAY));
    CHECK(fixture_ask_id("three") == 1 && fixture_ask_id("four") == 0);
    uint64_t chunks;
    CHECK(trace_verify(fixture_store, NULL, NULL, &chunks) && chunks == 2);
    fixture_close();
}

/* The task does not give way, so nothing is written meanwhile. */
static void too_fast(void *arg)
{
    char text[TRACE_TEXT_MAX];
    size_t n = 0;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fixture_open();
    long before = dropped();
    while (dropped() == before && n < 100000) {
        note("many", text);
        n++;
    }
    CHECK(n > 900 && n < 1100); /* a MiB */
    note("many", text);
    CHECK(dropped() == before + 2);
    CHECK(fixture_ask_id("many") == n - 1);
    note("more", text); /* there is room again */
    CHECK(fixture_ask_id("more") == 1 && dropped() == before + 2);
    fixture_close();
}

/* Some commits of the store fail. */
static void sweep(int64_t before)
{
    bool more = true;
    while (sweep_trace(fixture_store, before, 1, &more) != OUTCOME_DONE || more)
        ;
}

static void restart(int64_t keep)
{
    fixture_flush();
    trace_stop();
    CHECK(trace_start(fixture_store, keep));
}

static void old_rows(void *arg)
{
    fixture_open();
    note("old", "x");
    restart(30 * DAY);
    atomic_fetch_add(&fixture_ahead, 29 * DAY / 1000);
    CHECK(fixture_ask_id("old") == 1);
    note("new", "x");
    CHECK(fixture_ask_id("new") == 1 && fixture_rows() == 2);
    sweep(fixture_wall() - 30 * DAY / 1000);
    CHECK(fixture_rows() == 2);
    atomic_fetch_add(&fixture_ahead, 2 * DAY / 1000);
    sweep(fixture_wall() - 30 * DAY / 1000);
    CHECK(fixture_rows() == 1);
    CHECK(fixture_ask_id("old") == 0 && fixture_ask_id("new") == 1);
    fixture_close();
    atomic_store(&fixture_ahead, 0);
}

/* More rows than one mutation deletes. */
static void many_rows(void *arg)
{
    char text[TRACE_TEXT_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fixture_open();
    while (fixture_rows() < SWEEP_ROWS + 10) {
        for (int i = 0; i < 300; i++)
            note("many", text);
        trace_flush();
    }
    bool more;
    while (sweep_trace(fixture_store, fixture_wall() + 1, 1, &more) != OUTCOME_DONE)
        ;
    CHECK(more && fixture_rows() > 0);
    sweep(fixture_wall() + 1);
    CHECK(fixture_rows() == 0);
    fixture_close();
}

static void off(void *arg)
{
    fixture_open();
    note("one", "x");
    fixture_flush();
    CHECK(fixture_rows() == 1 && trace_on() && trace_covers(fixture_wall() / 1000000));
    CHECK(!trace_covers(fixture_wall() / 1000000 - 31 * 86400));
    restart(0);
    CHECK(!trace_on() && !trace_covers(fixture_wall() / 1000000));
    note("two", "x");
    trace_flush();
    CHECK(fixture_rows() == 1);
    trace_keep(10 * CLOCK_SEC); /* a reload */
    note("three", "x");
    CHECK(fixture_ask_id("three") == 1);
    fixture_close();
}

/* What is too old goes by itself. */
static void swept(void *arg)
{
    fixture_open_with(2 * CLOCK_SEC, 9);
    atomic_store(&fixture_ahead, DAY / 1000);
    note("one", "x");
    atomic_store(&fixture_ahead, 0); /* so it is a day until it is too old */
    fixture_flush();
    CHECK(fixture_rows() == 1);
    atomic_store(&fixture_ahead, DAY / 1000 + 3 * 1000000);
    deadline end = SOON;
    while (fixture_rows() && clock_now() < end)
        task_sleep(deadline_in(20 * CLOCK_MS));
    CHECK(fixture_rows() == 0);
    fixture_close();
    atomic_store(&fixture_ahead, 0);
}

/* From every reactor. */
struct worker {
    struct task_request request;
    struct remote start, ended;
    struct reactor *home;
    unsigned number;
};

static unsigned running;

static void work(void *arg)
{
    struct worker *w = arg;
    char id[16];
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "id%u", w->number);
        note(id, "x");
        if (i % 50 == 0)
            task_yield();
    }
    reactor_send(w->home, &w->ended);
}

static void start(struct remote *r)
{
    task_start(&list_entry(r, struct worker, start)->request);
}

static void ended(struct remote *r)
{
    running--;
}

static void everywhere(void *arg)
{
    struct worker workers[4] = {0};
    fixture_open();
    running = runtime_reactors();
    CHECK(running == 4);
    for (unsigned i = 0; i < 4; i++) {
        workers[i].number = i;
        workers[i].home = reactor_self();
        workers[i].start.fn = start;
        workers[i].ended.fn = ended;
        task_request_init(&workers[i].request, TASK_NORMAL, work, &workers[i]);
        reactor_send(runtime_reactor(i), &workers[i].start);
    }
    while (running)
        task_sleep(deadline_in(CLOCK_MS));
    for (unsigned i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%u", i);
        CHECK(fixture_ask_id(id) == 500);
    }
    fixture_close();
}

static void notes_are_written(void **state)
{
    run_on(1, by_itself, NULL);
}

static void a_slow_store_loses_notes(void **state)
{
    run_on(1, too_fast, NULL);
}

static void old_rows_are_swept(void **state)
{
    run_on(1, old_rows, NULL);
}

static void many_rows_are_swept(void **state)
{
    run_on(1, many_rows, NULL);
}

static void it_can_be_off(void **state)
{
    run_on(1, off, NULL);
}

static void the_sweep_comes_by_itself(void **state)
{
    run_on(1, swept, NULL);
}

static void each_reactor_notes(void **state)
{
    run_on(4, everywhere, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_are_written),
        cmocka_unit_test(a_slow_store_loses_notes),
        cmocka_unit_test(old_rows_are_swept),
        cmocka_unit_test(many_rows_are_swept),
        cmocka_unit_test(it_can_be_off),
        cmocka_unit_test(the_sweep_comes_by_itself),
        cmocka_unit_test(each_reactor_notes),
    };
    log_start(2, LOG_ERROR, LOG_LOGFMT);
    clock_set(&fixture_clock);
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    log_stop();
    return bad;
}
