/* Configs in a throw-away folder; sockets on port 0 of loopback and unix sockets. */
#include "server/gather.h"
#include "unit/net/certificate.h"
#include "unit/unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/barid-gather-XXXXXX";
static char path[128];
static char problems[8192];
static unsigned count;

static void report(void *arg, const char *problem)
{
    size_t n = strlen(problems);
    count++;
    snprintf(problems + n, sizeof problems - n, "%s\n", problem);
}

static void write_to(const char *name, struct slice bytes)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", dir, name);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
    close(fd);
}

/* "$" becomes the folder. */
static void config(const char *format)
{
    struct buffer b;
    buffer_init(&b, 65536);
    buffer_add(&b, S("hostname = \"mail.example.org\"\ndata_dir = \""));
    buffer_printf(&b, "%s/data\"\n", dir);
    for (; *format; format++)
        if (*format == '$')
            buffer_add(&b, slice_str(dir));
        else
            buffer_add_char(&b, *format);
    write_to("barid.conf", buffer_slice(&b));
    buffer_finish(&b);
    problems[0] = '\0';
    count = 0;
}

/* Everything closed but what is named. */
#define QUIET                                                                                      \
    "submission = []; submissions = []; imap = []; imaps = []; pop3 = []; pop3s = []; sendmail = " \
    "[]; metrics = "                                                                               \
    "[];"

static bool check(const char *format)
{
    config(format);
    return gather_check(path, report, NULL);
}

static void refused(const char *format, const char *text)
{
    assert_false(check(format));
    if (count != 1 || !strstr(problems, text))
        fail_msg("%u: %s", count, problems);
}

