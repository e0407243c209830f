#include "delivery/table.h"
#include "intake/outgoing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct delivery_rules rules;

static struct smtp_path path_of(const char *text, enum smtp_path_kind kind)
{
    struct smtp_path path;
    struct cursor c = cursor(slice_str(text));
    assert_int_equal(smtp_path_take(&c, kind, &path), SMTP_PATH_OK);
    return path;
}

static enum intake_outgoing_result add(struct intake_outgoing *o, const char *text)
{
    const struct smtp_rcpt rcpt = {.recipient = path_of(text, SMTP_FORWARD)};
    return intake_outgoing_add(o, &rules, &rcpt);
}

static void is(const struct intake_outgoing *o, uint32_t i, const char *address, const char *route)
{
    assert_true(i < o->n);
    assert_true(slice_eq(o->list[i].address, slice_str(address)));
    assert_true(slice_eq(o->list[i].route, slice_str(route)));
}

static void test_recipients(void **state)
{
    struct intake_outgoing o;
    intake_outgoing_init(&o);
    assert_int_equal(add(&o, "<X@Away.Test>"), INTAKE_OUTGOING_OK);
    assert_int_equal(add(&o, "<X@Away.Test>"), INTAKE_OUTGOING_OK); /* once */
    assert_int_equal(add(&o, "<X@AWAY.test>"), INTAKE_OUTGOING_OK);
    assert_int_equal(add(&o, "<x@Away.Test>"), INTAKE_OUTGOING_OK); /* theirs to tell apart */
    assert_int_equal(add(&o, "<\"a b\"@away.test>"), INTAKE_OUTGOING_OK);
    assert_int_equal(add(&o, "<x@[192.0.2.1]>"), INTAKE_OUTGOING_OK);
    assert_int_equal(o.n, 4);
    is(&o, 0, "X@Away.Test", "away.test");
    is(&o, 1, "x@Away.Test", "away.test");
    is(&o, 2, "\"a b\"@away.test", "away.test");
    is(&o, 3, "x@[192.0.2.1]", "[192.0.2.1]");
    assert_false(o.utf8);
    intake_outgoing_reset(&o);
    assert_int_equal(o.n, 0);
}

static void way(struct delivery_table *t, enum delivery_by by, const char *domain, const char *via)
{
    char why[DELIVERY_TABLE_WHY];
    const struct delivery_way w = {.via = slice_str(via)};
    assert_true(delivery_table_add(t, by, slice_str(domain), &w, why));
}

/* By the domain of the recipient, of the sender, or all; each transaction has its own sender. */
static void test_routes(void **state)
{
    struct intake_outgoing o;
    struct delivery_table *t = delivery_table_create();
    struct smtp_path from = path_of("<a@From.Test>", SMTP_REVERSE);
    struct smtp_path null = path_of("<>", SMTP_REVERSE);
    way(t, DELIVERY_BY_ALL, "", "relay.test:587");
    way(t, DELIVERY_BY_RECIPIENT, "to.test", "one.test:25");
    way(t, DELIVERY_BY_SENDER, "from.test", "two.test:25");
    rules.table = t;
    intake_outgoing_init(&o);
    assert_true(intake_outgoing_sender(&o, &from));
    assert_int_equal(add(&o, "<x@away.test>"), INTAKE_OUTGOING_OK);
    assert_int_equal(add(&o, "<x@TO.test>"), INTAKE_OUTGOING_OK);
    is(&o, 0, "x@away.test", "two.test:25");
    is(&o, 1, "x@TO.test", "one.test:25");
    intake_outgoing_reset(&o);
    assert_true(intake_outgoing_sender(&o, &null));
    assert_int_equal(add(&o, "<x@away.test>"), INTAKE_OUTGOING_OK);
    is(&o, 0, "x@away.test", "relay.test:587");
    intake_outgoing_reset(&o);
    rules.table = NULL;
    delivery_table_destroy(t);
}

/* Only a local part in Unicode needs SMTPUTF8. */
static void test_unicode(void **state)
{
    struct intake_outgoing o;
    intake_outgoing_init(&o);
    assert_int_equal(add(&o, "<x@b\u00fccher.test>"), INTAKE_OUTGOING_OK);
    is(&o, 0, "x@xn--bcher-kva.test", "xn--bcher-kva.test");
    assert_false(o.utf8);
    assert_int_equal(add(&o, "<j\u00f6@b\u00fccher.test>"), INTAKE_OUTGOING_OK);
    is(&o, 1, "j\u00f6@b\u00fccher.test", "xn--bcher-kva.test");
    assert_true(o.utf8);
    intake_outgoing_reset(&o);
}

