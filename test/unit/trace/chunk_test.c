#include "trace/chunk.h"
#include "unit/unit.h"

static char events[CHUNK_EVENTS], row[CHUNK_ROW_MAX], back[CHUNK_EVENTS];
static struct chunk_zstd *zstd;

static size_t put(size_t at, enum trace_kind kind, int64_t time, const char *id, const char *to)
{
    const struct trace_field f[] = {trace_text(TRACE_ID, id), trace_text(TRACE_TO, to)};
    return at + chunk_put(events + at, sizeof events - at, kind, time, f, 2);
}

static void events_come_back(void **state)
{
    const struct trace_field f[] = {trace_text(TRACE_ID, "0abc"), trace_text(TRACE_REPLY, ""), {0},
        trace_number(TRACE_BLOB, UINT64_MAX), trace_number(TRACE_NEXT, 0)};
    struct trace_event e;
    size_t n = chunk_put(events, sizeof events, TRACE_STORED, -5, f, 5);
    assert_int_equal(n, CHUNK_LEAST + 3 + 4 + 3 + 8 + 3 + 8);
    struct slice rest = slice(events, n);
    assert_true(chunk_next(&rest, &e));
    assert_int_equal(rest.n, 0);
    assert_int_equal(e.kind, TRACE_STORED);
    assert_int_equal(e.time, -5);
    assert_int_equal(e.n, 3); /* the empty ones are left out */
    assert_slice(trace_event_text(&e, TRACE_ID), S("0abc"));
    assert_true(trace_event_number(&e, TRACE_BLOB) == UINT64_MAX);
    assert_slice(trace_event_text(&e, TRACE_PEER), S(""));
    assert_true(trace_event_number(&e, TRACE_CODE) == 0);
    assert_false(chunk_next(&rest, &e));
}

static void what_is_too_long_is_cut(void **state)
{
    static char text[TRACE_TEXT_MAX + 1];
    struct trace_field f[TRACE_FIELDS + 1];
    struct trace_event e;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < TRACE_FIELDS + 1; i++)
        f[i] = trace_slice(TRACE_REPLY, slice(text, sizeof text));
    f[4] = trace_text(TRACE_ID, "behind");
    f[5] = trace_number(TRACE_CODE, 250);
    size_t n = chunk_put(events, sizeof events, TRACE_REFUSED, 1, f, TRACE_FIELDS + 1);
    assert_true(n <= TRACE_EVENT_MAX);
    struct slice rest = slice(events, n);
    assert_true(chunk_next(&rest, &e));
    assert_int_equal(e.n, 5); /* three texts; the short ones behind them still fit */
    assert_int_equal(e.fields[0].text.n, TRACE_TEXT_MAX);
    assert_slice(trace_event_text(&e, TRACE_ID), S("behind"));
    assert_int_equal(trace_event_number(&e, TRACE_CODE), 250);
    /* Exactly as much room as it takes, and one less. */
    assert_int_equal(chunk_put(back, n, TRACE_REFUSED, 1, f, TRACE_FIELDS), n);
    assert_int_equal(chunk_put(back, n - 1, TRACE_REFUSED, 1, f, TRACE_FIELDS), 0);
}

static size_t fill(void)
{
    char id[32], to[64];
    size_t n = 0;
    for (int i = 0;; i++) {
        snprintf(id, sizeof id, "id%d", i);
        snprintf(to, sizeof to, "somebody%d@example.org", i * 7);
        size_t next = put(n, TRACE_QUEUED, 1000 + i, id, to);
        if (next == n)
            return n;
        n = next;
    }
}

static void a_row_comes_back(void **state)
{
    struct chunk c;
    size_t n = fill(), size = chunk_pack(zstd, slice(events, n), row);
    assert_true(size > 0 && size < n);
    assert_true(chunk_open(slice(row, size), &c));
    assert_int_equal(c.first, 1000);
    assert_int_equal(c.last, 1000 + c.count - 1);
    assert_int_equal(c.size, n);
    assert_true(chunk_unpack(zstd, &c, back));
    assert_memory_equal(back, events, n);
}

static void what_does_not_compress_fits(void **state)
{
    struct trace_field f = {.tag = TRACE_REPLY};
    char noise[TRACE_TEXT_MAX];
    uint64_t x = 1;
    size_t n = 0, took;
    struct chunk c;
    do {
        for (size_t i = 0; i < sizeof noise; i++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
            noise[i] = (char)(x >> 56);
        }
        f.text = slice(noise, sizeof noise < CHUNK_EVENTS - n ? sizeof noise : 1);
        took = chunk_put(events + n, sizeof events - n, TRACE_ATTEMPT, 5, &f, 1);
        n += took;
    } while (took);
    size_t size = chunk_pack(zstd, slice(events, n), row);
    assert_true(size > n - n / 8 && size <= CHUNK_ROW_MAX && size <= STORE_VALUE_MAX);
    assert_true(chunk_open(slice(row, size), &c) && chunk_unpack(zstd, &c, back));
    assert_memory_equal(back, events, n);
}

