/* A trace over a harsh memory store, under a wall clock of the test's own. */
#pragma once
#include "trace/sweep.h"
#include "trace/trace.h"
#include "unit/task/check.h"
#include "unit/unit.h"
#include <time.h>

#define SOON deadline_in(60 * CLOCK_SEC)
#define DAY  (INT64_C(86400) * CLOCK_SEC)

static struct store *fixture_store;
static _Atomic int64_t fixture_ahead; /* us, of the wall clock */

static int64_t fixture_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static int64_t fixture_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000 + atomic_load(&fixture_ahead);
}

static const struct clock_source fixture_clock = {fixture_now, fixture_wall};

/* unknown: so many mutations have one whose outcome is not told; 0: none. */
static inline void fixture_open_with(int64_t keep, unsigned unknown)
{
    char why[512];
    enum store_open_error error;
    struct store_options options = {
        .engine = "memory", .dir = -1, .harsh = true, .seed = 7, .unknown_one_in = unknown};
    fixture_store = store_open(&options, &error, why);
    CHECK(fixture_store && trace_start(fixture_store, keep));
}

static inline void fixture_open(void)
{
    fixture_open_with(30 * DAY, 9);
}

static inline void fixture_close(void)
{
    trace_stop();
    store_close(fixture_store);
}

/* Some commits end unknown: what was not taken is tried again, as often as makes it sure. */
static inline void fixture_flush(void)
{
    for (int i = 0; i < 8; i++)
        trace_flush();
}

static struct trace_answer fixture_answer;

/* How many lines it has. */
static inline size_t fixture_ask(const struct trace_question *q)
{
    trace_answer_finish(&fixture_answer);
    fixture_flush();
    CHECK(trace_find(fixture_store, q, &fixture_answer, SOON) == OUTCOME_DONE);
    return fixture_answer.n;
}

static inline size_t fixture_ask_id(const char *id)
{
    const struct trace_question q = {.id = slice_str(id)};
    return fixture_ask(&q);
}

static inline size_t fixture_ask_address(const char *address, size_t messages)
{
    const struct trace_question q = {
        .addresses = {slice_str(address)}, .address_n = 1, .messages = messages};
    return fixture_ask(&q);
}

static inline struct trace_event fixture_line(size_t i)
{
    struct trace_event e;
    CHECK(i < fixture_answer.n);
    trace_line_event(&fixture_answer.lines[i], &e);
    return e;
}

struct fixture_rows {
    size_t n;
};

static inline void fixture_rows_fn(struct store_view *v, void *arg)
{
    struct fixture_rows *r = arg;
    struct store_cursor c;
    struct slice key, row;
    r->n = 0;
    store_seek(v, S(""), &c);
    while (store_next(&c, &key, &row))
        r->n++;
}

static inline size_t fixture_rows(void)
{
    struct fixture_rows r;
    CHECK(store_read(fixture_store, chunk_partition(), fixture_rows_fn, &r, NULL, SOON) ==
          OUTCOME_DONE);
    return r.n;
}
