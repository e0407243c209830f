#include "base/buffer.h"
#include "sendmail/header.h"
#include "unit/unit.h"

static struct sendmail_list list;

static void header(const char *message, const char *fields, const char *rest, bool blank, bool from)
{
    struct sendmail_header h;
    struct slice all = slice_str(message);
    assert_true(sendmail_header_find(all, true, &h));
    assert_slice(h.fields, slice_str(fields));
    assert_slice(slice_from(all, h.rest), slice_str(rest));
    assert_int_equal(h.blank, blank);
    assert_int_equal(h.has_from, from);
}

static void where_it_ends(void **state)
{
    header("A: b\nFrom: x\n\nbody", "A: b\nFrom: x\n", "\nbody", true, true);
    header("A: b\r\n c\r\n\r\nbody", "A: b\r\n c\r\n", "\r\nbody", true, false);
    header("hello\nA: b\n", "", "hello\nA: b\n", false, false);
    header(" hello: x\n", "", " hello: x\n", false, false);
    header("A: b\nhello\n", "A: b\n", "hello\n", false, false);
    header("From joe Sun Nov 22\nA: b\n\n", "A: b\n", "\n", true, false);
    header("From joe", "", "", true, false);
    header("A: b", "A: b", "", true, false);
    header("", "", "", true, false);
    header("\nA: b\n", "", "\nA: b\n", true, false);
    header("A : b\nfrom : x\n\n", "A : b\nfrom : x\n", "\n", true, true);
    header(": b\n", "", ": b\n", false, false);
    header("a b: c\n", "", "a b: c\n", false, false);
    struct sendmail_header h;
    assert_false(sendmail_header_find(S("A: b\n"), false, &h));
    assert_true(sendmail_header_find(S("A: b\n\n"), false, &h));
}

/* The addresses, joined. */
static void are(const char *wanted)
{
    struct buffer all;
    buffer_init(&all, 4096);
    for (size_t i = 0; i < list.n; i++)
        buffer_printf(&all, "%s" SLICE_FMT, i ? " " : "", SLICE_ARG(list.addresses[i]));
    assert_slice(buffer_slice(&all), slice_str(wanted));
    buffer_finish(&all);
    assert_false(list.overflow);
    sendmail_list_finish(&list);
}

static void from_text(const char *text, const char *wanted)
{
    sendmail_list_init(&list);
    sendmail_list_add(&list, slice_str(text));
    assert_null(list.bad.p);
    are(wanted);
}

static void from_header(const char *fields, const char *wanted)
{
    sendmail_list_init(&list);
    sendmail_list_header(&list, slice_str(fields));
    assert_null(list.bad.p);
    are(wanted);
}

static void addresses(void **state)
{
    from_text("a@b.test", "a@b.test");
    from_text("a@b.test, Joe <c@d.test>,a@b.test", "a@b.test c@d.test");
    from_text("root", "root@localhost");
    from_text(
        "root, (x) MAILER-DAEMON, \"x\" <y>", "root@localhost MAILER-DAEMON@localhost y@localhost");
    from_text("\"a b\"@c.test", "\"a b\"@c.test");
    from_text("friends: a@b.test, c@d.test;", "a@b.test c@d.test");
    from_text("undisclosed-recipients:;", "");
    from_text("x@[192.0.2.1]", "x@[192.0.2.1]");
    from_text("", "");
    from_text("gr\xc3\xbc\xc3\x9f@b\xc3\xbc"
              "cher.test",
        "gr\xc3\xbc\xc3\x9f@b\xc3\xbc"
        "cher.test");
}

static void fields(void **state)
{
    from_header("To: a@b.test\nSubject: To: x@y\nCC: c@d.test,\n e@f.test\nbcc: root\n",
        "a@b.test c@d.test e@f.test root@localhost");
    from_header("To: a@b.test\nResent-To: c@d.test\nResent-Bcc: e@f.test\n", "c@d.test e@f.test");
    from_header("Subject: x\n", "");
}

static void what_is_no_address(void **state)
{
    static const char *const texts[] = {
        "a@b c@d", "a b c", "a@", "@b", "<>", "a@b@c", "a@b,c d e", "a@-b", "\"a\x01\"@b"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sendmail_list_init(&list);
        sendmail_list_add(&list, slice_str(texts[i]));
        if (!list.bad.p)
            fail_msg("%s: %zu", texts[i], list.n);
        sendmail_list_finish(&list);
    }
}

static void a_thousand_and_one(void **state)
{
    sendmail_list_init(&list);
    for (int i = 0; i <= SENDMAIL_RECIPIENTS_MAX; i++) {
        char text[64];
        assert_false(list.overflow);
        int n = snprintf(text, sizeof text, "u%d@x.test, u0@x.test", i);
        sendmail_list_add(&list, slice(text, (size_t)n));
    }
    assert_true(list.overflow && list.n == SENDMAIL_RECIPIENTS_MAX);
    sendmail_list_finish(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_ends),
        cmocka_unit_test(addresses),
        cmocka_unit_test(fields),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(a_thousand_and_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
