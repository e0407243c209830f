#include "message/scan.h"
#include "message_test.h"

static struct scan scanned(struct slice m, size_t step)
{
    struct scan s;
    scan_init(&s);
    for (size_t at = 0; at < m.n; at += step)
        scan_feed(&s, slice_sub(m, at, step));
    scan_end(&s);
    return s;
}

static void a_message_cut_anywhere(void **state)
{
    struct slice m =
        S("Received: by a\r\n from: b\r\nrecEIVED \t: c\r\nReceived-SPF: x\r\n"
          "Received\r\nFrom: d\r\nDelivered-To: e\r\nA-very-long-name-of-a-field: f\r\n"
          "Message-ID: <g>\r\nRe ceived: h\r\n\r\nReceived: i\r\nFrom: j\r\n");
    for (size_t step = 1; step <= m.n; step++) {
        struct scan s = scanned(m, step);
        assert_int_equal(s.bytes, m.n);
        assert_int_equal(s.header_bytes, slice_find_slice(m, S("\r\n\r\n")) + 4);
        assert_int_equal(s.field[SCAN_RECEIVED], 2);
        assert_int_equal(s.field[SCAN_FROM], 1);
        assert_int_equal(s.field[SCAN_DELIVERED_TO], 1);
        assert_int_equal(s.field[SCAN_MESSAGE_ID], 1);
        assert_int_equal(s.field[SCAN_DATE], 0);
        assert_int_equal(s.longest_line, 30);
        assert_true(s.in_body);
        assert_false(s.bare_cr || s.bare_lf || s.nul || s.header_8bit || s.body_8bit);
        assert_false(s.ends_in_line);
    }
}

/* RFC 8689 §3 */
static void tls_required(void **state)
{
    static const struct {
        const char *m;
        bool optional;
    } cases[] = {
        {"TLS-Required: No\r\n\r\n", true},
        {"tls-required:no\r\nSubject: x\r\n\r\n", true},
        {"TLS-Required:\r\n No\r\n\r\nx", true},
        {"A: b\r\nTLS-Required: \tNo \r\n\r\n", true},
        {"TLS-Required: No\n\n", true},
        {"TLS-Required: No", true},
        {"TLS-Required: Yes\r\nTLS-Required: No\r\n\r\n", true},
        {"TLS-Required: Not\r\n\r\n", false},
        {"TLS-Required: N\r\n\r\n", false},
        {"TLS-Required: No\r\n way\r\n\r\n", false},
        {"TLS-Required: No,\r\n\r\n", false},
        {"TLS-Required:\r\nNo: x\r\n\r\n", false},
        {"X-TLS-Required: No\r\n\r\n", false},
        {"Subject: x\r\n TLS-Required: No\r\n\r\n", false},
        {"A: b\r\n\r\nTLS-Required: No\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step <= strlen(cases[i].m) + 1; step++)
            if (scanned(slice_str(cases[i].m), step).tls_optional != cases[i].optional)
                fail_msg("case %zu in pieces of %zu", i, step);
}

static void odd_bytes(void **state)
{
    static const struct {
        struct slice m;
        const char *facts; /* c: bare CR, l: bare LF, n: NUL, h, b: 8-bit, e: ends in line */
        size_t header, longest;
    } cases[] = {
        {{"", 0}, "", 0, 0},
        {{"\n", 1}, "l", 1, 0},
        {{"\r\n", 2}, "", 2, 0},
        {{"\r", 1}, "ce", 1, 1},
        {{"\r\r\n", 3}, "c", 3, 1},
        {{"A: b", 4}, "e", 4, 4},
        {{"A: b\r\n\r\n\r", 9}, "ce", 8, 4},
        {{"A: b\r\n\r\nx\rx\r\n", 13}, "c", 8, 4},
        {{"A: b\r\n\nx\r\n", 10}, "l", 7, 4},
        {{"A: \xff\r\n\r\nx\r\n", 11}, "h", 8, 4},
        {{"A: b\r\n\r\nxxxxxxxx\xff\r\n", 19}, "b", 8, 9},
        {{"A: b\0\r\n\r\n\0", 10}, "ne", 9, 5},
        {{"A: b\r\n\r\n12345", 13}, "e", 8, 5},
        {{"A: b\n \nc: d", 11}, "le", 11, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step <= cases[i].m.n + 1; step++) {
            struct scan s = scanned(cases[i].m, step);
            const char *facts = cases[i].facts;
            assert_int_equal(s.bare_cr, strchr(facts, 'c') != NULL);
            assert_int_equal(s.bare_lf, strchr(facts, 'l') != NULL);
            assert_int_equal(s.nul, strchr(facts, 'n') != NULL);
            assert_int_equal(s.header_8bit, strchr(facts, 'h') != NULL);
            assert_int_equal(s.body_8bit, strchr(facts, 'b') != NULL);
            assert_int_equal(s.ends_in_line, strchr(facts, 'e') != NULL);
            assert_int_equal(s.header_bytes, cases[i].header);
            assert_int_equal(s.longest_line, cases[i].longest);
        }
}

static void hostile_input_takes_linear_time(void **state)
{
    static const struct slice units[] = {{"\n", 1}, {"\r", 1}, {"\r\n", 2}, {"x", 1}, {"A:\n", 3},
        {" ", 1}, {"Received:\n", 10}, {"\0", 1}, {":", 1}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice m = repeated(S("A: b\n"), units[i], TEN_MB);
        int64_t start = cpu_now();
        scanned(m, 1 + i * 1000);
        assert_within_time(start);
        drop(m);
    }
}

static void plain_text_is_fast(void **state)
{
    struct slice line =
        S("Some seventy bytes of plain text, as a mail has them, line by line ..\r\n");
    struct slice m = repeated(S("A: b\r\n\r\n"), line, TEN_MB);
    int64_t best = INT64_MAX;
    for (int i = 0; i < 10; i++) {
        int64_t start = cpu_now();
        scanned(m, 65536);
        int64_t took = cpu_now() - start;
        best = took < best ? took : best;
    }
    print_message("%.2f GB/s\n", (double)m.n / (double)best);
    assert_true(best < TIME_MAX / 100); /* 1 GB/s */
    drop(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_cut_anywhere),
        cmocka_unit_test(tls_required),
        cmocka_unit_test(odd_bytes),
        cmocka_unit_test(hostile_input_takes_linear_time),
        cmocka_unit_test(plain_text_is_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
