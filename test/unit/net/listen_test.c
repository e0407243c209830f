#include "net/listen.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char why[256];

static struct listen_address good(struct slice text)
{
    struct listen_address a;
    if (!listen_parse(text, &a, why))
        fail_msg("%.*s: %s", SLICE_ARG(text), why);
    return a;
}

static void bad(struct slice text)
{
    struct listen_address a;
    why[0] = '\0';
    assert_false(listen_parse(text, &a, why));
    assert_true(why[0]);
}

static void addresses(void **state)
{
    assert_int_equal(good(S("192.0.2.1:25")).addr.ss_family, AF_INET);
    assert_int_equal(good(S("[::]:65535")).addr.ss_family, AF_INET6);
    assert_int_equal(good(S("unix:/run/x")).addr.ss_family, AF_UNIX);
    assert_false(good(S("127.0.0.1:0")).proxy);
    struct listen_address a = good(S("  127.0.0.1:0   proxy "));
    assert_true(a.proxy);
    assert_int_equal(a.addr.ss_family, AF_INET);
    assert_string_equal(a.text, "127.0.0.1:0   proxy");
    assert_true(good(S("unix:/run/x proxy")).proxy);
    bad(S(""));
    bad(S("25"));
    bad(S(":25"));
    bad(S("127.0.0.1"));
    bad(S("127.0.0.1:"));
    bad(S("127.0.0.1:65536"));
    bad(S("127.0.0.1:-1"));
    bad(S("127.0.0.1:25x"));
    bad(S("127.0.0.1:25 prox"));
    bad(S("[127.0.0.1]:25"));
    bad(S("::1:25"));
    bad(S("localhost:25"));
    bad(S("unix:"));
    bad(S("unix:relative"));
    bad(S("unix:/a\0b"));
    char path[200] = "unix:/";
    memset(path + 6, 'x', sizeof path - 6);
    good(slice(path, 5 + 107));
    bad(slice(path, 5 + 108));
    bad(slice(path, 128));
}

static void sockets(void **state)
{
    char name[LISTEN_TEXT], again[LISTEN_TEXT];
    struct listen_address a = good(S("127.0.0.1:0"));
    int fd = listen_open(&a, why);
    assert_true(fd >= 0);
    listen_name(fd, name);
    assert_memory_equal(name, "127.0.0.1:", 10);
    assert_string_not_equal(name, "127.0.0.1:0");
    struct listen_address same = good(slice_str(name));
    int second = listen_open(&same, why); /* one for each reactor */
    assert_true(second >= 0);
    listen_name(second, again);
    assert_string_equal(name, again);
    close(second);
    close(fd);
    struct listen_address nowhere = good(S("192.0.2.254:0"));
    assert_int_equal(listen_open(&nowhere, why), -1);
    assert_non_null(strstr(why, "no interface"));
}

static void taken(void **state)
{
    char name[LISTEN_TEXT];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    assert_int_equal(listen(fd, 1), 0);
    listen_name(fd, name);
    struct listen_address a = good(slice_str(name));
    assert_int_equal(listen_open(&a, why), -1);
    assert_non_null(strstr(why, "another program has it"));
    close(fd);
}

static void unix_sockets(void **state)
{
    char folder[] = "/tmp/barid-listen-XXXXXX", text[100], name[LISTEN_TEXT];
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof text, "unix:%s/s", folder);
    struct listen_address a = good(slice_str(text));
    int fd = listen_open(&a, why);
    assert_true(fd >= 0);
    listen_name(fd, name);
    assert_string_equal(name, text);
    struct stat st;
    assert_int_equal(stat(text + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    assert_int_equal(listen_open(&a, why), -1); /* it is served */
    assert_non_null(strstr(why, "in use"));
    close(fd);
    fd = listen_open(&a, why); /* nobody serves it any more */
    assert_true(fd >= 0);
    close(fd);
    a.proxy = true;
    fd = listen_open(&a, why);
    assert_true(fd >= 0);
    assert_int_equal(stat(text + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(fd);
    unlink(text + 5);
    FILE *f = fopen(text + 5, "w");
    fclose(f);
    assert_int_equal(listen_open(&a, why), -1); /* a file is left alone */
    assert_int_equal(access(text + 5, F_OK), 0);
    unlink(text + 5);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(sockets),
        cmocka_unit_test(taken), cmocka_unit_test(unix_sockets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
