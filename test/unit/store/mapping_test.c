#include "lmdb_harness.h"

enum { P = 1, ROWS = 100, VALUE = 60000, MUTATIONS = 9 };

static long mapped_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "RssFile:", 8))
            kib = strtol(line + 8, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

static char value[VALUE];

static enum outcome fill_fn(struct store_txn *t, void *arg)
{
    const int *number = arg;
    for (int i = 0; i < ROWS; i++) {
        char key[16];
        snprintf(key, sizeof key, "%03d", *number * ROWS + i);
        value[0] = key[2];
        store_put(t, slice_str(key), slice(value, sizeof value));
    }
    return OUTCOME_DONE;
}

static void read_fn(struct store_view *v, void *arg)
{
    uint64_t *sum = arg;
    struct store_cursor c;
    struct slice key, row;
    *sum = 0;
    store_seek(v, S(""), &c);
    while (store_next(&c, &key, &row))
        for (size_t i = 0; i < row.n; i += 1000)
            *sum += (unsigned char)row.p[i] + (uint64_t)key.p[0];
}

static uint64_t read_all(struct harness *h)
{
    uint64_t sum;
    assert_int_equal(store_read(h->store, P, read_fn, &sum, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    return sum;
}

static void body(struct harness *h)
{
    harness_open(h);
    struct lmdb *db = lmdb_of(h->store);
    assert_int_equal(mapping_trim(db), 0); /* a small file may stay */
    for (int i = 0; i < MUTATIONS; i++) {
        struct store_mutation m = {.partition = P, .fn = fill_fn, .arg = &i};
        assert_int_equal(store_mutate(h->store, &m, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    }
    uint64_t sum = read_all(h);
    long before = mapped_kib();
    long faults = mapping_faults();
    size_t looked_at = mapping_trim(db);
    assert_true(looked_at >= (size_t)MUTATIONS * ROWS * VALUE);
    long half = (long)(looked_at / 1024 / 2);
#ifdef __SANITIZE_THREAD__ /* whose own pages count as the file's */
    before = 0;
#endif
    if (before > 2 * half) /* else the kernel has taken some already */
        assert_true(mapped_kib() < before - half);
    assert_int_equal(read_all(h), sum);
    assert_true(mapping_faults() > faults); /* seen by who looks at them */
    harness_close(h);
}

static void what_was_read_is_given_back(void **state)
{
    harness_run(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_read_is_given_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
