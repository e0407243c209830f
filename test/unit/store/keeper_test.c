#include "base/clock.h"
#include "lmdb_harness.h"
#include <dirent.h>

enum { P = 1 };

static unsigned segment_files(struct harness *h)
{
    int fd = openat(h->dir, "segments", O_RDONLY | O_DIRECTORY);
    DIR *d = fdopendir(fd);
    unsigned n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static struct store_figures figures(struct harness *h)
{
    struct store_figures f;
    store_figures(h->store, &f);
    return f;
}

/* gc_delay is 1 ms: due when this has passed. */
static void sweep(struct harness *h)
{
    task_sleep(deadline_in(3 * CLOCK_MS));
    store_housekeep(h->store, false);
}

static void freed_body(struct harness *h)
{
    harness_open(h);
    store_blob_id a = harness_blob(h, P, 1, 5000), b = harness_blob(h, P, 2, 5000);
    assert_int_equal(figures(h).blobs, 2);
    assert_int_equal(harness_release(h, P, a), OUTCOME_DONE);
    assert_int_equal(harness_release(h, P, a), OUTCOME_FAILED);
    sweep(h);
    assert_int_equal(harness_check(h, a, 1, 5000), OUTCOME_REFUSED);
    assert_int_equal(harness_check(h, b, 2, 5000), OUTCOME_DONE);
    assert_int_equal(figures(h).blobs, 1);
    assert_int_equal(figures(h).garbage, 0);
    assert_int_equal(harness_faults(h), 0);
    struct harness_put late = {.retain = a};
    assert_int_equal(harness_mutate(h, P, &late), OUTCOME_FAILED);
    harness_reopen(h);
    assert_int_equal(harness_faults(h), 0);
    harness_close(h);
}

static void saved_in_time_body(struct harness *h)
{
    h->options.gc_delay = 3600 * CLOCK_SEC;
    harness_open(h);
    store_blob_id a = harness_blob(h, P, 1, 5000);
    harness_release(h, P, a);
    assert_int_equal(figures(h).garbage, 1);
    store_housekeep(h->store, false);
    store_housekeep(h->store, true); /* 10 minutes at least */
    assert_int_equal(harness_check(h, a, 1, 5000), OUTCOME_DONE);
    struct harness_put save = {.retain = a};
    assert_int_equal(harness_mutate(h, P, &save), OUTCOME_DONE);
    assert_int_equal(figures(h).garbage, 0);
    assert_int_equal(harness_faults(h), 0);
    harness_close(h);
}

static void open_blobs_stay_body(struct harness *h)
{
    harness_open(h);
    store_blob_id a = harness_blob(h, P, 1, 3000000); /* a segment of its own */
    struct store_blob *b;
    assert_int_equal(store_blob_open(h->store, a, &b, DEADLINE_NEVER), OUTCOME_DONE);
    unsigned before = segment_files(h);
    harness_release(h, P, a);
    sweep(h);
    store_housekeep(h->store, false);
    assert_int_equal(segment_files(h), before - 1);
    static char bytes[3000000];
    size_t got;
    assert_int_equal(
        store_blob_read(b, 0, bytes, sizeof bytes, &got, DEADLINE_NEVER), OUTCOME_DONE);
    for (size_t i = 0; i < sizeof bytes; i++)
        if (bytes[i] != harness_byte(1, i))
            fail_msg("byte %zu", i);
    store_blob_close(b);
    harness_close(h);
}

static void compacted_body(struct harness *h)
{
    enum { N = 100, SIZE = 50000 };
    store_blob_id ids[N];
    h->options.gc_delay = CLOCK_MS;
    harness_open(h);
    for (unsigned i = 0; i < N; i++)
        ids[i] = harness_blob(h, P, i, SIZE);
    uint64_t segments = figures(h).segments, bytes = figures(h).segment_bytes;
    assert_true(segments >= 5);
    struct store_blob *open;
    assert_int_equal(store_blob_open(h->store, ids[0], &open, DEADLINE_NEVER), OUTCOME_DONE);
    for (unsigned i = 0; i < N; i++)
        if (i % 4)
            assert_int_equal(harness_release(h, P, ids[i]), OUTCOME_DONE);
    sweep(h);
    store_housekeep(h->store, true);
    assert_true(figures(h).segments < segments);
    assert_true(figures(h).segment_bytes < bytes / 2);
    assert_int_equal(figures(h).blobs, N / 4);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < N; i++)
            assert_int_equal(
                harness_check(h, ids[i], i, SIZE), i % 4 ? OUTCOME_REFUSED : OUTCOME_DONE);
        assert_int_equal(harness_faults(h), 0);
        if (open) {
            char byte;
            size_t got;
            assert_int_equal(
                store_blob_read(open, 77, &byte, 1, &got, DEADLINE_NEVER), OUTCOME_DONE);
            assert_int_equal(byte, harness_byte(0, 77));
            store_blob_close(open);
            open = NULL;
        }
        harness_reopen(h);
    }
    assert_int_equal(segment_files(h), figures(h).segments);
    harness_close(h);
}

