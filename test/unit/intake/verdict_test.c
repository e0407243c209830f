#include "intake/session_private.h"
#include "unit/unit.h"

static void content(void **state)
{
    struct smtp_reply r = {0};
    struct scan facts = {.header_bytes = INTAKE_HEADER_MAX};
    facts.field[SCAN_RECEIVED] = INTAKE_RECEIVED_MAX - 1;
    assert_true(intake_verdict_content(&facts, &r) && !r.code);
    facts.field[SCAN_RECEIVED]++;
    assert_false(intake_verdict_content(&facts, &r));
    assert_int_equal(r.code, 554);
    assert_string_equal(r.enhanced, "5.4.6");
    facts.field[SCAN_RECEIVED] = 0;
    facts.header_bytes++;
    assert_false(intake_verdict_content(&facts, &r));
    assert_int_equal(r.code, 552);
}

/* Promise 1: 2yz for what is durable, nothing at all for what nobody knows, 4yz or 5yz for what is
 * nowhere. */
static void outcomes(void **state)
{
    struct smtp_reply r = {0};
    intake_verdict_stored(OUTCOME_DONE, "abc", &r);
    assert_int_equal(r.code, 250);
    assert_string_equal(r.text, "Ok: kept as abc");
    intake_verdict_stored(OUTCOME_UNKNOWN, "abc", &r);
    assert_int_equal(r.code, 0);
    intake_verdict_stored(OUTCOME_FAILED, "abc", &r);
    assert_int_equal(r.code, 452);
    assert_string_equal(r.enhanced, "4.3.1");
    intake_verdict_stored(OUTCOME_REFUSED, "abc", &r);
    assert_int_equal(r.code, 550);
    intake_verdict_spool(true, &r);
    assert_int_equal(r.code, 452);
    intake_verdict_spool(false, &r);
    assert_int_equal(r.code, 451);
}

static void ids(void **state)
{
    char one[INTAKE_ID + 1], two[INTAKE_ID + 1];
    intake_trace_id(one);
    intake_trace_id(two);
    assert_int_equal(strlen(one), INTAKE_ID);
    assert_true(strcmp(one, two) != 0);
    assert_true(strncmp(one, two, 11) <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content),
        cmocka_unit_test(outcomes),
        cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
