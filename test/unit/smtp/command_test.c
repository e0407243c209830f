#include "smtp/chunk.h"
#include "smtp/command.h"
#include "unit/unit.h"
#include <stdio.h>

#define ALL SMTP_PARAM_ALL

static void verbs(void **state)
{
    struct smtp_command c;
    assert_true(smtp_command_parse(S("mail FROM:<a@b>  "), &c));
    assert_int_equal(c.verb, SMTP_MAIL);
    assert_true(slice_eq(c.args, S("FROM:<a@b>")));
    assert_true(smtp_command_parse(S("StartTLS"), &c) && c.verb == SMTP_STARTTLS && !c.args.n);
    assert_true(smtp_command_parse(S("MAILFROM:<a@b>"), &c) && c.verb == SMTP_UNKNOWN);
    assert_true(smtp_command_parse(S(""), &c) && c.verb == SMTP_UNKNOWN);
    assert_true(smtp_command_parse(S("SAML x"), &c) && c.verb == SMTP_TURN);
    assert_false(smtp_command_parse(S("NOOP \0"), &c));
    assert_false(smtp_command_parse(S("NOOP a\rb"), &c));
}

static unsigned mail(const char *args, unsigned offered, struct smtp_mail *m)
{
    struct smtp_reply r = {0};
    return smtp_command_mail(slice_str(args), offered, m, &r) ? 0 : r.code;
}

static void mail_parameters(void **state)
{
    struct smtp_mail m;
    assert_int_equal(
        mail("FROM:<a@b> SIZE=5 body=8bitmime SMTPUTF8 AUTH=<> RET=HDRS ENVID=x+2By", ALL, &m), 0);
    assert_true(m.size == 5 && m.body == SMTP_BODY_8BITMIME && m.utf8 && m.headers_only);
    assert_true(slice_eq(m.envid, S("x+2By")) && slice_eq(m.auth, S("<>")));
    assert_int_equal(mail("from: <a@b>", ALL, &m), 0);
    assert_int_equal(mail("FROM:<a@b> SIZE=18446744073709551615", ALL, &m), 0);
    assert_true(m.size == UINT64_MAX);
    assert_int_equal(mail("FROM:<a@b> SIZE=99999999999999999999", ALL, &m), 0);
    assert_true(m.size == UINT64_MAX);
    assert_int_equal(mail("FROM:<a@b> SIZE=000000000000000000001", ALL, &m), 501);
    assert_int_equal(mail("FROM:<a@b> SIZE=1 SIZE=1", ALL, &m), 501);
    assert_int_equal(mail("FROM:<a@b> BODY=BINARYMIME", ALL, &m), 504);
    assert_int_equal(mail("FROM:<a@b> BODY=x", ALL, &m), 501);
    assert_int_equal(mail("FROM:<a@b> RET=FULL", SMTP_PARAM_SIZE, &m), 555);
    assert_int_equal(mail("FROM:<a@b> X-FOO=1", ALL, &m), 555);
    assert_int_equal(mail("FROM:<a@b>SIZE=1", ALL, &m), 501);
    assert_int_equal(mail("FROM:<a@b> -X=1", ALL, &m), 501);
    assert_int_equal(mail("FROM:<a@b> SIZE=", ALL, &m), 501);
    assert_int_equal(mail("FROM:<a@b> ENVID=a+0ab", ALL, &m), 501);
    assert_int_equal(mail("FROM:<a@b> ENVID=a+0", ALL, &m), 501);
    assert_int_equal(mail("TO:<a@b>", ALL, &m), 501);
    assert_int_equal(mail("", ALL, &m), 501);
}

