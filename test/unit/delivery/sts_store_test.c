/* Policies in a harsh memory store: kept until they expire, counted, found when they are old. */
#include "delivery/sts_private.h"
#include "unit/task/check.h"
#include "unit/unit.h"
#include <time.h>

#define SOON deadline_in(60 * CLOCK_SEC)
#define NOW  INT64_C(1700000000)

static int64_t wall = NOW; /* s */
static struct store *store;

static int64_t test_wall(void)
{
    return wall * 1000000;
}

static int64_t test_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static const struct clock_source test_clock = {test_now, test_wall};

static struct sts_policy policy(int64_t max_age)
{
    return (struct sts_policy){.mode = STS_ENFORCE,
        .max_age = max_age,
        .fetched = wall,
        .id = "1",
        .mx = S("mx.b.test\n*.c.test\n")};
}

static bool read_back(struct slice domain, struct sts_policy *p)
{
    static char mx[STS_MX_BYTES];
    struct arena arena;
    arena_init(&arena, 4 * STS_MX_BYTES);
    bool found = sts_store_read(store, domain, &arena, p, SOON);
    if (found) {
        memcpy(mx, p->mx.p, p->mx.n);
        p->mx.p = mx;
    }
    arena_reset(&arena);
    return found;
}

static enum outcome count_fn(struct store_txn *t, void *arg)
{
    static const char header[] = {KEY_TRANSPORT_HEADER};
    uint64_t *n = arg;
    struct slice row;
    char text[16] = {STS_ROW_VERSION};
    if (*n) {
        pack_u64(text + 8, *n);
        store_put(t, slice(header, 1), slice(text, sizeof text));
        return OUTCOME_DONE;
    }
    CHECK(store_get(store_txn_view(t), slice(header, 1), &row) && row.n == 16);
    *n = unpack_u64(row.p + 8);
    return OUTCOME_REFUSED;
}

/* Sets the count of policies, or (0) tells it. */
static uint64_t count(uint64_t n)
{
    struct store_mutation m = {.partition = sts_partition(), .fn = count_fn, .arg = &n};
    store_mutate(store, &m, NULL, SOON);
    return n;
}

static void run_kept(void *arg)
{
    struct sts_policy p = policy(1000), got;
    CHECK(!read_back(S("b.test"), &got));
    CHECK(sts_store_write(store, S("b.test"), &p) == OUTCOME_DONE && count(0) == 1);
    CHECK(sts_store_write(store, S("b.test"), &p) == OUTCOME_DONE && count(0) == 1);
    CHECK(read_back(S("b.test"), &got) && got.mode == STS_ENFORCE && got.max_age == 1000);
    CHECK(slice_eq(got.mx, p.mx) && !strcmp(got.id, "1") && got.fetched == wall);
    CHECK(!read_back(S("test"), &got) && !read_back(S("b.test."), &got));
    CHECK(sts_store_write(store, S("b.test"), NULL) == OUTCOME_DONE); /* it has not expired */
    CHECK(read_back(S("b.test"), &got) && count(0) == 1);
    wall += 1000;
    CHECK(read_back(S("b.test"), &got));
    wall += 1;
    CHECK(!read_back(S("b.test"), &got));
    CHECK(sts_store_write(store, S("b.test"), NULL) == OUTCOME_DONE && count(0) == 0);
}

static void run_full(void *arg)
{
    struct sts_policy p = policy(1000), got;
    CHECK(sts_store_write(store, S("b.test"), &p) == OUTCOME_DONE);
    count(STS_MAX);
    CHECK(sts_store_write(store, S("c.test"), &p) == OUTCOME_REFUSED);
    CHECK(!read_back(S("c.test"), &got));
    CHECK(sts_store_write(store, S("b.test"), &p) == OUTCOME_DONE); /* anew */
    count(STS_MAX - 1);
    CHECK(sts_store_write(store, S("c.test"), &p) == OUTCOME_DONE && count(0) == STS_MAX);
    CHECK(sts_store_write(store, slice("", 0), &p) == OUTCOME_REFUSED);
}

#define OLD (STS_AGED + 6)

static void run_aged(void *arg)
{
    struct sts_policy p = policy(STS_AGE_MAX), brief = policy(10);
    static struct sts_aged a;
    char name[32];
    size_t old = 0, gone = 0;
    for (int i = 0; i < OLD; i++) {
        struct slice domain = slice(name, (size_t)snprintf(name, sizeof name, "d%02d.test", i));
        CHECK(sts_store_write(store, domain, i % 7 ? &p : &brief) == OUTCOME_DONE);
    }
    wall += STS_REFRESH;
    p.fetched = wall;
    CHECK(sts_store_write(store, S("fresh.test"), &p) == OUTCOME_DONE);
    sts_store_first(&a);
    do {
        CHECK(sts_store_aged(store, &a, SOON));
        for (size_t i = 0; i < a.n; i++) {
            old += !a.gone[i];
            gone += a.gone[i];
            CHECK(a.due[i].p[1] == 'd');
        }
        a.from = a.next;
    } while (!a.end);
    CHECK(gone == OLD / 7 && old == OLD - OLD / 7);
}

static void run(void *arg)
{
    static void (*const parts[])(void *) = {run_kept, run_full, run_aged};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char why[512];
        enum store_open_error error;
        const struct store_options options = {
            .engine = "memory", .dir = -1, .harsh = true, .seed = 7};
        CHECK((store = store_open(&options, &error, why)));
        wall = NOW;
        parts[i](NULL);
        store_close(store);
    }
}

static void kept_full_and_aged(void **state)
{
    run_on(1, run, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kept_full_and_aged)};
    clock_set(&test_clock);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    clock_set(NULL);
    return failed;
}