static size_t open_fds(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void addresses(void **state)
{
    size_t before = open_fds();
    assert_true(check(""));
    assert_true(check("listen = { smtp = [\"127.0.0.1:0\", \"[::1]:0\", \"unix:$/x\"]; }\n"));
    refused("listen = { smtp = [\"127.0.0.1\"]; }\n", "barid.conf:3: listen.smtp: ");
    refused("listen = { smtp = [\"\"]; }\n", "listen.smtp: ");
    refused("listen = { smtp = [\"mail.example.org:25\"]; }\n", "listen.smtp: ");
    refused("listen = { pop3 = [\"127.0.0.1:65536\"]; }\n", "listen.pop3: ");
    refused("listen = { lmtp = [\"0.0.0.0:24\"]; }\n", "asks for no password");
    refused("listen = { lmtp = [\"[::]:24\"]; }\n", "asks for no password");
    refused("listen = { lmtp = [\"192.0.2.1:24\"]; }\n", "asks for no password");
    refused("listen = { sendmail = [\"127.0.0.1:24\"]; }\n", "only unix:PATH");
    refused("listen = { sendmail = [\"unix:$/s proxy\"]; }\n", "only unix:PATH");
    assert_true(check("listen = { sendmail = [\"unix:$/s\"]; }\n"));
    refused("sendmail = { users = [\"root a@b.test\", \"root\"]; }\n",
        "barid.conf:3: sendmail.users: \"root\" is not");
    assert_true(check("sendmail = { users = [\"root a@b.test\", \"* c@d.test\"]; }\n"));
    assert_true(check("listen = { lmtp = [\"127.0.0.2:24\", \"[::1]:24\", \"unix:$/l\"]; }\n"));
    assert_false(check("listen = { smtp = [\"a\"]; pop3 = [\"b\"]; }\nnope = 1\n"));
    assert_true(
        count == 1 && strstr(problems, "nope")); /* a config that is none is not looked into */
    refused("proxy = { peers = [\"192.0.2.0/33\"]; }\n", "proxy.peers: 192.0.2.0/33");
    refused("listen = { smtp = [\"127.0.0.1:25\", \"127.0.0.1:25 proxy\"]; }\n",
        "barid.conf:3: listen.smtp: 127.0.0.1:25 proxy stands in listen.smtp already");
    refused("listen = { smtp = [\"0.0.0.0:587\"]; }\n",
        "barid.conf:3: listen.submission: 0.0.0.0:587 stands in listen.smtp already");
    refused("listen = { lmtp = [\"unix:$/x\"]; sendmail = [\"unix:$/x\"]; }\n", "in listen.lmtp");
    assert_true(check("listen = { smtp = [\"127.0.0.1:0\"]; pop3 = [\"127.0.0.1:0\"]; }\n"));
    assert_int_equal(open_fds(), before);
}

/* Where mail goes: each setting by its line, and never a password. */
static void ways(void **state)
{
    assert_true(check("outbound = { relay = \"[::1]:465\"; relay_login = \"me\"; relay_password = "
                      "\"S3\"; source = [\"192.0.2.1\", \"2001:db8::1\"]; routes = ( { recipient = "
                      "\"a.test\"; via = \"unix:/run/l\" } ) }\n"));
    refused(
        "outbound = { relay = \"h.test\" }\n", "barid.conf:3: outbound.relay: via: h.test is not");
    refused("outbound = { relay = \"unix:/x\" }\n", "barid.conf:3: outbound.relay: a smarthost is");
    refused("outbound = { relay = \"h:25\";\n relay_login = \"me\" }\n", "belong together");
    refused(
        "outbound = { relay = \"h:25\"; relay_login = \"me\"; relay_password = \"S3\"; relay_tls "
        "= \"opportunistic\" }\n",
        "over TLS only");
    assert_null(strstr(problems, "S3"));
    refused(
        "outbound = {\n source = [\"mx.test\"] }\n", "barid.conf:4: outbound.source: mx.test is");
    refused("outbound = { source = [\"192.0.2.1\", \"::1\", \"::2\"] }\n", "outbound.source: more");
    refused("outbound = { routes = (\n { sender = \"a b\"; via = \"mx\" } ) }\n",
        "barid.conf:4: outbound.routes: a b is no domain");
    refused(
        "outbound = { routes = ( { sender = \"a.test\"; via = \"mx\" },\n { sender = \"A.test\"; "
        "via = \"h:25\" } ) }\n",
        "barid.conf:4: outbound.routes: a.test has a route already");
    refused("outbound = { routes = ( { sender = \"a.test\"; via = \"h:25\"; login = \"x\" } ) }\n",
        "login and password belong together");
    assert_false(
        check("outbound = { relay = \"a\"; source = [\"b\"]; routes = ( { sender = \"c.test\";"
              " via = \"d\" } ) }\n"));
    assert_int_equal(count, 3);
}

/* What the worker would refuse, or the others would not understand. */
static void names_and_trust(void **state)
{
    refused("postmaster = \"nobody\"\n", "barid.conf:3: postmaster: \"nobody\" is not an address");
    assert_true(check("postmaster = \"a@b.example\"\n"));
    static const char *const hosts[] = {"a b", "a\\r\\nb", " ", "m\xc3\xbc.example", "a..b", "-a"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct buffer b;
        buffer_init(&b, 4096);
        buffer_printf(&b, "hostname = \"%s\"\ndata_dir = \"%s/data\"\n", hosts[i], dir);
        write_to("barid.conf", buffer_slice(&b));
        buffer_finish(&b);
        problems[0] = '\0';
        assert_false(gather_check(path, report, NULL));
        assert_non_null(strstr(problems, "barid.conf:1: hostname: "));
    }
    write_to(
        "ta", S("; a comment\n\n. IN DS 1 8 2 AB\nexample. 3600 in dnskey 257 3 8 AwEAAa ;x\n"));
    assert_true(check("dns = { trust_anchor = \"$/ta\" }\n"));
    write_to("ta", S(". IN DS 1 8 2 AB\nroot:x:0:0:root:/root:/bin/sh\n"));
    refused("dns = { trust_anchor = \"$/ta\" }\n", "/ta:2 is no DS or DNSKEY record");
    write_to("ta", S(". IN DS\n"));
    refused("dns = { trust_anchor = \"$/ta\" }\n", "/ta:1 is no DS");
    write_to("ta", S("; nothing\n"));
    refused("dns = { trust_anchor = \"$/ta\" }\n", "holds no DS or DNSKEY record");
    refused("dns = { trust_anchor = \"$/no\" }\n", "dns.trust_anchor: cannot read");
    refused("outbound = { authorities = \"$/ta\" }\n", "/ta holds no certificate");
}

static void config_files(void **state)
{
    problems[0] = '\0';
    assert_false(gather_check("/nonexistent/barid.conf", report, NULL));
    assert_non_null(strstr(problems, "No such file"));
    problems[0] = '\0';
    assert_false(gather_check(dir, report, NULL));
    assert_non_null(strstr(problems, "cannot be read: Is a directory"));
    static char big[CONFIG_FILE_MAX + 1];
    memset(big, '\n', sizeof big);
    write_to("barid.conf", slice(big, sizeof big));
    problems[0] = '\0';
    assert_false(gather_check(path, report, NULL));
    assert_non_null(strstr(problems, "larger than 1 MiB"));
}

static void certificates(void **state)
{
    struct pair one = pair_make("mail.example.org"), two = pair_make("b.example");
    write_to("one.pem", buffer_slice(&one.certificate));
    write_to("one.key", buffer_slice(&one.key));
    write_to("two.pem", buffer_slice(&two.certificate));
    write_to("two.key", buffer_slice(&two.key));
    write_to("junk.pem", S("no certificate"));
    static char big[1024 * 1024 + 1];
    write_to("big.pem", slice(big, sizeof big));
    assert_true(check("tls = { certificate = \"$/one.pem\"; key = \"$/one.key\"; }\n"));
    assert_true(
        check("tls = { certificate = \"$/one.pem\"; key = \"$/one.key\"; also = ( { server_name = "
              "\"b.example\"; certificate = \"$/two.pem\"; key = \"$/two.key\"; } ); }\n"));
    refused("tls = { certificate = \"$/one.pem\"; key = \"$/two.key\"; }\n", "tls: ");
    refused("tls = { certificate = \"$/junk.pem\"; key = \"$/one.key\"; }\n", "tls: ");
    refused("tls = { certificate = \"$/no.pem\"; key = \"$/one.key\"; }\n", "No such file");
    refused("tls = { certificate = \"$/big.pem\"; key = \"$/one.key\"; }\n", "at most 1 MiB");
    refused("tls = { certificate = \"$\"; key = \"$/one.key\"; }\n", "not a file");
    refused("tls = { certificate = \"$/one.pem\"; key = \"$/one.key\"; also = ( { server_name = "
            "\"b.example\"; certificate = \"$/two.pem\"; key = \"$/one.key\"; } ); }\n",
        "tls: ");
    /* Beside the self-signed one. */
    assert_true(
        check("tls = { also = ( { server_name = \"b.example\"; certificate = \"$/two.pem\"; "
              "key = \"$/two.key\"; } ); }\n"));
    refused("tls = { also = ( { server_name = \"b.example\"; certificate = \"$/two.pem\"; key = "
            "\"$/one.key\"; } ); }\n",
        "b.example: the key does not belong");
    pair_finish(&one);
    pair_finish(&two);
}

static bool serving(int fd)
{
    int on = 0;
    socklen_t n = sizeof on;
    return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) && on;
}

