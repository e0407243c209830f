/* MX and addresses: what their records mean, pure and over a name server that is played here. */
#include "dns/dns_private.h"
#include "unit/dns/script.h"
#include "unit/task/check.h"
#include "unit/unit.h"
#include <arpa/inet.h>
#include <netinet/in.h>

#define SOON deadline_in(60 * CLOCK_SEC)

enum { RECORDS = DNS_RECORDS_MAX };

static uint8_t data[RECORDS][300];
static struct dns_record records[RECORDS];
static struct dns_answer answer;
static struct dns_mx_answer mx;
static struct arena arena;

static int begin(void **state)
{
    answer = (struct dns_answer){.status = DNS_FOUND, .records = records};
    memset(&mx, 0xff, sizeof mx);
    arena_init(&arena, (size_t)1024 * 1024);
    return 0;
}

static int end(void **state)
{
    arena_reset(&arena);
    return 0;
}

static void add(struct slice rdata)
{
    memcpy(data[answer.n], rdata.p, rdata.n);
    records[answer.n].data = slice(data[answer.n], rdata.n);
    answer.n++;
}

static void add_mx(unsigned preference, const char *host)
{
    uint8_t *to = data[answer.n];
    to[0] = (uint8_t)(preference >> 8);
    to[1] = (uint8_t)preference;
    records[answer.n].data = slice(to, 2 + script_name(to + 2, host));
    answer.n++;
}

/* ---- MX, pure ---- */

static void by_preference(void **state)
{
    add_mx(20, "c.test");
    add_mx(65535, "e.test");
    add_mx(0, "A.test");
    add_mx(256, "d.test");
    add_mx(10, "b.test");
    dns_mx_take(&answer, &arena, &mx);
    assert_int_equal(mx.status, DNS_FOUND);
    assert_int_equal(mx.n, 5);
    static const char *const order[] = {"a.test", "b.test", "c.test", "d.test", "e.test"};
    for (size_t i = 0; i < 5; i++)
        assert_slice(mx.hosts[i].host, slice_str(order[i]));
    assert_int_equal(mx.hosts[4].preference, 65535);
    assert_false(mx.null_mx);
}

/* Each of four comes first now and then; better and worse ones stay where they are. */
static void shuffled_within_one(void **state)
{
    unsigned first[4] = {0};
    add_mx(5, "best.test");
    for (unsigned i = 0; i < 4; i++)
        add_mx(10, (const char *const[]){"0.test", "1.test", "2.test", "3.test"}[i]);
    add_mx(15, "worst.test");
    for (unsigned i = 0; i < 400; i++) {
        dns_mx_take(&answer, &arena, &mx);
        assert_slice(mx.hosts[0].host, S("best.test"));
        assert_slice(mx.hosts[5].host, S("worst.test"));
        first[mx.hosts[1].host.p[0] - '0']++;
    }
    for (unsigned i = 0; i < 4; i++)
        assert_true(first[i] > 40);
}

static void null_mx(void **state)
{
    add_mx(0, "");
    dns_mx_take(&answer, &arena, &mx);
    assert_true(mx.status == DNS_FOUND && mx.null_mx && mx.n == 0);
    add_mx(10, "mx.test"); /* RFC 7505 §3 forbids it: the host counts */
    dns_mx_take(&answer, &arena, &mx);
    assert_true(mx.status == DNS_FOUND && !mx.null_mx && mx.n == 1);
    assert_slice(mx.hosts[0].host, S("mx.test"));
}

static void odd_records(void **state)
{
    add(S(""));
    add(S("\0\12"));
    add(S("\0\12\2mx"));     /* cut off */
    add(S("\0\12\2mx\0 "));  /* something behind it */
    add(S("\0\12\3m x\0"));  /* no host has this name */
    add(S("\0\12\xc0\x0c")); /* a pointer */
    add(S("\0\12\4"
          "192.\0"));
    dns_mx_take(&answer, &arena, &mx);
    assert_true(mx.status == DNS_EMPTY && mx.n == 0 && !mx.null_mx && mx.why);
    add_mx(10, "good.test");
    dns_mx_take(&answer, &arena, &mx);
    assert_true(mx.status == DNS_FOUND && mx.n == 1);
}

