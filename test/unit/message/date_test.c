#include "message/date.h"
#include "message_test.h"

static void good_dates(void **state)
{
    static const struct {
        const char *text, *rfc3339;
    } cases[] = {
        {"Sun, 22 Nov 2026 03:12:16 +0000", "2026-11-22T03:12:16Z"},
        {"22 Nov 2026 03:12:16 +0100", "2026-11-22T03:12:16+01:00"},
        {"Sun, 22 Nov 2026 03:12 -0130", "2026-11-22T03:12:00-01:30"},
        {" (c) Sun (c(d)) , 22\r\n Nov 2026 (\\)) 03 : 12 : 16 (x) +0000 (UTC)",
            "2026-11-22T03:12:16Z"},
        {"1 Jan 49 0:0 Z", "2049-01-01T00:00:00Z"},
        {"1 Jan 50 0:0 GMT", "1950-01-01T00:00:00Z"},
        {"1 Jan 126 0:0 UT", "2026-01-01T00:00:00Z"},
        {"1 jan 2026 0:0:0 EST", "2026-01-01T00:00:00-05:00"},
        {"1 January 2026 0:0:0 pdt", "2026-01-01T00:00:00-07:00"},
        {"1 Jan 2026 0:0:0 XYZ", "2026-01-01T00:00:00Z"},
        {"1 Jan 2026 0:0:0", "2026-01-01T00:00:00Z"},
        {"Sunday 1-Jan-2026 0:0:0 +0530", "2026-01-01T00:00:00+05:30"},
        {"29 Feb 2024 23:59:60 +0000", "2024-02-29T23:59:60Z"},
        {"1 Jan 0001 0:0 +0000", "0001-01-01T00:00:00Z"},
    };
    char out[DATE_TEXT_MAX];
    struct date d;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!date_parse(slice_str(cases[i].text), &d))
            fail_msg("not taken: %s", cases[i].text);
        assert_slice(date_format_rfc3339(&d, out), slice_str(cases[i].rfc3339));
    }
}

static void broken_dates(void **state)
{
    static const char *const bad[] = {"", "Sun,", "Sun, 22", "22 Nov", "22 Nov 2026",
        "22 Nov 2026 3", "0 Nov 2026 3:0", "31 Nov 2026 3:0", "29 Feb 2023 3:0", "22 Foo 2026 3:0",
        "22 Nov 2 3:0", "22 Nov 20266 3:0", "22 Nov 0000 3:0", "22 Nov 2026 24:00",
        "22 Nov 2026 3:60", "22 Nov 2026 3:0:61", "22 Nov 2026 3:0 +01", "22 Nov 2026 3:0 +0160",
        "22 Nov 2026 3:0 +2400", "222 Nov 2026 3:0", "22 Nov 2026 3:0:0 +99999999999999999999",
        "((((((", "(\\", "22 (", "99999999999999999999 Nov 2026 3:0"};
    struct date d;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (date_parse(slice_str(bad[i]), &d))
            fail_msg("taken: %s", bad[i]);
}

