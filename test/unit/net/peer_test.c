#include "net/peer.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct peer v4(const char *text)
{
    struct peer p;
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(25)};
    assert_int_equal(inet_pton(AF_INET, text, &sin.sin_addr), 1);
    peer_set(&p, (struct sockaddr *)&sin, sizeof sin);
    return p;
}

static struct peer v6(const char *text)
{
    struct peer p;
    struct sockaddr_in6 sin = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
    assert_int_equal(inet_pton(AF_INET6, text, &sin.sin6_addr), 1);
    peer_set(&p, (struct sockaddr *)&sin, sizeof sin);
    return p;
}

static struct peer local(void)
{
    struct peer p;
    struct sockaddr addr = {.sa_family = AF_UNIX};
    peer_set(&p, &addr, sizeof addr.sa_family);
    return p;
}

static void literal_is(struct peer p, const char *want)
{
    char out[PEER_TEXT + 8];
    struct slice got = peer_literal(&p, out);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void texts(void **state)
{
    assert_string_equal(v4("192.0.2.1").address, "192.0.2.1");
    assert_string_equal(v6("::ffff:192.0.2.1").address, "192.0.2.1");
    assert_int_equal(v6("::ffff:192.0.2.1").port, 25);
    assert_string_equal(v6("2001:DB8:0::1").address, "2001:db8::1");
    assert_string_equal(local().address, "unix");
    literal_is(v4("192.0.2.1"), "[192.0.2.1]");
    literal_is(v6("::ffff:192.0.2.1"), "[192.0.2.1]");
    literal_is(v6("2001:db8:1111:2222:3333:4444:5555:6666"),
        "[IPv6:2001:db8:1111:2222:3333:4444:5555:6666]");
}

static uint64_t key(struct peer p)
{
    return peer_network_key(&p);
}

static void keys(void **state)
{
    assert_int_equal(key(v4("192.0.2.1")), key(v6("::ffff:192.0.2.1")));
    assert_int_not_equal(key(v4("192.0.2.1")), key(v4("192.0.2.2")));
    assert_int_equal(key(v6("2001:db8:0:1::1")), key(v6("2001:db8:0:1:ffff::2")));
    assert_int_not_equal(key(v6("2001:db8:0:1::1")), key(v6("2001:db8:0:2::1")));
    assert_int_equal(key(local()), key(local()));
    assert_int_not_equal(key(local()), key(v6("::1")));
}

static void kinds(void **state)
{
    struct peer a = v4("127.1.2.3"), b = v6("::1"), c = local(), d = v4("128.0.0.1");
    assert_true(peer_loopback(&a) && peer_loopback(&b) && peer_loopback(&c));
    assert_false(peer_loopback(&d));
    struct peer e = v6("::ffff:128.0.0.1"), f = v6("2001:db8::1"), g = v6("2001:db8::2");
    assert_true(peer_same_address(&d, &e) && peer_same_address(&f, &f));
    assert_false(peer_same_address(&f, &g) || peer_same_address(&a, &b));
}

static bool holds(struct slice block, struct peer p)
{
    struct peer_network n;
    assert_true(peer_network_parse(block, &n));
    return peer_network_holds(&n, &p);
}

static void networks(void **state)
{
    struct peer_network n;
    assert_true(holds(S("192.0.2.0/23"), v4("192.0.3.255")));
    assert_false(holds(S("192.0.2.0/23"), v4("192.0.4.0")));
    assert_true(holds(S("192.0.2.7"), v4("192.0.2.7")));
    assert_false(holds(S("192.0.2.7"), v4("192.0.2.6")));
    assert_true(holds(S("0.0.0.0/0"), v4("255.255.255.255")));
    assert_false(holds(S("0.0.0.0/0"), v6("2001:db8::1")));
    assert_true(holds(S("2001:db8::/33"), v6("2001:db8:7fff::1")));
    assert_false(holds(S("2001:db8::/33"), v6("2001:db8:8000::1")));
    assert_false(holds(S("2001:db8::/33"), local()));
    assert_false(peer_network_parse(S("192.0.2.0/33"), &n));
    assert_false(peer_network_parse(S("192.0.2.0/"), &n));
    assert_false(peer_network_parse(S("192.0.2/24"), &n));
    assert_false(peer_network_parse(S("::/129"), &n));
    assert_false(peer_network_parse(S(""), &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(keys),
        cmocka_unit_test(kinds), cmocka_unit_test(networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