/* A segment whose file is gone keeps its own space, not that of all behind it. */
static void lost_segment_body(struct harness *h)
{
    enum { N = 100, SIZE = 50000 };
    store_blob_id ids[N];
    h->options.gc_delay = CLOCK_MS;
    harness_open(h);
    for (unsigned i = 0; i < N; i++)
        ids[i] = harness_blob(h, P, i, SIZE);
    harness_close(h);
    assert_int_equal(unlinkat(h->dir, "segments/0000000000000001", 0), 0);
    harness_open(h);
    uint64_t segments = figures(h).segments;
    assert_true(segments >= 5);
    for (unsigned i = 0; i < N; i++)
        if (i % 4)
            assert_int_equal(harness_release(h, P, ids[i]), OUTCOME_DONE);
    sweep(h);
    store_housekeep(h->store, true);
    assert_true(figures(h).segments < segments - 1);
    for (unsigned i = N - 4; i < N; i++)
        assert_int_equal(harness_check(h, ids[i], i, SIZE), i % 4 ? OUTCOME_REFUSED : OUTCOME_DONE);
    harness_close(h);
}

enum { CROWD = 40 };

static enum outcome release_all(struct store_txn *t, void *arg)
{
    const store_blob_id *ids = arg;
    for (unsigned i = 0; i < CROWD; i++)
        store_release(t, ids[i]);
    return OUTCOME_DONE;
}

/* Space that has come back is seen at once, however much is still to be compacted. */
static void space_comes_back_body(struct harness *h)
{
    enum { N = CROWD, KEPT = 400000, FREED = 500000 };
    store_blob_id ids[N];
    struct store_mutation release = {.partition = P, .fn = release_all, .arg = ids};
    h->memory_spools = true;
    harness_open(h);
    struct lmdb *db = (struct lmdb *)(void *)h->store;
    for (unsigned i = 0; i < N; i++) {
        assert_true(harness_blob(h, P, i, KEPT) != 0);
        assert_true((ids[i] = harness_blob(h, P, N + i, FREED)) != 0);
    }
    uint64_t segments = figures(h).segments, bytes = figures(h).segment_bytes;
    assert_int_equal(segments, N);
    assert_int_equal(store_mutate(h->store, &release, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    while (figures(h).segments >= segments)
        task_sleep(deadline_in(CLOCK_MS));
    home_ballast_drop(db); /* as when a write has met a full disk */
    while (atomic_load(&db->short_of_space))
        task_sleep(deadline_in(CLOCK_MS));
    assert_true(figures(h).segment_bytes > bytes / 4 * 3);
    assert_true(harness_blob(h, P, 2 * N, 1000) != 0);
    harness_close(h);
}

static enum outcome refuse(struct store_txn *t, void *arg)
{
    return OUTCOME_REFUSED;
}

/* A blob that nobody retained never has a row, whether small or with a segment of its own. */
static void unreferenced_body(struct harness *h)
{
    harness_open(h);
    for (unsigned i = 0; i < 2; i++) {
        struct store_new_blob blob = {.body = harness_spool(1, i ? 3000000 : 3000, -1)};
        struct store_mutation m = {.partition = P, .fn = refuse};
        assert_int_equal(store_mutate(h->store, &m, &blob, DEADLINE_NEVER), OUTCOME_REFUSED);
        assert_int_equal(harness_check(h, blob.id, 1, 0), OUTCOME_REFUSED);
        struct harness_put nothing = {.says = OUTCOME_DONE};
        m = (struct store_mutation){.partition = P, .fn = harness_put_fn, .arg = &nothing};
        assert_int_equal(store_mutate(h->store, &m, &blob, DEADLINE_NEVER), OUTCOME_DONE);
        spool_destroy(blob.body);
    }
    assert_int_equal(figures(h).blobs, 0);
    assert_true(segment_files(h) <= 1);
    assert_int_equal(harness_faults(h), 0);
    harness_close(h);
}

#define TEST(name)                                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        harness_run(name##_body);                                                                  \
    }
TEST(freed)
TEST(saved_in_time)
TEST(open_blobs_stay)
TEST(compacted)
TEST(lost_segment)
TEST(space_comes_back)
TEST(unreferenced)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed),
        cmocka_unit_test(saved_in_time),
        cmocka_unit_test(open_blobs_stay),
        cmocka_unit_test(compacted),
        cmocka_unit_test(lost_segment),
        cmocka_unit_test(space_comes_back),
        cmocka_unit_test(unreferenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