/* All that is there is found; of what is not, few rows say perhaps. */
static void the_filter(void **state)
{
    struct chunk c;
    struct trace_event e;
    size_t n = fill(), wrong = 0;
    size_t size = chunk_pack(zstd, slice(events, n), row);
    assert_true(chunk_open(slice(row, size), &c));
    struct slice rest = slice(events, n);
    while (chunk_next(&rest, &e))
        for (size_t i = 0; i < e.n; i++)
            assert_true(chunk_may_have(&c, chunk_hash_field(&e, i)));
    assert_true(chunk_may_have(&c, chunk_hash(CHUNK_BY_ADDRESS, S("SomeBody7@Example.ORG"))));
    for (int i = 0; i < 10000; i++) {
        char id[32];
        snprintf(id, sizeof id, "other%d", i);
        wrong += chunk_may_have(&c, chunk_hash(CHUNK_BY_ID, slice_str(id)));
    }
    assert_true(wrong < 300);
}

static void classes_are_told_apart(void **state)
{
    assert_true(chunk_hash(CHUNK_BY_ID, S("a@b")) != chunk_hash(CHUNK_BY_ADDRESS, S("a@b")));
    assert_true(chunk_hash(CHUNK_BY_QUEUE, S("A")) != chunk_hash(CHUNK_BY_QUEUE, S("a")));
    assert_true(chunk_hash(CHUNK_BY_ID, S("A")) == chunk_hash(CHUNK_BY_ID, S("a")));
    assert_true(chunk_hash_number(CHUNK_BY_BLOB, 7) != chunk_hash_number(CHUNK_BY_ACCOUNT, 7));
    /* On disk for ever. */
    assert_true(chunk_hash(CHUNK_BY_ID, S("0a")) == UINT64_C(0xcc84532ec01426f5));
    assert_true(chunk_hash_number(CHUNK_BY_BLOB, 7) == UINT64_C(0x1e2a91d1fdae6cc6));
}

static void accounts_do_not_find_fetches(void **state)
{
    const struct trace_field f = trace_number(TRACE_ACCOUNT, 3);
    struct trace_event e = {.kind = TRACE_FETCHED, .n = 1, .fields = {f}};
    assert_true(chunk_hash_field(&e, 0) == 0);
    e.kind = TRACE_STORED;
    assert_true(chunk_hash_field(&e, 0) == chunk_hash_number(CHUNK_BY_ACCOUNT, 3));
    e.fields[0] = trace_text(TRACE_ROUTE, "example.org");
    assert_true(chunk_hash_field(&e, 0) == 0);
    e.kind = TRACE_ROUTE_DOWN;
    assert_true(chunk_hash_field(&e, 0) == chunk_hash(CHUNK_BY_ROUTE, S("EXAMPLE.org")));
}

static void the_latest_key_is_the_first(void **state)
{
    char early[CHUNK_KEY], late[CHUNK_KEY];
    int64_t first;
    chunk_key(1000, 5, early);
    chunk_key(1001, 1, late);
    assert_true(memcmp(late, early, CHUNK_KEY) < 0);
    assert_true(chunk_key_parse(slice(late, CHUNK_KEY), &first));
    assert_int_equal(first, 1001);
    assert_false(chunk_key_parse(slice(late, CHUNK_KEY - 1), &first));
    late[0]++;
    assert_false(chunk_key_parse(slice(late, CHUNK_KEY), &first));
}

/* Each byte of a row, spoilt. */
static void damage_is_seen(void **state)
{
    struct chunk c;
    size_t n = put(put(0, TRACE_QUEUED, 5, "a", "b@c"), TRACE_REMOVED, 6, "a", "b@c");
    size_t size = chunk_pack(zstd, slice(events, n), row);
    for (size_t i = 0; i < size; i++) {
        bool unused = i > 0 && i < 4;
        row[i] ^= 0x10;
        assert_int_equal(chunk_open(slice(row, size), &c) && chunk_unpack(zstd, &c, back), unused);
        row[i] ^= 0x10;
    }
    for (size_t i = 0; i < size; i++)
        assert_false(chunk_open(slice(row, i), &c) && chunk_unpack(zstd, &c, back));
}

static void broken_events_end_the_row(void **state)
{
    struct trace_event e;
    size_t n = put(0, TRACE_QUEUED, 5, "a", "b@c");
    for (size_t i = 0; i < n; i++) {
        struct slice rest = slice(events, i);
        assert_false(chunk_next(&rest, &e));
    }
    events[1]--; /* one byte less than its fields */
    struct slice rest = slice(events, n);
    assert_false(chunk_next(&rest, &e));
}

static int open_zstd(void **state)
{
    zstd = chunk_zstd_create();
    return !zstd;
}

static int close_zstd(void **state)
{
    chunk_zstd_destroy(zstd);
    chunk_zstd_destroy(NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_back),
        cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(a_row_comes_back),
        cmocka_unit_test(what_does_not_compress_fits),
        cmocka_unit_test(the_filter),
        cmocka_unit_test(classes_are_told_apart),
        cmocka_unit_test(accounts_do_not_find_fetches),
        cmocka_unit_test(the_latest_key_is_the_first),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(broken_events_end_the_row),
    };
    return cmocka_run_group_tests(tests, open_zstd, close_zstd);
}
