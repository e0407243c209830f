#include "delivery/table.h"
#include "unit/unit.h"
#include <arpa/inet.h>

static struct delivery_table *t;
static char why[DELIVERY_TABLE_WHY], out[QUEUE_ROUTE_MAX];

static int set_up(void **state)
{
    t = delivery_table_create();
    return t ? 0 : -1;
}

static int tear_down(void **state)
{
    delivery_table_destroy(t);
    return 0;
}

static bool add_way(enum delivery_by by, const char *domain, struct delivery_way w)
{
    why[0] = '\0';
    return delivery_table_add(t, by, slice_str(domain), &w, why);
}

static bool add(enum delivery_by by, const char *domain, const char *via)
{
    return add_way(by, domain, (struct delivery_way){.via = slice_str(via)});
}

static void goes(const char *recipient, const char *sender, const char *route)
{
    struct slice r = delivery_table_route(t, slice_str(recipient), slice_str(sender), out);
    if (!slice_eq(r, slice_str(route)))
        fail_msg("%s to %s: " SLICE_FMT ", not %s", sender, recipient, SLICE_ARG(r), route);
}

static const struct delivery_hop *hop(const char *route)
{
    struct slice domain;
    return delivery_table_hop(t, slice_str(route), &domain);
}

static void without_a_table(void **state)
{
    struct slice domain;
    socklen_t n;
    assert_true(slice_eq(delivery_table_route(NULL, S("a.test"), S("b.test"), out), S("a.test")));
    assert_null(delivery_table_hop(NULL, S("a.test"), &domain));
    assert_true(slice_eq(domain, S("a.test")));
    assert_null(delivery_table_hop(NULL, S("[IPv6:2001:db8::1]"), &domain));
    assert_true(slice_eq(domain, S("[IPv6:2001:db8::1]")));
    assert_null(delivery_table_hop(NULL, S("relay.test:587"), &domain));
    assert_int_equal(domain.n, 0);
    assert_null(delivery_table_hop(NULL, S("[2001:db8::1]:25"), &domain));
    assert_int_equal(domain.n, 0);
    assert_null(delivery_table_hop(NULL, S("a.test from 192.0.2.1"), &domain));
    assert_true(slice_eq(domain, S("a.test")));
    assert_null(delivery_table_from(NULL, NULL, AF_INET, &n));
    assert_int_equal(delivery_table_mark(NULL), delivery_table_mark(t));
}

/* Recipient, then sender, then all, then MX. */
static void who_decides(void **state)
{
    goes("x.test", "y.test", "x.test");
    assert_true(add(DELIVERY_BY_SENDER, "Y.Test", "two.test:26"));
    assert_true(add(DELIVERY_BY_RECIPIENT, "to.TEST", "one.test:25"));
    assert_true(add(DELIVERY_BY_RECIPIENT, "mx.test", "mx"));
    assert_true(add(DELIVERY_BY_SENDER, "free.test", ""));
    goes("x.test", "z.test", "x.test");
    assert_true(add(DELIVERY_BY_ALL, "", "relay.test:587"));
    goes("to.test", "y.test", "one.test:25");
    goes("x.test", "y.test", "two.test:26");
    goes("x.test", "", "relay.test:587");
    goes("sub.to.test", "z.test", "relay.test:587");
    goes("mx.test", "y.test", "mx.test");
    goes("x.test", "free.test", "x.test");
    assert_int_equal(hop("one.test:25")->port, 25);
    assert_string_equal(hop("two.test:26")->host, "two.test");
    assert_null(hop("one.test:26"));
    assert_null(hop("x.test"));
}

static void addresses(void **state)
{
    struct slice route;
    assert_true(add(DELIVERY_BY_RECIPIENT, "b\303\274cher.test", "one.test:25"));
    assert_true(add(DELIVERY_BY_SENDER, "y.test", "two.test:25"));
    assert_true(delivery_table_route_of(t, S("x@B\303\234CHER.test"), S("a@y.test"), out, &route));
    assert_true(slice_eq(route, S("one.test:25")));
    assert_true(delivery_table_route_of(t, S("\"a@b\"@Far.Test"), S("a@y.test"), out, &route));
    assert_true(slice_eq(route, S("two.test:25")));
    assert_true(delivery_table_route_of(t, S("x@Far.Test"), S(""), out, &route));
    assert_true(slice_eq(route, S("far.test")));
    assert_false(delivery_table_route_of(t, S("x"), S(""), out, &route));
    assert_false(delivery_table_route_of(t, S("x@"), S(""), out, &route));
}

