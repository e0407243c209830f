#include "lmdb_harness.h"

enum { A = 1, B = 2 };

static void rows_body(struct harness *h)
{
    harness_open(h);
    assert_int_equal(harness_put(h, A, "key", "one"), OUTCOME_DONE);
    assert_string_equal(harness_get(h, A, "key").value, "one");
    assert_false(harness_get(h, B, "key").found);
    assert_int_equal(harness_put(h, A, "key", "two"), OUTCOME_DONE);
    harness_reopen(h);
    assert_string_equal(harness_get(h, A, "key").value, "two");
    assert_int_equal(harness_put(h, A, "key", ""), OUTCOME_DONE);
    assert_false(harness_get(h, A, "key").found);
    harness_close(h);
}

static void rows(void **state)
{
    harness_run(rows_body);
}

static void blobs_body(struct harness *h)
{
    static const size_t sizes[] = {
        0, 1, 65535, 65536, 65537, 262144, 262145, 1048576, 1048577, 3000000};
    store_blob_id ids[10];
    harness_open(h);
    for (size_t i = 0; i < 10; i++) {
        ids[i] = harness_blob(h, A, i, sizes[i]);
        assert_true(ids[i] != 0);
    }
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < 10; i++)
            assert_int_equal(harness_check(h, ids[i], i, sizes[i]), OUTCOME_DONE);
        assert_int_equal(harness_faults(h), 0);
        harness_reopen(h);
    }
    assert_int_equal(harness_check(h, ids[9] + 1, 0, 0), OUTCOME_REFUSED);
    harness_close(h);
}

static void blobs(void **state)
{
    harness_run(blobs_body);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(blobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