static void sockets_are_kept_over_reloads(void **state)
{
    struct gather first, second, third;
    size_t before = open_fds();
    config("listen = { smtp = [\"127.0.0.1:0\"]; lmtp = [\"unix:$/lmtp\"]; " QUIET " }\n");
    assert_true(gather_all(&first, NULL, path, report, NULL));
    size_t opened = open_fds();
    assert_int_equal(first.socket_n, 2 * first.reactors);
    assert_int_equal(first.certificate_n, 1); /* a self-signed one */
    assert_true(serving(first.sockets[0].fd));

    /* The same again, and one address more. */
    config("listen = { smtp = [\"127.0.0.1:0\"]; lmtp = [\"unix:$/lmtp\", \"127.0.0.1:0\"]; " QUIET
           " }\n");
    assert_true(gather_all(&second, &first, path, report, NULL));
    assert_int_equal(second.sockets[0].fd, first.sockets[0].fd);
    gather_finish(&first, &second);
    for (size_t i = 0; i < second.socket_n; i++)
        assert_true(serving(second.sockets[i].fd));
    assert_int_equal(open_fds(), opened + second.reactors);

    /* What is refused changes nothing and leaves nothing open. */
    size_t now = open_fds();
    config("listen = { smtp = [\"127.0.0.1:0\", \"192.0.2.77:9\"]; " QUIET " }\n");
    assert_false(gather_all(&third, &second, path, report, NULL));
    assert_int_equal(open_fds(), now);
    config("data_dir = \"/tmp\"\n"); /* twice */
    assert_false(gather_all(&third, &second, path, report, NULL));
    assert_int_equal(open_fds(), now);
    for (size_t i = 0; i < second.socket_n; i++)
        assert_true(serving(second.sockets[i].fd));

    /* The unix socket, which all reactors share, goes; closed once. */
    config("listen = { smtp = [\"127.0.0.1:0\"]; lmtp = []; " QUIET " }\n");
    assert_true(gather_all(&third, &second, path, report, NULL));
    gather_finish(&second, &third);
    assert_true(third.socket_n == third.reactors && serving(third.sockets[0].fd));
    gather_finish(&third, NULL);
    assert_int_equal(open_fds(), before);
}

