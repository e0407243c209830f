#include "delivery/route.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_relay(void **state)
{
    char host[DELIVERY_HOST_MAX], long_text[DELIVERY_HOST_MAX + 16];
    uint16_t port;
    assert_true(delivery_relay_parse(S("mail.example:587"), host, &port));
    assert_string_equal(host, "mail.example");
    assert_int_equal(port, 587);
    assert_true(delivery_relay_parse(S("[2001:db8::1]:25"), host, &port));
    assert_string_equal(host, "2001:db8::1");
    assert_true(delivery_relay_parse(S("192.0.2.1:65535"), host, &port));
    static const char *const bad[] = {"", "mail.example", "mail.example:", ":25", "mail.example:0",
        "mail.example:65536", "mail.example:x", "2001:db8::1:25", "[]:25"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (delivery_relay_parse(slice_str(bad[i]), host, &port))
            fail_msg("taken: %s", bad[i]);
    for (int n = DELIVERY_HOST_MAX - 1; n <= DELIVERY_HOST_MAX; n++) {
        memset(long_text, 'a', (size_t)n);
        snprintf(long_text + n, sizeof long_text - (size_t)n, ":25");
        assert_int_equal(
            delivery_relay_parse(slice_str(long_text), host, &port), n < DELIVERY_HOST_MAX);
    }
}

static enum delivery_address judge(const struct delivery_rules *r, const char *text, int port)
{
    struct sockaddr_storage a;
    socklen_t n;
    assert_true(delivery_address_parse(slice_str(text), &a, &n));
    delivery_address_port(&a, (uint16_t)port);
    return delivery_address_judge(r, (const struct sockaddr *)&a, false);
}

static void test_literal(void **state)
{
    struct sockaddr_storage a;
    socklen_t n;
    assert_true(delivery_address_parse(S("[192.0.2.7]"), &a, &n));
    assert_int_equal(a.ss_family, AF_INET);
    assert_true(delivery_address_parse(S("[IPv6:2001:db8::7]"), &a, &n));
    assert_int_equal(a.ss_family, AF_INET6);
    assert_false(delivery_address_parse(S("[x]"), &a, &n));
    assert_false(delivery_address_parse(S("example.org"), &a, &n));
    assert_false(delivery_address_parse(S("1.2.3"), &a, &n));
}

static void test_private(void **state)
{
    static const struct {
        const char *address;
        enum delivery_address judged;
    } table[] = {
        {"192.0.2.1", DELIVERY_ADDRESS_FINE},
        {"8.8.8.8", DELIVERY_ADDRESS_FINE},
        {"2001:db8::1", DELIVERY_ADDRESS_FINE},
        {"10.0.0.1", DELIVERY_ADDRESS_PRIVATE},
        {"172.15.255.255", DELIVERY_ADDRESS_FINE},
        {"172.16.0.0", DELIVERY_ADDRESS_PRIVATE},
        {"172.31.255.255", DELIVERY_ADDRESS_PRIVATE},
        {"172.32.0.0", DELIVERY_ADDRESS_FINE},
        {"192.168.1.1", DELIVERY_ADDRESS_PRIVATE},
        {"100.64.0.1", DELIVERY_ADDRESS_PRIVATE},
        {"169.254.169.254", DELIVERY_ADDRESS_PRIVATE},
        {"224.0.0.1", DELIVERY_ADDRESS_PRIVATE},
        {"255.255.255.255", DELIVERY_ADDRESS_PRIVATE},
        {"fe80::1", DELIVERY_ADDRESS_PRIVATE},
        {"fd00::1", DELIVERY_ADDRESS_PRIVATE},
        {"ff02::1", DELIVERY_ADDRESS_PRIVATE},
        {"127.0.0.1", DELIVERY_ADDRESS_OURS},
        {"127.9.9.9", DELIVERY_ADDRESS_OURS},
        {"::1", DELIVERY_ADDRESS_OURS},
        {"::ffff:127.0.0.1", DELIVERY_ADDRESS_OURS},
        {"::ffff:10.0.0.1", DELIVERY_ADDRESS_PRIVATE},
        {"0.0.0.0", DELIVERY_ADDRESS_OURS},
        {"::", DELIVERY_ADDRESS_OURS},
    };
    struct delivery_rules r = {.port = 25};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (judge(&r, table[i].address, 25) != table[i].judged)
            fail_msg("%s", table[i].address);
    r.allow_private = true;
    assert_int_equal(judge(&r, "127.0.0.1", 25), DELIVERY_ADDRESS_FINE);
    assert_int_equal(judge(&r, "10.0.0.1", 25), DELIVERY_ADDRESS_FINE);
    assert_int_equal(judge(&r, "0.0.0.0", 25), DELIVERY_ADDRESS_OURS);
}

static void listens(struct delivery_rules *r, const char *address, uint16_t port)
{
    socklen_t n;
    assert_true(delivery_address_parse(slice_str(address), &r->listen[r->listen_n], &n));
    delivery_address_port(&r->listen[r->listen_n++], port);
}

static void test_ours(void **state)
{
    struct delivery_rules r = {.allow_private = true};
    listens(&r, "127.0.0.2", 2500);
    assert_int_equal(judge(&r, "127.0.0.2", 2500), DELIVERY_ADDRESS_OURS);
    assert_int_equal(judge(&r, "::ffff:127.0.0.2", 2500), DELIVERY_ADDRESS_OURS);
    assert_int_equal(judge(&r, "127.0.0.2", 2501), DELIVERY_ADDRESS_FINE);
    assert_int_equal(judge(&r, "127.0.0.3", 2500), DELIVERY_ADDRESS_FINE);
    /* all addresses of this machine, of others none */
    listens(&r, "0.0.0.0", 2600);
    assert_int_equal(judge(&r, "127.0.0.3", 2600), DELIVERY_ADDRESS_OURS);
    assert_int_equal(judge(&r, "192.0.2.1", 2600), DELIVERY_ADDRESS_FINE);
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

enum { CHILD_FINE, CHILD_WRONG, CHILD_CANNOT };

/* In a network of its own, where sockets can be bound to any address. */
static int judge_nonlocal(void)
{
    struct delivery_rules r = {.allow_private = true};
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 ||
        !write_file("/proc/sys/net/ipv4/ip_nonlocal_bind", "1") ||
        !write_file("/proc/sys/net/ipv6/ip_nonlocal_bind", "1"))
        return CHILD_CANNOT;
    listens(&r, "0.0.0.0", 25);
    listens(&r, "::", 25);
    return judge(&r, "192.0.2.1", 25) == DELIVERY_ADDRESS_FINE &&
                   judge(&r, "2001:db8::1", 25) == DELIVERY_ADDRESS_FINE &&
                   judge(&r, "::ffff:192.0.2.1", 25) == DELIVERY_ADDRESS_FINE
               ? CHILD_FINE
               : CHILD_WRONG;
}

static void test_nonlocal_bind(void **state)
{
    int status;
    pid_t child = fork();
    if (!child)
        _exit(judge_nonlocal());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_CANNOT)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CHILD_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_private),
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_nonlocal_bind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