/* What differs in anything is another hop; what is alike is one. */
static void hops(void **state)
{
    struct delivery_way w = {.via = S("h.test:587"), .login = S("me"), .password = S("secret")};
    const struct delivery_hop *first;
    assert_true(add_way(DELIVERY_BY_RECIPIENT, "a.test", w));
    assert_true(add_way(DELIVERY_BY_RECIPIENT, "b.test", w));
    w.login = S("you");
    assert_true(add_way(DELIVERY_BY_RECIPIENT, "c.test", w));
    w.password = S("other");
    assert_true(add_way(DELIVERY_BY_RECIPIENT, "d.test", w));
    w.tls = DELIVERY_TLS_ENCRYPT;
    assert_true(add_way(DELIVERY_BY_RECIPIENT, "e.test", w));
    w.source[0] = S("192.0.2.5");
    w.source_n = 1;
    assert_true(add_way(DELIVERY_BY_RECIPIENT, "f.test", w));
    assert_int_equal(delivery_table_hops(t, &first), 5);
    goes("a.test", "", "h.test:587");
    goes("b.test", "", "h.test:587");
    goes("c.test", "", "h.test:587#2");
    goes("d.test", "", "h.test:587#3");
    goes("e.test", "", "h.test:587#4");
    goes("f.test", "", "h.test:587#5");
    assert_int_equal(hop("h.test:587")->tls, DELIVERY_TLS_VERIFY);
    assert_true(slice_eq(hop("h.test:587#3")->way.password, S("other")));
    assert_false(delivery_hop_same(hop("h.test:587#2"), hop("h.test:587#3")));
}

static void kinds(void **state)
{
    const struct delivery_hop *h;
    assert_true(add(DELIVERY_BY_RECIPIENT, "a.test", "unix:/run/lmtp"));
    goes("a.test", "", "lmtp:unix:/run/lmtp");
    h = hop("lmtp:unix:/run/lmtp");
    assert_true(h->socket && h->lmtp && !h->mx && !h->port);
    assert_string_equal(h->host, "/run/lmtp");
    assert_true(add_way(DELIVERY_BY_RECIPIENT, "b.test",
        (struct delivery_way){.via = S("[2001:db8::1]:24"), .lmtp = true}));
    goes("b.test", "", "lmtp:[2001:db8::1]:24");
    assert_true(hop("lmtp:[2001:db8::1]:24")->lmtp);
    assert_true(add(DELIVERY_BY_RECIPIENT, "c.test", "h.test:465"));
    assert_true(hop("h.test:465")->tls_at_once);
    assert_int_equal(hop("h.test:465")->tls, DELIVERY_TLS_ENCRYPT);
    assert_true(add(DELIVERY_BY_RECIPIENT, "d.test", "h.test:587"));
    assert_int_equal(hop("h.test:587")->tls, DELIVERY_TLS_OPPORTUNISTIC);
    assert_true(add(DELIVERY_BY_RECIPIENT, "e.test", "unix:/a b/x from y]"));
    assert_non_null(hop("lmtp:unix:/a b/x from y]"));
}

static void from(int family, const struct delivery_hop *h, const char *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    socklen_t n;
    const struct sockaddr *a = delivery_table_from(t, h, family, &n);
    if (a)
        inet_ntop(family,
            family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr
                : &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
            text, sizeof text);
    assert_string_equal(text, address);
}

/* Each family by itself: of the way, else of all. */
static void sources(void **state)
{
    struct slice all[] = {S("2001:db8::1"), S("192.0.2.1")};
    struct slice domain;
    char longest[260];
    assert_true(delivery_table_source(t, all, 2, why));
    struct delivery_way w = {.source = {S("192.0.2.5")}, .source_n = 1};
    assert_true(add_way(DELIVERY_BY_SENDER, "a.test", w));
    w.source[1] = S("2001:db8::5");
    w.source_n = 2;
    assert_true(add_way(DELIVERY_BY_SENDER, "b.test", w));
    goes("x.test", "a.test", "x.test from 192.0.2.5");
    goes("x.test", "b.test", "x.test from 192.0.2.5,2001:db8::5");
    goes("[IPv6:2001:db8::9]", "b.test", "[IPv6:2001:db8::9] from 192.0.2.5,2001:db8::5");
    const struct delivery_hop *h =
        delivery_table_hop(t, S("[IPv6:2001:db8::9] from 192.0.2.5,2001:db8::5"), &domain);
    assert_true(h && h->mx && slice_eq(domain, S("[IPv6:2001:db8::9]")));
    from(AF_INET, h, "192.0.2.5");
    from(AF_INET6, h, "2001:db8::5");
    from(AF_INET6, hop("x.test from 192.0.2.5"), "2001:db8::1");
    from(AF_INET, NULL, "192.0.2.1");
    from(AF_UNIX, NULL, "");
    memset(longest, 'a', 255);
    longest[255] = '\0';
    struct slice route = delivery_table_route(t, slice_str(longest), S("b.test"), out);
    assert_int_equal(route.n, 255 + strlen(" from 192.0.2.5,2001:db8::5"));
    assert_true(route.n <= QUEUE_ROUTE_MAX);
}

static void refused(struct delivery_way w, const char *text)
{
    if (add_way(DELIVERY_BY_RECIPIENT, "a.test", w))
        fail_msg("taken: " SLICE_FMT, SLICE_ARG(w.via));
    if (!strstr(why, text) || strstr(why, "secret"))
        fail_msg("'%s' is not: %s", text, why);
}

