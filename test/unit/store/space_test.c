#include "base/clock.h"
#include "lmdb_harness.h"
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

enum { P = 1, BLOBS_MAX = 2000, ROWS_MAX = 4000, SIZE = 30000 };

static char mounted[] = "/var/tmp/barid-full-XXXXXX";

static bool not_failed;

static void note_failure(void *arg, const char *why)
{
    print_message("failed: %s\n", why);
    not_failed = false;
}

static enum outcome put_row(struct harness *h, unsigned i, size_t n)
{
    static char value[50000];
    char key[16];
    snprintf(key, sizeof key, "row %05u", i);
    memset(value, 'v', sizeof value);
    struct harness_put put = {.key = slice_str(key), .value = slice(value, n)};
    return harness_mutate(h, P, &put);
}

static enum outcome del_row(struct harness *h, unsigned i)
{
    char key[16];
    snprintf(key, sizeof key, "row %05u", i);
    return harness_put(h, P, key, "");
}

static unsigned fill_with_blobs(struct harness *h, store_blob_id *ids)
{
    unsigned n = 0;
    while (n < BLOBS_MAX && (ids[n] = harness_blob(h, P, n, SIZE)) != 0)
        n++;
    return n;
}

static unsigned fill_with_rows(struct harness *h, unsigned n)
{
    while (n < ROWS_MAX && put_row(h, n, 20000) == OUTCOME_DONE)
        n++;
    while (n < ROWS_MAX && put_row(h, n, 100) == OUTCOME_DONE)
        n++;
    return n;
}

/* Everything that was acknowledged is there; what only deletes goes on at 0 bytes free; space that
 * comes back is used without a restart. */
static void full_disk_body(struct harness *h)
{
    static store_blob_id ids[BLOBS_MAX + 1];
    not_failed = true;
    h->memory_spools = true;
    harness_open(h);
    store_on_failure(h->store, note_failure, NULL);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(put_row(h, i, 20000), OUTCOME_DONE);
    unsigned blobs = fill_with_blobs(h, ids);
    unsigned rows = fill_with_rows(h, 20);
    print_message("%u blobs, %u rows\n", blobs, rows);
    assert_true(blobs > 20 && blobs < BLOBS_MAX && rows < ROWS_MAX);
    assert_int_equal(harness_blob(h, P, 1, SIZE), 0);
    assert_int_equal(harness_blob(h, P, 1, 2000000), 0);
    for (unsigned i = 0; i < blobs; i++)
        assert_int_equal(harness_check(h, ids[i], i, SIZE), OUTCOME_DONE);
    for (unsigned i = 0; i < rows; i++)
        assert_int_equal(del_row(h, i), OUTCOME_DONE);
    for (unsigned i = 0; i < blobs; i++)
        if (i % 8)
            assert_int_equal(harness_release(h, P, ids[i]), OUTCOME_DONE);
    assert_true(not_failed);
    task_sleep(deadline_in(5 * CLOCK_MS));
    store_housekeep(h->store, true);
    store_housekeep(h->store, true);
    assert_int_equal(put_row(h, 1, 20000), OUTCOME_DONE);
    assert_true(harness_blob(h, P, 99, SIZE) != 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < blobs; i++)
            assert_int_equal(
                harness_check(h, ids[i], i, SIZE), i % 8 ? OUTCOME_REFUSED : OUTCOME_DONE);
        assert_int_equal(harness_faults(h), 0);
        harness_reopen(h);
    }
    assert_true(not_failed);
    harness_close(h);
}

static void full_disk(void **state)
{
    if (!mkdtemp(mounted) || mount("none", mounted, "tmpfs", 0, "size=6m,mode=700") != 0) {
        rmdir(mounted);
        skip();
    }
    harness_run_in(mounted, full_disk_body);
    umount2(mounted, MNT_DETACH);
    rmdir(mounted);
}

/* The address space of data.mdb is used up: an ordinary refusal, and again what deletes goes on. */
static void full_map_body(struct harness *h)
{
    not_failed = true;
    h->options.map_size = 2 * 1024 * 1024;
    harness_open(h);
    store_on_failure(h->store, note_failure, NULL);
    unsigned rows = fill_with_rows(h, 0);
    assert_true(rows > 10 && rows < ROWS_MAX);
    unsigned deleted = 0;
    for (unsigned i = 0; i < rows; i++)
        deleted += del_row(h, i) == OUTCOME_DONE;
    assert_int_equal(deleted, rows);
    assert_int_equal(put_row(h, 1, 20000), OUTCOME_DONE);
    assert_true(not_failed);
    assert_int_equal(harness_faults(h), 0);
    harness_close(h);
}

static void full_map(void **state)
{
    harness_run(full_map_body);
}

/* No file can be opened: who needs a new segment is refused, and nothing else is. */
static void no_files_body(struct harness *h)
{
    static store_blob_id ids[64];
    struct rlimit before, none;
    not_failed = true;
    h->options.segment_size = 200 * 1024;
    harness_open(h);
    store_on_failure(h->store, note_failure, NULL);
    assert_true((ids[0] = harness_blob(h, P, 0, 100)) != 0);
    struct spool *body = harness_spool(1, 190 * 1024, -1);
    struct store_new_blob blob = {.body = body, .date = 1};
    struct harness_put put = {.key = S("large"), .value = S("x"), .fresh = &blob.id};
    struct store_mutation m = {.partition = P, .fn = harness_put_fn, .arg = &put};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(store_mutate(h->store, &m, &blob, DEADLINE_NEVER), OUTCOME_DONE);
    enum outcome refused = store_mutate(h->store, &m, &blob, DEADLINE_NEVER);
    enum outcome rows = put_row(h, 1, 100);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(refused, OUTCOME_FAILED);
    assert_int_equal(rows, OUTCOME_DONE);
    assert_true(not_failed);
    assert_int_equal(store_mutate(h->store, &m, &blob, DEADLINE_NEVER), OUTCOME_DONE);
    spool_destroy(body);
    harness_reopen(h);
    assert_int_equal(harness_check(h, ids[0], 0, 100), OUTCOME_DONE);
    assert_int_equal(harness_check(h, blob.id, 1, 190 * 1024), OUTCOME_DONE);
    assert_int_equal(harness_faults(h), 0);
    harness_close(h);
}

static void no_files(void **state)
{
    harness_run(no_files_body);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_disk),
        cmocka_unit_test(full_map),
        cmocka_unit_test(no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
