/* What a parked connection costs, plain and under TLS, and how fast a body comes in.
 *
 *   idle [CONNECTIONS]     (default 10,000; as many files are needed twice) */
#include "base/buffer.h"
#include "net/listen.h"
#include "net/tls.h"
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned idle_opened;
static uint64_t idle_body;

static enum conn_next idle_feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    idle_body += in.n;
    *used = in.n;
    return CONN_MORE;
}

static void idle_run(struct conn *c, enum conn_event event)
{
    conn_put(c, S("220 ready\r\n"));
    idle_opened++;
}

static void idle_closed(struct conn *c, enum conn_end why)
{
}

static const struct conn_handler idle_handler = {.protocol = "idle",
    .input_max = 8192,
    .feed = idle_feed,
    .run = idle_run,
    .closed = idle_closed};

/* ---- one end ---- */

static int idle_pair(bool tls)
{
    int fds[2];
    struct sockaddr none = {.sa_family = AF_UNIX};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
        perror("socketpair");
        exit(1);
    }
    struct conn_options o = {.fd = fds[1],
        .stream = stream_socket(fds[1]),
        .tls = tls,
        .listener = "smtp",
        .handler = &idle_handler};
    peer_set(&o.peer, &none, sizeof none);
    if (!conn_create(&o))
        exit(1);
    return fds[0];
}

static void idle_handshake(int fd, SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    while (SSL_connect(ssl) != 1)
        task_sleep(deadline_in(CLOCK_MS / 10));
    SSL_free(ssl);
}

static size_t idle_heap(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void abort_one(struct conn *c, void *arg)
{
    conn_abort(c, CONN_END_SELF);
}

static void idle_measure(unsigned n, SSL_CTX *context, const char *name)
{
    int *fds = calloc(n, sizeof *fds);
    idle_opened = 0;
    size_t before = idle_heap();
    for (unsigned i = 0; i < n; i++) {
        fds[i] = idle_pair(context != NULL);
        if (context)
            idle_handshake(fds[i], context);
        else if (i % 256 == 0)
            task_yield();
    }
    while (idle_opened < n)
        task_sleep(deadline_in(CLOCK_MS));
    task_sleep(deadline_in(10 * CLOCK_MS));
    malloc_trim(0);
    printf("%s: %zu bytes of heap per parked connection, %zu stacks in use\n", name,
        (idle_heap() - before) / n, task_stacks_in_use());
    conn_each(abort_one, NULL);
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    free(fds);
}

/* ---- a body ---- */

static void idle_stream(void)
{
    static char piece[256 * 1024];
    const uint64_t total = UINT64_C(4) << 30;
    int fd = idle_pair(false);
    idle_body = 0;
    int64_t from = clock_now();
    while (idle_body < total) {
        if (send(fd, piece, sizeof piece, MSG_NOSIGNAL) < 0)
            task_yield();
    }
    double seconds = (double)(clock_now() - from) / 1e9;
    printf("body over a socket pair: %.0f MB/s (both ends on one thread)\n",
        (double)total / 1e6 / seconds);
    conn_each(abort_one, NULL);
    close(fd);
}

static void idle_main(void *arg)
{
    unsigned n = *(unsigned *)arg;
    struct buffer certificate, key;
    char why[256];
    buffer_init(&certificate, 8192);
    buffer_init(&key, 8192);
    if (!net_key_self_signed("mail.example.org", &certificate, &key))
        exit(1);
    struct tls_certificate c = {NULL, buffer_slice(&certificate), buffer_slice(&key)};
    tls_server_publish(tls_server_create(&c, 1, why));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    idle_measure(n, NULL, "plain");
    idle_measure(n / 10, context, "TLS 1.3");
    idle_stream();
    SSL_CTX_free(context);
    buffer_finish(&certificate);
    buffer_finish(&key);
    tls_server_publish(NULL);
}

int main(int argc, char **argv)
{
    uint64_t n = 10000;
    struct rlimit files;
    if (argc > 1 && !slice_to_u64(slice_str(argv[1]), 1000000, &n)) {
        fprintf(stderr, "usage: idle [CONNECTIONS]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 1000 + 2 * n)
        n = files.rlim_cur > 2000 ? (files.rlim_cur - 1000) / 2 : 500;
    printf("%" PRIu64 " connections\n", n);
    unsigned count = (unsigned)(n < 10 ? 10 : n);
    struct runtime_options options = {.reactors = 1};
    return runtime_run(&options, idle_main, &count) ? 0 : 1;
}