static void bad_ways(void **state)
{
    static const char *const bad[] = {"h.test", "h.test:", ":25", "h.test:0", "h.test:65536",
        "h test:25", "2001:db8::1:25", "-h:25", "smtp:h.test:25", "MX"};
    char path[130];
    struct slice login = S("me"), password = S("secret");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused((struct delivery_way){.via = slice_str(bad[i])}, "is not HOST:PORT");
    refused((struct delivery_way){.via = S("unix:run")}, "absolute path");
    for (size_t n = 107; n <= 108; n++) {
        snprintf(path, sizeof path, "unix:/%0*d", (int)n - 1, 0);
        assert_int_equal(add(DELIVERY_BY_SENDER, n == 107 ? "s.test" : "r.test", path), n == 107);
    }
    refused((struct delivery_way){.via = S("h.test:25"), .lmtp = true}, "never spoken on port 25");
    refused((struct delivery_way){.via = S("h.test:25"), .login = login}, "belong together");
    refused((struct delivery_way){.via = S("h.test:25"), .password = password}, "belong together");
    struct delivery_way w = {.via = S("h.test:25"),
        .login = login,
        .password = password,
        .tls = DELIVERY_TLS_OPPORTUNISTIC};
    refused(w, "over TLS only");
    w.tls = DELIVERY_TLS_DEFAULT;
    w.via = S("unix:/run/lmtp");
    refused(w, "on a unix socket");
    w.via = S("mx");
    refused(w, "there is none");
    w.via = S("h.test:587");
    w.password = S("sec\nret");
    refused(w, "control characters");
    refused((struct delivery_way){.lmtp = true}, "speak SMTP only");
    refused((struct delivery_way){.tls = DELIVERY_TLS_VERIFY}, "there is none");
    w = (struct delivery_way){.via = S("h.test:25"), .source = {S("h.test")}, .source_n = 1};
    refused(w, "h.test is no address");
    w.source[0] = w.source[1] = S("192.0.2.1");
    w.source_n = 2;
    refused(w, "one IPv4 and one IPv6");
    w.via = S("unix:/run/lmtp");
    w.source_n = 1;
    refused(w, "has no address");
}

static void bad_domains(void **state)
{
    assert_true(add(DELIVERY_BY_RECIPIENT, "a.test", "h.test:25"));
    assert_true(add(DELIVERY_BY_SENDER, "a.test", "h.test:25"));
    assert_false(add(DELIVERY_BY_RECIPIENT, "A.TEST", "i.test:25"));
    assert_non_null(strstr(why, "a.test has a route already"));
    assert_false(add(DELIVERY_BY_SENDER, "x@a.test", "i.test:25"));
    assert_non_null(strstr(why, "is no domain"));
    assert_false(add(DELIVERY_BY_SENDER, "", "i.test:25"));
    assert_true(add(DELIVERY_BY_RECIPIENT, "[192.0.2.1]", "i.test:25"));
}

static void limit(void **state)
{
    char domain[32];
    for (int i = 0; i <= DELIVERY_ROWS_MAX; i++) {
        char via[32];
        snprintf(domain, sizeof domain, "d%d.test", i);
        snprintf(via, sizeof via, "h%d.test:25", i);
        assert_int_equal(add(DELIVERY_BY_SENDER, domain, via), i < DELIVERY_ROWS_MAX);
    }
    assert_non_null(strstr(why, "more than 256"));
    assert_true(add(DELIVERY_BY_ALL, "", "all.test:25"));
    goes("x.test", "d255.test", "h255.test:25");
    goes("x.test", "d256.test", "all.test:25");
}

/* Tells which mail goes where, in whatever order it is written; how a hop is reached is not part.
 */
static void marks(void **state)
{
    uint32_t mark[4];
    for (int i = 0; i < 4; i++) {
        struct delivery_way w = {
            .via = S("h.test:587"), .login = S("me"), .password = i == 1 ? S("one") : S("two")};
        tear_down(NULL);
        set_up(NULL);
        if (i < 2)
            assert_true(add_way(DELIVERY_BY_SENDER, "a.test", w));
        assert_true(add(DELIVERY_BY_RECIPIENT, i == 3 ? "c.test" : "b.test", "mx"));
        if (i >= 2)
            assert_true(add_way(DELIVERY_BY_SENDER, "a.test", w));
        mark[i] = delivery_table_mark(t);
    }
    assert_int_equal(mark[0], mark[1]);
    assert_int_equal(mark[0], mark[2]);
    assert_int_not_equal(mark[0], mark[3]);
    tear_down(NULL);
    set_up(NULL);
    assert_true(add(DELIVERY_BY_ALL, "", "h.test:587"));
    assert_int_not_equal(delivery_table_mark(t), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(without_a_table), TEST(who_decides), TEST(addresses),
        TEST(hops), TEST(kinds), TEST(sources), TEST(bad_ways), TEST(bad_domains), TEST(limit),
        TEST(marks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
