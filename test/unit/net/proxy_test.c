#include "net/proxy_private.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct proxy_header header;

/* Every shorter beginning asks for no more than the header has. */
static void takes(struct slice in, size_t n)
{
    size_t more;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(proxy_parse(slice_sub(in, 0, i), &header, &more), PROXY_MORE);
        assert_true(more > 0 && i + more <= n);
    }
    for (size_t i = n; i <= in.n; i++) {
        assert_int_equal(proxy_parse(slice_sub(in, 0, i), &header, &more), PROXY_DONE);
        assert_int_equal(more, n);
    }
}

static void refuses(struct slice in)
{
    size_t n;
    assert_int_equal(proxy_parse(in, &header, &n), PROXY_BAD);
}

static void version_1(void **state)
{
    takes(S("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\nEHLO"), 44);
    assert_true(header.named);
    assert_string_equal(header.source.address, "192.0.2.1");
    assert_int_equal(header.source.port, 56324);
    assert_string_equal(header.destination.address, "198.51.100.1");
    assert_int_equal(header.destination.port, 25);
    takes(S("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), 36);
    assert_string_equal(header.source.address, "2001:db8::1");
    takes(S("PROXY UNKNOWN\r\nEHLO"), 15);
    assert_false(header.named);
    takes(S("PROXY UNKNOWN anything at all\r\n"), 31);
    assert_false(header.named);
}

static void bad_version_1(void **state)
{
    refuses(S("EHLO example.org\r\n"));
    refuses(S("PROXX"));
    refuses(S("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\n"));
    refuses(S("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n"));
    refuses(S("PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n"));
    refuses(S("PROXY TCP4 192.0.2.1 198.51.100.1 000001 25\r\n"));
    refuses(S("PROXY TCP4 192.0.2.1 198.51.100.1 1 25 \r\n"));
    refuses(S("PROXY TCP4 2001:db8::1 ::1 1 2\r\n"));
    refuses(S("PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n"));
    refuses(S("PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n"));
    refuses(S("PROXY TCP4 192.0.2.1\0 198.51.100.1 1 2\r\n"));
    refuses(S("PROXY \r\n"));
    char longest[108] = "PROXY UNKNOWN ";
    memset(longest + 14, 'x', sizeof longest - 14);
    size_t n;
    assert_int_equal(proxy_parse(slice(longest, 105), &header, &n), PROXY_MORE);
    refuses(slice(longest, 107));
    memcpy(longest + 105, "\r\n", 2);
    takes(slice(longest, 107), 107);
    memcpy(longest + 105, "x\r\n", 3);
    refuses(slice(longest, 108));
}

#define HEAD "\r\n\r\n\0\r\nQUIT\n"

static void version_2(void **state)
{
    takes(S(HEAD "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\xdc\4\0\x19"
                 "EHLO"),
        28);
    assert_true(header.named);
    assert_string_equal(header.source.address, "192.0.2.1");
    assert_int_equal(header.source.port, 56324);
    assert_int_equal(header.destination.port, 25);
    takes(S(HEAD "\x21\x21\0\x26"
                 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
                 "\0\1\0\2\4\5rest"),
        54);
    assert_string_equal(header.source.address, "2001:db8::1");
    assert_string_equal(header.destination.address, "2001:db8::2");
    takes(S(HEAD "\x20\0\0\0"), 16);
    assert_false(header.named);
    takes(S(HEAD "\x21\0\0\3abc"), 19);
    assert_false(header.named);
}

static void bad_version_2(void **state)
{
    refuses(S("\r\n\r\n\0\r\nQUIX\n"));
    refuses(S("\r\n\r\n\1"));
    refuses(S(HEAD "\x11\x11\0\x0c"));
    refuses(S(HEAD "\x22\x11\0\x0c"));
    refuses(S(HEAD "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\1\xdc\4\0"));
    refuses(S(HEAD "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\1\xdc\4\0\x19"));
    refuses(S(HEAD "\x21\x41\0\x0c\xc0\0\2\1\xc6\x33\x64\1\xdc\4\0\x19"));
    refuses(S(HEAD "\x21\x11\x0f\xf1"));
    size_t n;
    assert_int_equal(proxy_parse(S(HEAD "\x21\x11\x0f\xf0"), &header, &n), PROXY_MORE);
    assert_int_equal(n, PROXY_MAX - 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(version_1), cmocka_unit_test(bad_version_1),
        cmocka_unit_test(version_2), cmocka_unit_test(bad_version_2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
