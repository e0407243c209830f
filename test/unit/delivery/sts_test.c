/* Records and policies of MTA-STS (RFC 8461). */
#include "delivery/sts_private.h"
#include "unit/unit.h"

static char id[STS_ID_MAX + 1];
static struct buffer mx;
static struct sts_policy p;
static const char *why;

static bool parse(struct slice text)
{
    buffer_finish(&mx);
    buffer_init(&mx, STS_MX_BYTES);
    bool ok = sts_parse(text, &p, &mx, &why);
    assert_int_equal(ok, why == NULL);
    return ok;
}

static void records(void **state)
{
    assert_true(sts_record(S("v=STSv1; id=20160831085700Z;"), id));
    assert_string_equal(id, "20160831085700Z");
    assert_true(sts_record(S("v=STSv1\t ; x-y=1;id=a; id=b"), id));
    assert_string_equal(id, "a");
    assert_true(sts_record(S("v=STSv1;id=12345678901234567890123456789012"), id));
    static const char *const none[] = {"", "v=STSv1", "v=STSv1;", "v=STSv2; id=a", "v=stsv1; id=a",
        "id=a; v=STSv1", "v=STSv1; id=", "v=STSv1; id=a-b", "v=STSv1; id=a b", "v=STSv1;;id=a",
        "v=STSv1; id=123456789012345678901234567890123", "v=STSv1; id=a; x", "v=STSv1; id=a; x=a=b",
        "v=STSv10; id=a"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(sts_record(slice_str(none[i]), id));
    assert_true(sts_is_record(S("v=STSv1; broken")));
    assert_false(sts_is_record(S("v=STSv10;")));
}

static void policies(void **state)
{
    assert_true(parse(S("version: STSv1\r\nmode: enforce\r\nmx: Mail.Example.com\r\n"
                        "mx:*.example.net  \r\nmax_age: 604800\r\n")));
    assert_int_equal(p.mode, STS_ENFORCE);
    assert_int_equal(p.max_age, 604800);
    assert_slice(p.mx, S("mail.example.com\n*.example.net\n"));
    /* LF, an unknown field, doubled ones of which the first counts, no last line end */
    assert_true(parse(S("max_age: 99999999\nmode: testing\nmode: nonsense\nmax_age: 1\nx: y z\n"
                        "mx: a.test.\nversion: STSv1")));
    assert_int_equal(p.mode, STS_TESTING);
    assert_int_equal(p.max_age, STS_AGE_MAX);
    assert_slice(p.mx, S("a.test\n"));
    assert_true(parse(S("version: STSv1\nmode: none\nmax_age: 0\n")));
    assert_int_equal(p.mode, STS_NONE);
    assert_false(p.mx.n);
}

static void broken_policies(void **state)
{
    static const char *const texts[] = {"", "<html>", "version: STSv1\nmode: enforce\nmax_age: 1\n",
        "mode: enforce\nmx: a.test\nmax_age: 1\n", "version: STSv2\nmode: none\nmax_age: 1\n",
        "version: STSv1\nmx: a.test\nmax_age: 1\n", "version: STSv1\nmx: a.test\nmode: enforce\n",
        "version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1\n",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 12345678901\n",
        "version: STSv1\nmode: enforce\nmx: a..test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx:\nmax_age: 1\n",
        "version: STSv1\nmode: none\nmax_age: 1\nx: \xff\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(parse(slice_str(texts[i])));
}

static void limits(void **state)
{
    struct buffer text;
    buffer_init(&text, 2 * STS_BODY_MAX);
    buffer_add(&text, S("version: STSv1\nmode: enforce\nmax_age: 1\n"));
    for (size_t i = 0; i < STS_MX_BYTES / 8; i++)
        buffer_add(&text, S("mx: ab.test\n"));
    assert_true(parse(buffer_slice(&text)));
    buffer_add(&text, S("mx: a.b\n"));
    assert_false(parse(buffer_slice(&text)));
    buffer_reset(&text);
    buffer_add(&text, S("version: STSv1\nmode: none\nmax_age: 1\nx: "));
    while (text.n < STS_BODY_MAX)
        buffer_add_char(&text, 'x');
    assert_true(parse(buffer_slice(&text)));
    buffer_add_char(&text, 'x');
    assert_false(parse(buffer_slice(&text)));
    buffer_finish(&text);
}

/* RFC 8461 §4.1 */
static void hosts(void **state)
{
    assert_true(
        parse(S("version: STSv1\nmode: enforce\nmax_age: 1\nmx: mx.a.test\nmx: *.b.test\n")));
    assert_true(sts_match(&p, S("mx.a.test")) && sts_match(&p, S("MX.A.test.")));
    assert_true(sts_match(&p, S("x.b.test")));
    assert_false(sts_match(&p, S("b.test")) || sts_match(&p, S("y.x.b.test")));
    assert_false(sts_match(&p, S(".b.test")) || sts_match(&p, S("a.test")));
    assert_false(sts_match(&p, S("")) || sts_match(&p, S("xmx.a.test")));
}

static void rows(void **state)
{
    static char row[STS_ROW_MAX];
    struct sts_policy back;
    assert_true(parse(S("version: STSv1\nmode: testing\nmax_age: 31557600\nmx: mx.a.test\n")));
    p.fetched = INT64_C(1700000000);
    snprintf(p.id, sizeof p.id, "abc");
    size_t n = sts_row_pack(&p, row);
    assert_true(sts_row_unpack(slice(row, n), &back));
    assert_int_equal(back.mode, STS_TESTING);
    assert_int_equal(back.max_age, STS_AGE_MAX);
    assert_int_equal(back.fetched, p.fetched);
    assert_string_equal(back.id, "abc");
    assert_slice(back.mx, S("mx.a.test\n"));
    for (size_t i = 0; i < n; i++)
        assert_false(sts_row_unpack(slice(row, i), &back));
    assert_false(sts_expired(&p, p.fetched + STS_AGE_MAX));
    assert_true(sts_expired(&p, p.fetched + STS_AGE_MAX + 1));
    char name[300];
    memset(name, 'a', sizeof name);
    assert_int_equal(sts_row_key(slice(name, 256)).n, 257);
    assert_int_equal(sts_row_key(slice(name, 257)).n, 0);
}

static void strings(void **state)
{
    struct buffer text;
    buffer_init(&text, 8);
    assert_true(sts_fetch_text(S("\3abc\0\2de"), &text));
    assert_slice(buffer_slice(&text), S("abcde"));
    assert_false(sts_fetch_text(S("\4abc"), &text));
    assert_false(sts_fetch_text(S("\11"
                                  "123456789"),
        &text));
    buffer_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(policies),
        cmocka_unit_test(broken_policies), cmocka_unit_test(limits), cmocka_unit_test(hosts),
        cmocka_unit_test(rows), cmocka_unit_test(strings)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_finish(&mx);
    return failed;
}
