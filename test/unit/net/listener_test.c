/* Accepting: limits, refusals, floods, the end of files. */
#include "../unit.h"
#include "base/blame.h"
#include "certificate.h"
#include "client.h"
#include "echo.c"
#include "net/limit_private.h"
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct port {
    struct listener_options options;
    struct listener *listener;
    struct sockaddr_in addr;
    bool refusing;
    unsigned accepted;
};

/* Sessions free themselves here: nobody looks at them. */
static void free_closed(struct conn *c, enum conn_end why)
{
    free(conn_session(c));
}

static struct conn_handler handler;

static bool on_accept(void *arg, const struct peer *peer, const struct conn_handler **h,
    void **session, struct slice *refusal)
{
    struct port *p = arg;
    CHECK(peer->address[0]);
    if (p->refusing) {
        *refusal = S("421 go away\r\n");
        return false;
    }
    p->accepted++;
    *h = &handler;
    *session = calloc(1, sizeof(struct echo));
    return true;
}

static void port_open(struct port *p)
{
    struct listen_address a;
    char why[256];
    handler = echo_handler;
    handler.closed = free_closed;
    CHECK(listen_parse(S("127.0.0.1:0"), &a, why));
    p->options.fd = listen_open(&a, why);
    CHECK(p->options.fd >= 0);
    socklen_t n = sizeof p->addr;
    CHECK(getsockname(p->options.fd, (struct sockaddr *)&p->addr, &n) == 0);
    p->options.name = "smtp";
    p->options.accept = on_accept;
    p->options.arg = p;
    p->listener = listener_start(&p->options);
    CHECK(p->listener);
}

static void port_close(struct port *p)
{
    listener_stop(p->listener);
    close(p->options.fd);
}

static struct client port_connect_from(struct port *p, uint32_t from)
{
    struct client k = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
    /* which port is seen when it connects, or thousands of sockets that were closed are in the way
     */
    CHECK(setsockopt(k.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int)) == 0);
    CHECK(k.fd >= 0 && bind(k.fd, (struct sockaddr *)&me, sizeof me) == 0);
    int r = connect(k.fd, (struct sockaddr *)&p->addr, sizeof p->addr);
    CHECK(r == 0 || errno == EINPROGRESS);
    return k;
}

static struct client port_connect(struct port *p)
{
    return port_connect_from(p, INADDR_LOOPBACK);
}

static void run_serve(void *arg)
{
    struct port p = {0};
    port_open(&p);
    struct client k = port_connect(&p);
    client_expect(&k, "HI\r\n");
    struct client l = port_connect(&p);
    client_expect(&l, "HI\r\n");
    CHECK(conn_count() == 2);
    /* Who waits in the backlog at the end is still taken; who is here stays. */
    struct client m = port_connect(&p);
    port_close(&p);
    client_expect(&m, "HI\r\n");
    client_send(&k, S("QUIT\r\n"));
    client_expect(&k, "BYE\r\n");
    client_close(&k);
    client_close(&l);
    client_close(&m);
    client_await_count(0);
}

static void serves(void **state)
{
    client_run(run_serve, NULL);
}

static void run_refuse(void *arg)
{
    struct port p = {.refusing = true, .options.too_many = S("421 too many\r\n")};
    port_open(&p);
    struct client k = port_connect(&p);
    client_expect(&k, "421 go away\r\n");
    client_expect_end(&k);
    client_close(&k);
    p.refusing = false;
    listen_set_limit(2);
    struct client a = port_connect(&p), b = port_connect(&p);
    client_expect(&a, "HI\r\n");
    client_expect(&b, "HI\r\n");
    k = port_connect(&p);
    client_expect(&k, "421 too many\r\n");
    client_expect_end(&k);
    client_close(&k);
    k = port_connect_from(&p, INADDR_LOOPBACK + 1); /* another address */
    client_expect(&k, "HI\r\n");
    client_close(&k);
    client_close(&a);
    client_await_count(1);
    a = port_connect(&p);
    client_expect(&a, "HI\r\n");
    listen_set_limit(0);
    k = port_connect(&p);
    client_expect(&k, "HI\r\n");
    client_close(&k);
    client_close(&a);
    client_close(&b);
    client_await_count(0);
    port_close(&p);
}

static void refuses(void **state)
{
    client_run(run_refuse, NULL);
}

/* On a "proxy" port the client that the header names is counted. */
static void run_proxy(void *arg)
{
    struct port p = {.options.proxy = true};
    struct client k[3];
    port_open(&p);
    listen_set_limit(2);
    for (int i = 0; i < 3; i++) {
        k[i] = port_connect(&p);
        CHECK(task_wait_fd(k[i].fd, WATCH_WRITE, NULL, deadline_in(CLIENT_PATIENCE)) == WAIT_OK);
        client_send(&k[i], S("PROXY TCP4 192.0.2.9 192.0.2.1 1000 25\r\n"));
        if (i < 2)
            client_expect(&k[i], "HI\r\n");
    }
    client_expect_end(&k[2]);
    for (int i = 0; i < 3; i++)
        client_close(&k[i]);
    client_await_count(0);
    listen_set_limit(0);
    port_close(&p);
}

static void proxied(void **state)
{
    client_run(run_proxy, NULL);
}

