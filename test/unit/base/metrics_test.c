#include "base/metrics.h"
#include "unit/unit.h"

METRIC(second, METRIC_COUNTER, "barid_a_total", "protocol=\"smtp\"", "Things.")
METRIC(gauge, METRIC_GAUGE, "barid_z", "", "Level.")
METRIC(third, METRIC_COUNTER, "barid_a_total", "protocol=\"pop3\"", "Things.")
METRIC(times, METRIC_HISTOGRAM, "barid_m_seconds", "op=\"read\"", "Time.")

static void names_stand_together_with_one_help(void **state)
{
    struct buffer out;
    buffer_init(&out, 1 << 16);
    metric_add(&second, 2);
    metric_add(&third, 3);
    metric_set(&gauge, -4);
    metrics_register(&gauge); /* twice is once */
    metrics_render(&out);
    assert_true(slice_starts(buffer_slice(&out),
        S("# HELP barid_a_total Things.\n# TYPE barid_a_total counter\n"
          "barid_a_total{protocol=\"smtp\"} 2\nbarid_a_total{protocol=\"pop3\"} 3\n"
          "# HELP barid_m_seconds Time.\n# TYPE barid_m_seconds histogram\n")));
    assert_true(slice_ends(
        buffer_slice(&out), S("# HELP barid_z Level.\n# TYPE barid_z gauge\nbarid_z -4\n")));
    buffer_finish(&out);
}

static void buckets_are_cumulative_with_inclusive_bounds(void **state)
{
    struct buffer out;
    buffer_init(&out, 1 << 16);
    metric_observe(&times, -1);
    metric_observe(&times, 64000);
    metric_observe(&times, 64001);
    metric_observe(&times, INT64_C(64000) << 15);
    metric_observe(&times, (INT64_C(64000) << 15) + 1);
    metrics_render(&out);
    const char *const wanted[] = {
        "barid_m_seconds_bucket{op=\"read\",le=\"0.000064000\"} 2\n",
        "barid_m_seconds_bucket{op=\"read\",le=\"0.000128000\"} 3\n",
        "barid_m_seconds_bucket{op=\"read\",le=\"2.097152000\"} 4\n",
        "barid_m_seconds_bucket{op=\"read\",le=\"+Inf\"} 5\n",
        "barid_m_seconds_sum{op=\"read\"} 4.194432002\n",
        "barid_m_seconds_count{op=\"read\"} 5\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_int_not_equal(
            slice_find_slice(buffer_slice(&out), slice_str(wanted[i])), SLICE_NONE);
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_together_with_one_help),
        cmocka_unit_test(buckets_are_cumulative_with_inclusive_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