/* Of more hosts than there is room for, the best stay, wherever they stood. */
static void too_many_hosts(void **state)
{
    char name[32];
    for (unsigned i = 0; i < RECORDS; i++) {
        unsigned preference = (i * 67) % RECORDS;
        snprintf(name, sizeof name, "mx%u.test", preference);
        add_mx(preference, name);
    }
    dns_mx_take(&answer, &arena, &mx);
    assert_int_equal(mx.n, DNS_MX_MAX);
    for (unsigned i = 0; i < DNS_MX_MAX; i++)
        assert_int_equal(mx.hosts[i].preference, i);
    answer.n = DNS_MX_MAX;
    dns_mx_take(&answer, &arena, &mx);
    assert_int_equal(mx.n, DNS_MX_MAX);
}

/* Else the message would come back as "no usable host". */
static void no_memory_is_no_answer(void **state)
{
    struct arena none;
    add_mx(10, "mx.test");
    arena_init(&none, 0);
    dns_mx_take(&answer, &none, &mx);
    assert_true(mx.status == DNS_TEMPORARY && mx.n == 0 && mx.why);
}

/* ---- addresses, pure ---- */

static void addresses(void **state)
{
    static struct dns_addresses a;
    add(S("\300\0\2\1"));
    add(S("\300\0\2"));
    add(S("\300\0\2\1\1"));
    add(S(""));
    add(S("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"));
    a.n = 0;
    dns_addresses_take(&answer, AF_INET6, &a);
    dns_addresses_take(&answer, AF_INET, &a);
    assert_int_equal(a.n, 2);
    const struct sockaddr_in6 *six = (const void *)&a.list[0];
    const struct sockaddr_in *four = (const void *)&a.list[1];
    assert_int_equal(six->sin6_family, AF_INET6);
    assert_int_equal(six->sin6_addr.s6_addr[15], 1);
    assert_int_equal(a.size[0], sizeof *six);
    assert_int_equal(four->sin_family, AF_INET);
    assert_int_equal(four->sin_addr.s_addr, htonl(0xc0000201));
    assert_int_equal(a.size[1], sizeof *four);
    for (size_t i = answer.n = 0; i < DNS_ADDRESSES_MAX + 1; i++)
        add(S("\300\0\2\1"));
    a.n = 0;
    dns_addresses_take(&answer, AF_INET, &a);
    assert_int_equal(a.n, DNS_ADDRESSES_MAX);
}

/* ---- over a server ---- */

static struct dns *dns;

static void play(script_fn fn, void (*test)(void *), struct slice anchor)
{
    char server[32], why[256];
    const char *const servers[] = {server};
    script_start(fn, server);
    const struct dns_options o = {.servers = servers, .server_n = 1, .anchor = anchor};
    CHECK(dns = dns_create(&o, why));
    run_on(1, test, NULL);
    dns_destroy(dns);
    script_stop();
}

static bool is(const struct script_question *q, const char *name, unsigned type)
{
    return !strcmp(q->name, name) && q->type == type;
}

static enum script_way domains(const struct script_question *q, struct script_reply *r)
{
    if (is(q, "mx.test", DNS_MX)) {
        script_mx(r, NULL, 20, "b.mx.test");
        script_mx(r, NULL, 10, "a.mx.test");
    } else if (is(q, "null.test", DNS_MX)) {
        script_mx(r, NULL, 0, "");
    } else if (is(q, "alias.test", DNS_MX)) {
        script_cname(r, NULL, "plain.test");
    } else if (is(q, "absent.test", DNS_MX)) {
        r->rcode = 3;
    } else if (is(q, "fails.test", DNS_MX)) {
        r->rcode = 2;
    }
    return SCRIPT_SAY;
}

static const struct dns_mx_answer *ask_mx(const char *name)
{
    memset(&mx, 0xff, sizeof mx);
    dns_ask_mx(dns, slice_str(name), &arena, &mx, SOON);
    return &mx;
}

static void ask_domains(void *arg)
{
    CHECK(dns_start(dns));
    CHECK(ask_mx("MX.test")->status == DNS_FOUND && mx.n == 2 && !mx.implicit && !mx.secure);
    CHECK(slice_eq(mx.hosts[0].host, S("a.mx.test")) && slice_eq(mx.name, S("mx.test")));
    CHECK(ask_mx("null.test")->status == DNS_FOUND && mx.null_mx && mx.n == 0 && !mx.implicit);
    CHECK(ask_mx("plain.test")->status == DNS_FOUND && mx.implicit && mx.n == 1);
    CHECK(slice_eq(mx.hosts[0].host, S("plain.test")) && !mx.null_mx);
    CHECK(ask_mx("alias.test")->status == DNS_FOUND && mx.implicit);
    CHECK(slice_eq(mx.hosts[0].host, S("plain.test")) && slice_eq(mx.name, S("plain.test")));
    CHECK(ask_mx("absent.test")->status == DNS_ABSENT && mx.n == 0 && !mx.implicit);
    CHECK(ask_mx("fails.test")->status == DNS_TEMPORARY && mx.n == 0 && !mx.implicit);
    CHECK(ask_mx("no domain")->status == DNS_BAD_NAME && mx.n == 0);
    dns_stop(dns);
}

