#include "dns/dns_private.h"
#include "unit/unit.h"
#include <arpa/inet.h>
#include <netinet/in.h>

static void reads(struct slice wire, const char *text, size_t used_wanted)
{
    char out[DNS_NAME_MAX];
    size_t n, used;
    assert_true(dns_name_read(wire, out, &n, &used));
    assert_slice(slice(out, n), slice_str(text));
    assert_int_equal(used, used_wanted);
}

static void refuses(struct slice wire)
{
    char out[DNS_NAME_MAX];
    size_t n, used;
    assert_false(dns_name_read(wire, out, &n, &used));
}

static void names(void **state)
{
    reads(S("\2Mx\4TEST\0"), "mx.test", 9);
    reads(S("\2mx\4test\0more"), "mx.test", 9);
    reads(S("\0"), "", 1);
    reads(S("\5_a-b9\0"), "_a-b9", 7);
    refuses(S(""));
    refuses(S("\2mx"));
    refuses(S("\2mx\4tes"));
    refuses(S("\2m"));
    refuses(S("\xc0\x0c\0")); /* a pointer */
    refuses(S("\x40"
              "x\0")); /* 64 */
    refuses(S("\3a b\0"));
    refuses(S("\3a.b\0"));
    refuses(S("\3a\0b\0"));
    refuses(S("\2\xc3\xa4\0"));
}

/* Labels of 63 bytes up to the longest name, and one byte more. */
static void lengths(void **state)
{
    char wire[300];
    for (size_t last = 61; last <= 62; last++) {
        size_t n = 0;
        for (size_t i = 0; i < 4; i++) {
            size_t label = i < 3 ? 63 : last;
            wire[n++] = (char)label;
            memset(wire + n, 'a', label);
            n += label;
        }
        wire[n++] = '\0';
        char out[DNS_NAME_MAX];
        size_t out_n, used;
        bool fits = dns_name_read(slice(wire, n), out, &out_n, &used);
        assert_int_equal(fits, last == 61); /* RFC 1035 §2.3.4: 255 bytes on the wire */
        if (fits)
            assert_int_equal(out_n, 253);
    }
}

static void reverse_of(const char *text, int family, const char *expected)
{
    struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
    char out[80];
    if (family == AF_INET)
        inet_pton(family, text, &((struct sockaddr_in *)(void *)&a)->sin_addr);
    else if (family == AF_INET6)
        inet_pton(family, text, &((struct sockaddr_in6 *)(void *)&a)->sin6_addr);
    size_t n = dns_reverse((const struct sockaddr *)&a, out);
    assert_slice(slice(out, n), slice_str(expected));
    assert_int_equal(out[n], '\0');
}

static void reverse(void **state)
{
    reverse_of("192.0.2.255", AF_INET, "255.2.0.192.in-addr.arpa");
    reverse_of("255.255.255.255", AF_INET, "255.255.255.255.in-addr.arpa");
    reverse_of("::ffff:192.0.2.1", AF_INET6, "1.2.0.192.in-addr.arpa");
    reverse_of("2001:db8::1234:567f", AF_INET6,
        "f.7.6.5.4.3.2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    reverse_of("", AF_UNIX, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names), cmocka_unit_test(lengths), cmocka_unit_test(reverse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