/* A process that dies while it serves this network. */
static void die_over(struct blame_board *b, uint64_t network)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        blame_watch(b);
        blame_now = (struct blame){.peer = network};
        raise(SIGSEGV);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

/* Twice a worker died over a client of the balancer: it is refused, the others are served. */
static void run_proxy_listed(void *arg)
{
    struct port p = {.options.proxy = true};
    port_open(&p);
    struct client bad = port_connect(&p), good = port_connect(&p);
    client_send(&bad, S("PROXY TCP4 192.0.2.9 192.0.2.1 1000 25\r\n"));
    client_send(&good, S("PROXY TCP4 192.0.2.8 192.0.2.1 1000 25\r\n"));
    client_expect_end(&bad);
    client_expect(&good, "HI\r\n");
    client_close(&bad);
    client_close(&good);
    client_await_count(0);
    port_close(&p);
}

static void proxied_and_listed(void **state)
{
    char name[BLAME_TEXT];
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000209)};
    struct peer peer;
    struct blame_board *b = blame_board_create();
    peer_set(&peer, (const struct sockaddr *)&client, sizeof client);
    for (int i = 0; i < 2; i++) {
        die_over(b, peer_network_key(&peer));
        CHECK(blame_count(b, name) == (i == 1));
    }
    blame_watch(b);
    client_run(run_proxy_listed, NULL);
    blame_watch(NULL);
    blame_board_destroy(b);
}

/* Who has given up in the handshake, or never begins it, costs no stack: newcomers are served. */
#define STUCK 2000

static void run_stuck(void *arg)
{
    static struct client stuck[STUCK];
    struct port p = {.options.tls = true};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    pair_publish("mail.example.org");
    port_open(&p);
    for (int i = 0; i < STUCK; i++) {
        stuck[i] = port_connect(&p);
        if (i % 64 == 0)
            task_sleep(deadline_in(CLOCK_MS));
        if (i % 2)
            client_send(&stuck[i], S("\x16\x03\x01\x02\x00\x01"));
    }
    client_await_count(STUCK);
    struct client k = port_connect(&p);
    CHECK(client_handshake(&k, context, NULL));
    client_expect(&k, "HI\r\n");
    CHECK(task_stacks_in_use() == 1);
    client_close(&k);
    for (int i = 0; i < STUCK; i++)
        client_close(&stuck[i]);
    client_await_count(0);
    port_close(&p);
    SSL_CTX_free(context);
    tls_server_publish(NULL);
}

static void handshakes_that_hang(void **state)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 8192)
        skip();
    client_run(run_stuck, NULL);
}

/* Without files accepting rests, with no busy loop, and idle strangers are asked to leave; their
 * files serve those who wait. */
#define IDLERS 10

static int64_t cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static void run_files(void *arg)
{
    struct rlimit files, few;
    struct client k[IDLERS + 2];
    struct port p = {0};
    port_open(&p);
    for (int i = 0; i < IDLERS; i++) {
        k[i] = port_connect(&p);
        client_expect(&k[i], "HI\r\n");
    }
    k[IDLERS] = port_connect(&p);
    k[IDLERS + 1] = port_connect(&p);
    getrlimit(RLIMIT_NOFILE, &files);
    few = files;
    few.rlim_cur = (rlim_t)k[IDLERS + 1].fd + 1;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    client_expect(&k[0], "DRAIN\r\n");
    int64_t cpu = cpu_time();
    client_expect(&k[IDLERS + 1], "HI\r\n");
    CHECK(p.accepted == IDLERS + 2);
    CHECK(cpu_time() - cpu < 60 * CLOCK_MS); /* of the 100 ms that it rests */
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < IDLERS + 2; i++)
        client_close(&k[i]);
    client_await_count(0);
    port_close(&p);
}

static void runs_out_of_files(void **state)
{
    if (unit_on_valgrind()) /* which keeps files for itself */
        skip();
    client_run(run_files, NULL);
}

/* A quarter of the files, at most 256, is not for connections. */
static void keeps_a_reserve(void **state)
{
    struct rlimit files, few;
    getrlimit(RLIMIT_NOFILE, &files);
    few = files;
    few.rlim_cur = 100;
    setrlimit(RLIMIT_NOFILE, &few);
    for (int i = 0; i < 75; i++)
        assert_true(limit_open());
    assert_false(limit_open());
    limit_closed();
    assert_true(limit_open());
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < 75; i++)
        limit_closed();
}

static void limits_count(void **state)
{
    limit_set(3);
    for (uint64_t network = 0; network < 1000; network++)
        for (int i = 0; i < 3; i++)
            assert_true(limit_take(network));
    for (uint64_t network = 0; network < 1000; network++)
        assert_false(limit_take(network));
    limit_give(7);
    assert_true(limit_take(7));
    limit_set(0);
    assert_true(limit_take(7));
    limit_give(7);
    for (uint64_t network = 0; network < 1000; network++)
        for (int i = 0; i < 3; i++)
            limit_give(network);
    limit_give(12345); /* never taken */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves),
        cmocka_unit_test(refuses),
        cmocka_unit_test(proxied),
        cmocka_unit_test(proxied_and_listed),
        cmocka_unit_test(handshakes_that_hang),
        cmocka_unit_test(runs_out_of_files),
        cmocka_unit_test(keeps_a_reserve),
        cmocka_unit_test(limits_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