static void domains_have_hosts(void **state)
{
    play(domains, ask_domains, S(""));
}

static enum script_way hosts(const struct script_question *q, struct script_reply *r)
{
    bool six = q->type == DNS_AAAA;
    if (!strcmp(q->name, "absent.test"))
        r->rcode = 3;
    else if (!strcmp(q->name, six ? "six-fails.test" : "four-fails.test") ||
             !strcmp(q->name, "both-fail.test"))
        r->rcode = 2;
    else if (!strcmp(q->name, six ? "six-silent.test" : "four-silent.test"))
        return SCRIPT_SILENT;
    else if (!strcmp(q->name, six ? "empty-six-fails.test" : "empty-four-fails.test"))
        r->rcode = 2;
    else if (strncmp(q->name, "empty", 5) != 0 &&
             strcmp(q->name, six ? "four.test" : "six.test") != 0)
        six ? script_aaaa(r, NULL, "2001:db8::1") : script_a(r, NULL, "192.0.2.1");
    return SCRIPT_SAY;
}

static struct dns_addresses found;

static const struct dns_addresses *look(const char *name)
{
    bool silent = slice_find_slice(slice_str(name), S("silent")) != SLICE_NONE;
    memset(&found, 0xff, sizeof found);
    dns_ask_addresses(
        dns, slice_str(name), &arena, &found, silent ? deadline_in(CLOCK_SEC / 2) : SOON);
    return &found;
}

static void ask_hosts(void *arg)
{
    CHECK(dns_start(dns));
    CHECK(look("both.test")->status == DNS_FOUND && found.n == 2 && !found.secure && !found.why);
    CHECK(found.list[0].ss_family == AF_INET6 && found.list[1].ss_family == AF_INET);
    CHECK(look("four.test")->status == DNS_FOUND && found.n == 1);
    CHECK(found.list[0].ss_family == AF_INET && slice_eq(found.name, S("four.test")));
    CHECK(look("six.test")->status == DNS_FOUND && found.n == 1);
    CHECK(look("empty.test")->status == DNS_EMPTY && found.n == 0 && found.why);
    CHECK(look("absent.test")->status == DNS_ABSENT && found.n == 0);
    CHECK(look("six-fails.test")->status == DNS_FOUND && found.n == 1);
    CHECK(look("four-fails.test")->status == DNS_FOUND && found.n == 1);
    CHECK(look("both-fail.test")->status == DNS_TEMPORARY && found.n == 0 && found.why);
    /* what is not known is not absent */
    CHECK(look("empty-six-fails.test")->status == DNS_TEMPORARY && found.n == 0);
    CHECK(look("empty-four-fails.test")->status == DNS_TEMPORARY && found.n == 0);
    /* one family's name servers are silent: the other one's addresses are there in time */
    CHECK(look("six-silent.test")->status == DNS_FOUND && found.n == 1);
    CHECK(look("four-silent.test")->status == DNS_FOUND && found.n == 1);
    CHECK(look("no host")->status == DNS_BAD_NAME && found.n == 0 && found.why);
    dns_stop(dns);
}

static void hosts_have_addresses(void **state)
{
    play(hosts, ask_hosts, S(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_preference, begin, end),
        cmocka_unit_test_setup_teardown(shuffled_within_one, begin, end),
        cmocka_unit_test_setup_teardown(null_mx, begin, end),
        cmocka_unit_test_setup_teardown(odd_records, begin, end),
        cmocka_unit_test_setup_teardown(too_many_hosts, begin, end),
        cmocka_unit_test_setup_teardown(no_memory_is_no_answer, begin, end),
        cmocka_unit_test_setup_teardown(addresses, begin, end),
        cmocka_unit_test_setup_teardown(domains_have_hosts, begin, end),
        cmocka_unit_test_setup_teardown(hosts_have_addresses, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