static void envelope_parameters(void **state)
{
    struct smtp_mail m;
    assert_int_equal(mail("FROM:<a@b> RequireTLS MT-priority=-9 BY=+120;rT HOLDFOR=1", ALL, &m), 0);
    assert_true(m.require_tls && m.priority == -9 && m.by == 120 && m.by_return && m.by_trace);
    assert_true(m.hold_for == 1 && !m.hold_until);
    assert_int_equal(mail("FROM:<a@b> BY=-999999999;N HOLDUNTIL=2026-11-22T03:12:16Z", ALL, &m), 0);
    assert_true(m.by == -999999999 && !m.by_return && !m.by_trace && !m.require_tls);
    assert_true(m.hold_until == 1795317136 && !m.hold_for && !m.priority);
    assert_int_equal(mail("FROM:<a@b> BY=0;N MT-PRIORITY=0 HOLDFOR=999999999", ALL, &m), 0);
    static const char *const bad[] = {"REQUIRETLS=YES", "REQUIRETLS REQUIRETLS", "MT-PRIORITY",
        "MT-PRIORITY=10", "MT-PRIORITY=-10", "MT-PRIORITY=-0", "MT-PRIORITY=+1", "MT-PRIORITY=-",
        "MT-PRIORITY=1 MT-PRIORITY=1", "HOLDFOR=0", "HOLDFOR=01", "HOLDFOR=1000000000",
        "HOLDFOR=-1", "HOLDFOR=+1", "HOLDFOR=1s", "HOLDFOR", "HOLDFOR=1 HOLDFOR=1",
        "HOLDFOR=1 HOLDUNTIL=2026-11-22T03:12:16Z", "HOLDUNTIL=2026-11-22", "HOLDUNTIL=60",
        "HOLDUNTIL=2026-11-22T03:12:16+00:00", "HOLDUNTIL=2026-02-30T03:12:16Z", "HOLDUNTIL", "BY",
        "BY=1", "BY=;R", "BY=1;", "BY=1;X", "BY=1;NX", "BY=1;NTT", "BY=1;T", "BY=0;R", "BY=-1;R",
        "BY=1000000000;N", "BY=+-1;N", "BY=1;N BY=1;N", "BY=1 ;N"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[128];
        snprintf(line, sizeof line, "FROM:<a@b> %s", bad[i]);
        if (mail(line, ALL, &m) != 501)
            fail_msg("not refused: %s", bad[i]);
    }
    /* what is not offered */
    static const char *const more[] = {
        "REQUIRETLS", "MT-PRIORITY=1", "HOLDFOR=1", "HOLDUNTIL=2026-11-22T03:12:16Z", "BY=1;N"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char line[128];
        snprintf(line, sizeof line, "FROM:<a@b> %s", more[i]);
        assert_int_equal(mail(line, SMTP_PARAM_DSN | SMTP_PARAM_SIZE, &m), 555);
    }
}

static unsigned rcpt(const char *args, unsigned offered, bool utf8, struct smtp_rcpt *rc)
{
    struct smtp_reply r = {0};
    return smtp_command_rcpt(slice_str(args), offered, utf8, rc, &r) ? 0 : r.code;
}

