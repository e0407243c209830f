#include "queue/dsn.h"
#include "unit/unit.h"

#define ORIGINAL "Return-Path: <a@b.example>\r\nSubject: hello\r\n\r\nthe body\r\n"

static struct buffer out;

static struct dsn base(const struct dsn_recipient *r, size_t n)
{
    return (struct dsn){
        .hostname = S("mail.example.org"),
        .to = S("a@b.example"),
        .id = S("0000000000A.1"),
        .now = 1790000000,
        .arrived = 1789000000,
        .recipients = r,
        .n = n,
        .original = S(ORIGINAL),
    };
}

static void compose(const struct dsn *d)
{
    buffer_finish(&out);
    buffer_init(&out, DSN_MAX);
    assert_true(dsn_compose(&out, d));
    buffer_add_char(&out, '\0');
    assert_int_equal(strlen(out.p), out.n - 1);
}

static bool says(const char *text)
{
    return strstr(out.p, text) != NULL;
}

#define SAYS(text)                                                                                 \
    do {                                                                                           \
        if (!says(text))                                                                           \
            fail_msg("'%s' is not in\n%s", text, out.p);                                           \
    } while (0)

static const struct dsn_recipient refused = {
    .action = DSN_FAILED,
    .address = {"x@far.example", 13},
    .orcpt = {"rfc822;x+2Bold@far.example", 26},
    .status = {"5.1.1", 5},
    .reply = {"550 5.1.1 <x@far.example>: no such user here", 44},
    .remote = {"mx.far.example [192.0.2.1]", 26},
    .remote_said = true,
    .attempted = 1789999999,
};

static void a_failure(void **state)
{
    struct dsn d = base(&refused, 1);
    d.envid = S("QQ+2B1");
    compose(&d);
    assert_string_equal(out.p,
        "From: Mail Delivery System <MAILER-DAEMON@mail.example.org>\r\n"
        "To: a@b.example\r\n"
        "Subject: Your message could not be delivered\r\n"
        "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
        "Message-ID: <0000000000A.1@mail.example.org>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        " boundary=\"=_report_0000000000A.1\"\r\n"
        "\r\n"
        "\r\n--=_report_0000000000A.1\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "\r\n"
        "This is the mail server at mail.example.org.\r\n"
        "\r\n"
        "Your message could not be delivered to the following address. It will\r\n"
        "not be tried again:\r\n"
        "\r\n"
        "  <x@far.example>\r\n"
        "    There is no such address at its server.\r\n"
        "    mx.far.example [192.0.2.1] said: 550 5.1.1 <x@far.example>: no such\r\n"
        "    user here\r\n"
        "\r\n"
        "The header of your message is attached.\r\n"
        "\r\n--=_report_0000000000A.1\r\n"
        "Content-Type: message/delivery-status\r\n"
        "\r\n"
        "Reporting-MTA: dns; mail.example.org\r\n"
        "Original-Envelope-Id: QQ+1\r\n"
        "Arrival-Date: Thu, 10 Sep 2026 00:26:40 +0000\r\n"
        "\r\n"
        "Original-Recipient: rfc822; x+old@far.example\r\n"
        "Final-Recipient: rfc822; x@far.example\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mx.far.example\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <x@far.example>: no such user here\r\n"
        "Last-Attempt-Date: Mon, 21 Sep 2026 14:13:19 +0000\r\n"
        "\r\n--=_report_0000000000A.1\r\n"
        "Content-Type: text/rfc822-headers\r\n"
        "\r\n"
        "Return-Path: <a@b.example>\r\n"
        "Subject: hello\r\n"
        "\r\n"
        "\r\n--=_report_0000000000A.1--\r\n");
}

static void each_action_has_its_words(void **state)
{
    struct dsn_recipient r = {.address = S("x@far.example")};
    struct dsn d = base(&r, 1);
    d.retry_until = 1790100000;
    r.action = DSN_DELAYED;
    r.status = S("4.4.1");
    r.reply = S("connection refused");
    compose(&d);
    SAYS("Subject: Your message has not been delivered yet\r\n");
    SAYS("    No server of the domain answered.\r\n    In detail: connection refused\r\n");
    SAYS("It is tried until Tue, 22 Sep 2026 18:00:00 +0000.\r\n");
    SAYS("Action: delayed\r\nStatus: 4.4.1\r\n");
    SAYS("Will-Retry-Until: Tue, 22 Sep 2026 18:00:00 +0000\r\n");
    assert_false(says("Diagnostic-Code")); /* nobody said it */
    r.action = DSN_DELIVERED;
    compose(&d);
    SAYS("Subject: Your message was delivered\r\n");
    SAYS("Action: delivered\r\nStatus: 2.0.0\r\n"); /* 4.4.1 cannot be */
    r.action = DSN_RELAYED;
    compose(&d);
    SAYS("Action: relayed\r\n");
    r.action = DSN_EXPANDED;
    compose(&d);
    SAYS("Action: expanded\r\n");
    r = (struct dsn_recipient){.action = DSN_FAILED,
        .address = S("x@far.example"),
        .status = S("5.99.99"),
        .why = S("A sentence of the caller")};
    compose(&d);
    SAYS("    A sentence of the caller.\r\n");
    SAYS("Status: 5.99.99\r\n");
}