static void test_limit(void **state)
{
    struct intake_outgoing o;
    char text[40];
    intake_outgoing_init(&o);
    for (int i = 0; i < QUEUE_PUT_MAX; i++) {
        snprintf(text, sizeof text, "<u%d@away.test>", i);
        assert_int_equal(add(&o, text), INTAKE_OUTGOING_OK);
    }
    assert_int_equal(add(&o, "<one@more.test>"), INTAKE_OUTGOING_MANY);
    assert_int_equal(add(&o, "<u7@away.test>"), INTAKE_OUTGOING_OK);
    assert_int_equal(o.n, QUEUE_PUT_MAX);
    intake_outgoing_reset(&o);
}

static void test_sender(void **state)
{
    struct intake_outgoing o;
    intake_outgoing_init(&o);
    struct smtp_path null = path_of("<>", SMTP_REVERSE);
    struct smtp_path quoted = path_of("<\"a b\"@our.test>", SMTP_REVERSE);
    assert_true(intake_outgoing_sender(&o, &null));
    assert_int_equal(o.sender.n, 0);
    assert_true(intake_outgoing_sender(&o, &quoted));
    assert_true(slice_eq(o.sender, S("\"a b\"@our.test")));
    intake_outgoing_reset(&o);
}

static void test_sender_text(void **state)
{
    struct intake_outgoing o;
    intake_outgoing_init(&o);
    assert_true(intake_outgoing_sender_text(&o, S("a b@our.test")));
    assert_true(slice_eq(o.sender, S("\"a b\"@our.test")) && !o.sender_utf8);
    assert_true(intake_outgoing_sender_text(&o, S("a@b@our.test")));
    assert_true(slice_eq(o.sender, S("\"a@b\"@our.test")));
    assert_true(intake_outgoing_sender_text(&o, S("j\u00f6@our.test")));
    assert_true(slice_eq(o.sender, S("j\u00f6@our.test")) && o.sender_utf8);
    assert_true(intake_outgoing_sender_text(&o, S("")));
    assert_int_equal(o.sender.n, 0);
    intake_outgoing_reset(&o);
}

static struct slice orcpt(struct intake_outgoing *o, const char *type, const char *text)
{
    const struct smtp_rcpt rcpt = {.recipient = path_of("<x@away.test>", SMTP_FORWARD),
        .notify = SMTP_NOTIFY_DELAY,
        .orcpt_type = slice_str(type),
        .orcpt = slice_str(text)};
    intake_outgoing_reset(o);
    assert_int_equal(intake_outgoing_add(o, &rules, &rcpt), INTAKE_OUTGOING_OK);
    assert_int_equal(o->list[0].notify, QUEUE_NOTIFY_DELAY);
    return o->list[0].orcpt;
}

static void test_wishes(void **state)
{
    struct intake_outgoing o;
    char text[600] = "";
    intake_outgoing_init(&o);
    assert_true(slice_eq(orcpt(&o, "rfc822", "a+2Bb@c"), S("rfc822;a+2Bb@c")));
    assert_true(
        slice_eq(orcpt(&o, "utf-8", "j\u00f6\U0001f600@c"), S("utf-8;j\\x{F6}\\x{1F600}@c")));
    assert_int_equal(orcpt(&o, "rfc822", "").n, 0);
    memset(text, 'y', QUEUE_ORCPT_MAX - 2);
    assert_int_equal(orcpt(&o, "x", text).n, QUEUE_ORCPT_MAX);
    text[QUEUE_ORCPT_MAX - 2] = 'y';
    assert_int_equal(orcpt(&o, "x", text).n, 0); /* left out, not cut */
    intake_outgoing_reset(&o);
}

/* Of ours: those that wait, and those that are only told of. */
static void test_here(void **state)
{
    struct intake_outgoing o;
    uint32_t index = 7;
    const struct smtp_rcpt rcpt = {
        .recipient = path_of("<x@our.test>", SMTP_FORWARD), .notify = 15};
    const struct smtp_rcpt other = {.recipient = path_of("<y@our.test>", SMTP_FORWARD)};
    intake_outgoing_init(&o);
    assert_int_equal(intake_outgoing_add_here(&o, S("!told"), &rcpt, &index), INTAKE_OUTGOING_OK);
    assert_int_equal(index, 0);
    assert_int_equal(o.list[0].notify, QUEUE_NOTIFY_SUCCESS);
    assert_int_equal(o.to_reach, 0);
    index = 7;
    assert_int_equal(intake_outgoing_add_here(&o, S("!told"), &rcpt, &index), INTAKE_OUTGOING_OK);
    assert_int_equal(index, 7);
    assert_int_equal(intake_outgoing_add_here(&o, S("!here"), &other, NULL), INTAKE_OUTGOING_OK);
    assert_int_equal(o.to_reach, 1);
    intake_outgoing_drop(&o, 0);
    assert_int_equal(o.n, 2);
    intake_outgoing_close(&o);
    assert_int_equal(o.n, 1);
    is(&o, 0, "y@our.test", "!here");
    intake_outgoing_reset(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_unicode),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_sender),
        cmocka_unit_test(test_sender_text),
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