static void data_dir(void **state)
{
    struct gather g, h;
    size_t before = open_fds();
    config("listen = { smtp = []; " QUIET " }\n");
    assert_true(gather_all(&g, NULL, path, report, NULL));
    size_t now = open_fds();
    struct buffer b;
    buffer_init(&b, 4096);
    buffer_printf(&b, "hostname = \"x.example\"\ndata_dir = \"%s\"\n", dir);
    write_to("barid.conf", buffer_slice(&b));
    assert_false(gather_all(&h, &g, path, report, NULL));
    assert_non_null(strstr(problems, "cannot change"));
    assert_int_equal(open_fds(), now);
    gather_finish(&g, NULL);
    buffer_reset(&b);
    buffer_printf(&b, "hostname = \"x.example\"\ndata_dir = \"%s/nope\"\n", dir);
    write_to("barid.conf", buffer_slice(&b));
    assert_false(gather_all(&h, NULL, path, report, NULL));
    assert_non_null(strstr(problems, "nope: No such file"));
    buffer_finish(&b);
    assert_int_equal(open_fds(), before);
}

/* Index by index the listeners of the snapshot are the descriptors that come. */
static void sent(void **state)
{
    struct gather g;
    struct handover_message m;
    struct snapshot s = {0};
    int pair[2];
    size_t before = open_fds(), listeners = 0;
    config("listen = { smtp = [\"127.0.0.1:0\", \"127.0.0.2:0\"]; lmtp = [\"unix:$/lmtp\"]; " QUIET
           " }\n");
    assert_true(gather_all(&g, NULL, path, report, NULL));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(gather_send(&g, path, pair[0]));
    while (handover_receive(pair[1], &m) > 0 && m.kind != HANDOVER_GO) {
        if (m.kind == HANDOVER_SNAPSHOT)
            assert_true(snapshot_read(m.fd, &s));
        if (m.kind == HANDOVER_LISTENER) {
            struct stat mine, theirs;
            assert_int_equal(m.index, listeners++);
            assert_true(!fstat(g.sockets[m.index].fd, &mine) && !fstat(m.fd, &theirs));
            assert_int_equal(mine.st_ino, theirs.st_ino);
            assert_slice(s.listeners[m.index].text, slice_str(g.sockets[m.index].text));
            assert_int_equal(s.listeners[m.index].reactor, g.sockets[m.index].reactor);
        }
        if (m.fd >= 0)
            close(m.fd);
    }
    assert_true(m.kind == HANDOVER_GO && listeners == g.socket_n && listeners == s.listener_n);
    assert_int_equal(s.certificate_n, 1);
    assert_slice(s.path, slice_str(path));
    snapshot_finish(&s);
    close(pair[1]);
    assert_false(gather_send(&g, path, pair[0]));
    close(pair[0]);
    gather_finish(&g, NULL);
    assert_int_equal(open_fds(), before);
}

static int setup(void **state)
{
    char data[128];
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/barid.conf", dir);
    snprintf(data, sizeof data, "%s/data", dir);
    return mkdir(data, 0700);
}

static int teardown(void **state)
{
    static const char *const names[] = {"barid.conf", "one.pem", "one.key", "two.pem", "two.key",
        "junk.pem", "big.pem", "lmtp", "data/tls/cert.pem", "data/tls/key.pem", "data/tls", "data",
        ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char full[256];
        snprintf(full, sizeof full, "%s/%s", dir, names[i]);
        remove(full);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(ways),
        cmocka_unit_test(names_and_trust),
        cmocka_unit_test(config_files),
        cmocka_unit_test(certificates),
        cmocka_unit_test(sockets_are_kept_over_reloads),
        cmocka_unit_test(data_dir),
        cmocka_unit_test(sent),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