static void imap_dates(void **state)
{
    struct date d;
    char out[DATE_TEXT_MAX];
    assert_true(date_parse_imap(S("22-Nov-2026 03:12:16 +0000"), &d));
    assert_int_equal(date_to_unix(&d), 1795317136);
    assert_slice(date_format_imap(&d, out), S("22-Nov-2026 03:12:16 +0000"));
    assert_slice(date_format(&d, out), S("Sun, 22 Nov 2026 03:12:16 +0000"));
    assert_true(date_parse_imap(S(" 2-Nov-2026 03:12:16 -0130"), &d));
    assert_slice(date_format_imap(&d, out), S(" 2-Nov-2026 03:12:16 -0130"));
    static const char *const bad[] = {"2-Nov-2026 03:12:16 +0000", "  2-Nov-2026 03:12:16 +0000",
        "22-Nov-2026 03:12:16", "22-Nov-2026 03:12:16 +0000 ", "22-Nov-2026 3:12:16 +0000",
        "22-November-2026 03:12:16 +0000", "22-Nov-26 03:12:16 +0000", "31-Feb-2026 03:12:16 +0000",
        "22-Nov-2026 03:12:16 0000", "22-Nov-2026  03:12:16 +0000", "00-Nov-2026 03:12:16 +0000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (date_parse_imap(slice_str(bad[i]), &d))
            fail_msg("taken: %s", bad[i]);
    assert_true(date_parse_imap_day(S("2-Nov-2026"), &d));
    assert_true(date_parse_imap_day(S("02-nov-2026"), &d));
    assert_int_equal(d.day, 2);
    assert_false(date_parse_imap_day(S(" 2-Nov-2026"), &d));
    assert_false(date_parse_imap_day(S("2-Nov-2026 "), &d));
    assert_false(date_parse_imap_day(S("32-Nov-2026"), &d));
}

static void internet_dates(void **state)
{
    struct date d;
    char out[DATE_TEXT_MAX];
    assert_true(date_parse_rfc3339(S("2026-11-22T03:12:16Z"), &d));
    assert_int_equal(date_to_unix(&d), 1795317136);
    assert_true(date_parse_rfc3339(S("2026-11-22t04:42:16.999+01:30"), &d));
    assert_int_equal(date_to_unix(&d), 1795317136);
    assert_slice(date_format_rfc3339(&d, out), S("2026-11-22T04:42:16+01:30"));
    assert_true(date_parse_rfc3339(S("2028-02-29T23:59:60z"), &d));
    static const char *const bad[] = {"", "2026-11-22T03:12:16", "2026-11-22 03:12:16Z",
        "2026-11-22T03:12:16Z ", "2026-02-29T00:00:00Z", "2026-11-22T03:12Z",
        "2026-11-22T24:00:00Z", "2026-11-22T03:12:16.Z", "2026-11-22T03:12:16+0100",
        "2026-11-22T03:12:16+24:00", "2026-11-22T03:12:16+01:60", "26-11-22T03:12:16Z",
        "0000-11-22T03:12:16Z", "2026-11-22T03:12:61Z", "2026-13-22T03:12:16Z", "20261122T031216Z",
        "02026-11-22T03:12:16Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (date_parse_rfc3339(slice_str(bad[i]), &d))
            fail_msg("taken: %s", bad[i]);
}

static void every_day_of_all_years(void **state)
{
    int64_t seconds = -62135596800; /* 0001-01-01 */
    struct date before = date_from_unix(seconds, 0);
    assert_int_equal(before.year, 1);
    for (int64_t day = 1; day < 3652059; day++) {
        struct date d = date_from_unix(seconds + day * 86400, 0);
        bool next = d.day == before.day + 1 && d.month == before.month && d.year == before.year;
        bool month = d.day == 1 && before.day >= 28 &&
                     d.year * 12 + d.month == before.year * 12 + before.month + 1;
        assert_true(next || month);
        assert_int_equal(date_to_unix(&d), seconds + day * 86400);
        before = d;
    }
    assert_int_equal(before.year * 10000 + before.month * 100 + before.day, 99991231);
}

static void beyond_the_calendar(void **state)
{
    char out[DATE_TEXT_MAX];
    struct date d = date_from_unix(INT64_MAX, 0);
    assert_slice(date_format(&d, out), S("Fri, 31 Dec 9999 23:59:59 +0000"));
    d = date_from_unix(INT64_MIN, -1439);
    assert_slice(date_format(&d, out), S("Mon, 1 Jan 0001 00:00:00 -2359"));
    d = date_from_unix(-1, 90);
    assert_slice(date_format(&d, out), S("Thu, 1 Jan 1970 01:29:59 +0130"));
    assert_int_equal(date_to_unix(&d), -1);
    assert_int_equal(date_from_unix(0, 1440).zone, 0);
}

static void hostile_dates_take_linear_time(void **state)
{
    static const char *const units[] = {"(", " ", "(\\", "1", "a", "()"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice text = repeated(S(""), slice_str(units[i]), TEN_MB);
        struct date d;
        int64_t start = cpu_now();
        assert_false(date_parse(text, &d));
        assert_within_time(start);
        drop(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_dates),
        cmocka_unit_test(broken_dates),
        cmocka_unit_test(imap_dates),
        cmocka_unit_test(internet_dates),
        cmocka_unit_test(every_day_of_all_years),
        cmocka_unit_test(beyond_the_calendar),
        cmocka_unit_test(hostile_dates_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