static void several_recipients_are_one_report(void **state)
{
    struct dsn_recipient r[3] = {refused, refused, refused};
    struct dsn d = base(r, 3);
    r[1].address = S("y@far.example");
    r[2].address = S("z@far.example");
    r[2].action = DSN_RELAYED;
    r[2].status = S("2.1.5");
    compose(&d);
    SAYS("Subject: Your message could not be delivered\r\n");
    SAYS("Final-Recipient: rfc822; x@far.example\r\n");
    SAYS("Final-Recipient: rfc822; y@far.example\r\nAction: failed\r\n");
    SAYS("Final-Recipient: rfc822; z@far.example\r\nAction: relayed\r\n");
    assert_true(strstr(out.p, "  <z@far.example>") > strstr(out.p, "  <y@far.example>"));
}

static void the_whole_message(void **state)
{
    struct dsn d = base(&refused, 1);
    d.whole = true;
    compose(&d);
    SAYS("Your message is attached.\r\n");
    SAYS("Content-Type: message/rfc822\r\n\r\n" ORIGINAL "\r\n--=");
    d.original = S("Subject: x\n\n8-bit \xc3\xa4\r bare, no end");
    compose(&d);
    SAYS("boundary=\"=_report_0000000000A.1\"\r\nContent-Transfer-Encoding: 8bit\r\n");
    SAYS("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
         "Subject: x\r\n\r\n8-bit \xc3\xa4 bare, no end\r\n\r\n--=");
    d.original = S("");
    compose(&d);
    assert_false(says("rfc822\r\n"));
    assert_false(says("attached"));
}

static void internationalised(void **state)
{
    struct dsn_recipient r = refused;
    struct dsn d = base(&r, 1);
    r.address = S("\xc3\xa4@far.example");
    r.orcpt = S("utf-8;\\x{E4}@far.example");
    d.to = S("\xc3\xb6@b.example");
    d.utf8 = true;
    compose(&d);
    SAYS("To: \xc3\xb6@b.example\r\n");
    SAYS("report-type=global-delivery-status;");
    SAYS("Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n");
    SAYS("Original-Recipient: utf-8; \xc3\xa4@far.example\r\n");
    SAYS("Final-Recipient: utf-8; \xc3\xa4@far.example\r\n");
    SAYS("Content-Type: message/global-headers\r\n");
    d.whole = true;
    compose(&d);
    SAYS("Content-Type: message/global\r\n");
}

static void what_strangers_say_is_cleaned(void **state)
{
    struct dsn_recipient r = refused;
    struct dsn d = base(&r, 1);
    r.reply = S("550 no\r\nBcc: x@y\r\n\r\n--=_report_0000000000A.1\r\n\x1b[2J \xff \xc3\xa4");
    r.remote = S("evil\r\nX: y [192.0.2.1]");
    r.address = S("x\r\nX: y@far.example");
    compose(&d);
    assert_false(says("\nBcc"));
    assert_false(says("\nX: y"));
    assert_false(says("\x1b"));
    SAYS("Diagnostic-Code: smtp; 550 no  Bcc: x@y");
    for (size_t i = 0; i < out.n; i++)
        assert_true((unsigned char)out.p[i] < 0x80);
    assert_int_equal(out.p[out.n - 1], '\0');
}

/* RFC 2852 §5, RFC 4865 §5.1.2 */
static void what_was_asked_of_time(void **state)
{
    struct dsn d = base(&refused, 1);
    d.deliver_by = 1790000000;
    d.hold = S("until;2026-09-21T14:13:20Z\r\nX: y");
    compose(&d);
    SAYS("\r\nDeliver-By-Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
         "Future-Release-Request: until;2026-09-21T14:13:20Z  X: y\r\n\r\n");
    d.deliver_by = 0;
    d.hold = S("");
    compose(&d);
    assert_false(says("Deliver-By-Date") || says("Future-Release"));
}

static void limits(void **state)
{
    enum { N = 100 };
    static struct dsn_recipient r[N];
    static char big[DSN_ORIGINAL_MAX + 1000];
    memset(big, 'x', sizeof big);
    for (size_t i = 80; i < sizeof big; i += 80)
        big[i] = '\n';
    for (int i = 0; i < N; i++)
        r[i] = (struct dsn_recipient){.action = DSN_FAILED,
            .address = slice(big, 400),
            .orcpt = slice(big, 500),
            .reply = slice(big, 600),
            .remote = slice(big, 320),
            .why = slice(big, 600),
            .remote_said = true};
    struct dsn d = base(r, N);
    d.original = slice(big, sizeof big);
    d.whole = true;
    d.utf8 = true;
    compose(&d); /* the worst fits */
    size_t whole = out.n;
    d.whole = false;
    compose(&d);
    assert_true(out.n + DSN_ORIGINAL_MAX - DSN_HEADER_MAX < whole + 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure),
        cmocka_unit_test(each_action_has_its_words),
        cmocka_unit_test(several_recipients_are_one_report),
        cmocka_unit_test(the_whole_message),
        cmocka_unit_test(internationalised),
        cmocka_unit_test(what_strangers_say_is_cleaned),
        cmocka_unit_test(what_was_asked_of_time),
        cmocka_unit_test(limits),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_finish(&out);
    return bad;
}