static void rcpt_parameters(void **state)
{
    struct smtp_rcpt r;
    assert_int_equal(rcpt("TO:<a@b> NOTIFY=success,Delay ORCPT=rfc822;a+2Bb@c", ALL, false, &r), 0);
    assert_int_equal(r.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
    assert_true(slice_eq(r.orcpt_type, S("rfc822")) && slice_eq(r.orcpt, S("a+2Bb@c")));
    assert_int_equal(rcpt("TO:<a@b> NOTIFY=NEVER,DELAY", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> NOTIFY=", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> NOTIFY=SOMETIMES", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=a@b", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> NOTIFY=NEVER", 0, false, &r), 555);
    assert_int_equal(rcpt("TO:<\xc3\xa9@b>", 0, false, &r), 553);
    assert_int_equal(rcpt("TO:<\xc3\xa9@b>", 0, true, &r), 0);
    char long_id[600] = "TO:<a@b> ORCPT=x;";
    size_t n = strlen(long_id);
    memset(long_id + n, 'y', 498);
    long_id[n + 498] = '\0';
    assert_int_equal(rcpt(long_id, ALL, false, &r), 0);
    long_id[n + 498] = 'y';
    long_id[n + 499] = '\0';
    assert_int_equal(rcpt(long_id, ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=x;y ORCPT=x;y", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=;y", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=x;", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=x;+2b", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> RET=FULL", ALL, false, &r), 555);
    /* RFC 6533 §3 */
    assert_int_equal(rcpt("TO:<a@b> ORCPT=utf-8;\xc3\xa9@c", ALL, true, &r), 0);
    assert_true(slice_eq(r.orcpt, S("\xc3\xa9@c")));
    assert_int_equal(rcpt("TO:<a@b> ORCPT=utf-8;\xc3\xa9@c", ALL, false, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=rfc822;\xc3\xa9@c", ALL, true, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=utf-8;\xc3@c", ALL, true, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=utf-8;\xc3\xa9+2B", ALL, true, &r), 501);
    assert_int_equal(rcpt("TO:<a@b> ORCPT=utf-8;a\\x{E9}@c", ALL, false, &r), 0);
}

static void xtext(void **state)
{
    struct buffer out;
    buffer_init(&out, 16);
    assert_true(smtp_xtext_decode(S("a+0D+0Ab+2B"), &out));
    assert_true(slice_eq(buffer_slice(&out), S("a\r\nb+")));
    assert_false(smtp_xtext_decode(S("a+0d"), &out));
    assert_false(smtp_xtext_decode(S("a="), &out));
    assert_false(smtp_xtext_decode(S("01234567890123456789"), &out));
    buffer_finish(&out);
    buffer_init(&out, 16);
    assert_true(smtp_xtext_encode(S("a+b=c \x7f~"), &out));
    assert_true(slice_eq(buffer_slice(&out), S("a+2Bb+3Dc+20+7F~")));
    assert_false(smtp_xtext_encode(S("a"), &out));
    buffer_finish(&out);
}

static void helo(void **state)
{
    char name[SMTP_HELO_MAX + 1], longest[SMTP_HELO_MAX + 1];
    struct smtp_reply r = {0};
    assert_true(smtp_command_helo(S(" a_b.c "), name, &r));
    assert_string_equal(name, "a_b.c");
    assert_true(smtp_command_helo(S("a\x1b[0m <b>\xc3"), name, &r));
    assert_string_equal(name, "a?[0m??b??");
    assert_false(smtp_command_helo(S("  "), name, &r));
    assert_int_equal(r.code, 501);
    memset(longest, 'x', sizeof longest);
    assert_true(smtp_command_helo(slice(longest, 255), name, &r));
    assert_false(smtp_command_helo(slice(longest, 256), name, &r));
}

static void chunk(void **state)
{
    struct smtp_chunk c;
    struct smtp_reply r = {0};
    assert_true(smtp_chunk_parse(S("18446744073709551615"), &c, &r));
    assert_true(c.left == UINT64_MAX && !c.last);
    assert_true(smtp_chunk_parse(S("0  last"), &c, &r));
    assert_true(c.left == 0 && c.last);
    assert_false(smtp_chunk_parse(S("18446744073709551616"), &c, &r));
    assert_int_equal(r.code, 501);
    assert_true(smtp_chunk_parse(S("3"), &c, &r));
    assert_true(slice_eq(smtp_chunk_take(&c, S("ab")), S("ab")) && c.left == 1);
    assert_true(slice_eq(smtp_chunk_take(&c, S("cd")), S("c")) && c.left == 0);
    assert_true(smtp_chunk_take(&c, S("d")).n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs),
        cmocka_unit_test(mail_parameters),
        cmocka_unit_test(envelope_parameters),
        cmocka_unit_test(rcpt_parameters),
        cmocka_unit_test(xtext),
        cmocka_unit_test(helo),
        cmocka_unit_test(chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
