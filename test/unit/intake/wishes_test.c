#include "intake/wishes.h"
#include "unit/unit.h"

static struct queue_message message_of(const struct smtp_mail *mail, bool tls_optional)
{
    static struct intake_wishes w; /* the envid points into it */
    struct queue_message m = {.created = 1100, .flags = QUEUE_8BIT};
    intake_wishes_set(&w, mail, 1000);
    intake_wishes_copy(&w, tls_optional, &m);
    intake_wishes_own(&w, &m);
    return m;
}

static void nothing(void **state)
{
    struct queue_message m = message_of(&(struct smtp_mail){0}, false);
    assert_int_equal(m.flags, QUEUE_8BIT);
    assert_true(!m.hold_until && !m.deliver_by && !m.priority && !m.envid.n);
}

static void reports(void **state)
{
    struct smtp_mail mail = {.given = SMTP_PARAM_RET | SMTP_PARAM_ENVID, .envid = S("a+2Bb")};
    struct queue_message m = message_of(&mail, false);
    assert_int_equal(m.flags, QUEUE_8BIT | QUEUE_RET_FULL);
    assert_true(slice_eq(m.envid, S("a+2Bb")));
    mail.headers_only = true;
    assert_int_equal(message_of(&mail, false).flags, QUEUE_8BIT | QUEUE_RET_HEADERS);
}

static void times(void **state)
{
    struct smtp_mail mail = {.given = SMTP_PARAM_HOLD | SMTP_PARAM_BY | SMTP_PARAM_PRIORITY,
        .hold_for = 60,
        .hold_until = 1060,
        .by = 500,
        .by_return = true,
        .by_trace = true,
        .priority = -9};
    struct queue_message m = message_of(&mail, false);
    assert_int_equal(m.hold_until, 1161); /* from when it was complete, never too early */
    assert_int_equal(m.deliver_by, 1500); /* from when it was asked */
    assert_int_equal(m.priority, -9);
    assert_int_equal(
        m.flags, QUEUE_8BIT | QUEUE_HELD_FOR | QUEUE_DELIVERBY_RETURN | QUEUE_DELIVERBY_TRACE);
    mail.hold_for = 0;
    mail.by = -5;
    mail.by_return = mail.by_trace = false;
    m = message_of(&mail, false);
    assert_int_equal(m.hold_until, 1060);
    assert_int_equal(m.deliver_by, 995);
    assert_int_equal(m.flags, QUEUE_8BIT);
}

/* What an alias sends on keeps the hold and the priority, not the wishes for reports. */
static void copies(void **state)
{
    struct intake_wishes w;
    struct queue_message m = {.created = 1100};
    const struct smtp_mail mail = {
        .given = SMTP_PARAM_RET | SMTP_PARAM_ENVID | SMTP_PARAM_HOLD | SMTP_PARAM_BY,
        .envid = S("id"),
        .hold_until = 2000,
        .by = 5000,
        .priority = 3};
    intake_wishes_set(&w, &mail, 1000);
    intake_wishes_copy(&w, false, &m);
    assert_true(m.hold_until == 2000 && m.priority == 3);
    assert_true(!m.flags && !m.deliver_by && !m.envid.n);
}

/* RFC 8689 §4.1 */
static void tls(void **state)
{
    struct smtp_mail mail = {0};
    assert_int_equal(message_of(&mail, true).flags, QUEUE_8BIT | QUEUE_TLS_OPTIONAL);
    mail.require_tls = true;
    assert_int_equal(message_of(&mail, true).flags, QUEUE_8BIT | QUEUE_REQUIRETLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(reports),
        cmocka_unit_test(times),
        cmocka_unit_test(copies),
        cmocka_unit_test(tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
