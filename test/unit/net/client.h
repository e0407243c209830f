/* The other end of a conn, on a task of its own: plain or TLS. */
#pragma once
#include "echo.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT_PATIENCE (60 * CLOCK_SEC)

struct client {
    int fd;
    SSL *ssl;
};

/* A pair of connected sockets: the client's end, and a conn on the other. */
static inline struct client client_open(struct echo *e, struct conn_options o)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    struct sockaddr_storage none = {.ss_family = AF_UNIX};
    peer_set(&o.peer, (struct sockaddr *)&none, sizeof none);
    o.fd = fds[1];
    o.stream = stream_socket(fds[1]);
    o.session = e;
    o.listener = o.listener ? o.listener : "smtp";
    o.handler = o.handler ? o.handler : &echo_handler;
    CHECK(conn_create(&o));
    return (struct client){.fd = fds[0]};
}

static inline bool client_wait(struct client *k, int r, deadline until)
{
    unsigned arm = WATCH_READ;
    if (k->ssl) {
        int error = SSL_get_error(k->ssl, r);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return false;
        arm = error == SSL_ERROR_WANT_WRITE ? WATCH_WRITE : WATCH_READ;
    } else if (r == 0 || errno != EAGAIN) {
        return false;
    }
    return task_wait_fd(k->fd, arm, NULL, until) == WAIT_OK;
}

/* Up to n bytes; 0: the end, or nothing came in time. */
static inline size_t client_read(struct client *k, char *to, size_t n)
{
    deadline until = deadline_in(CLIENT_PATIENCE);
    for (;;) {
        int r = k->ssl ? SSL_read(k->ssl, to, (int)n) : (int)recv(k->fd, to, n, 0);
        if (r > 0)
            return (size_t)r;
        if (!client_wait(k, r, until))
            return 0;
    }
}

static inline void client_send(struct client *k, struct slice s)
{
    deadline until = deadline_in(CLIENT_PATIENCE);
    while (s.n) {
        int r =
            k->ssl ? SSL_write(k->ssl, s.p, (int)s.n) : (int)send(k->fd, s.p, s.n, MSG_NOSIGNAL);
        if (r > 0)
            s = slice_from(s, (size_t)r);
        else if (k->ssl
                     ? !client_wait(k, r, until)
                     : errno != EAGAIN || task_wait_fd(k->fd, WATCH_WRITE, NULL, until) != WAIT_OK)
            return;
    }
}

#define client_expect(k, text)                                                                     \
    do {                                                                                           \
        char got_[256] = "";                                                                       \
        size_t n_ = 0;                                                                             \
        while (n_ < sizeof(text) - 1) {                                                            \
            size_t more_ = client_read((k), got_ + n_, sizeof(text) - 1 - n_);                     \
            if (!more_)                                                                            \
                break;                                                                             \
            n_ += more_;                                                                           \
        }                                                                                          \
        if (strcmp(got_, text) != 0)                                                               \
            fprintf(stderr, "%s:%d: got '%s'\n", __FILE__, __LINE__, got_);                        \
        CHECK(strcmp(got_, text) == 0);                                                            \
    } while (0)

/* Nothing more comes and the other side is closed. */
#define client_expect_end(k)                                                                       \
    do {                                                                                           \
        char got_[64];                                                                             \
        CHECK(client_read((k), got_, sizeof got_) == 0);                                           \
    } while (0)

static inline bool client_handshake(struct client *k, SSL_CTX *context, const char *name)
{
    deadline until = deadline_in(CLIENT_PATIENCE);
    k->ssl = SSL_new(context);
    CHECK(k->ssl && SSL_set_fd(k->ssl, k->fd) == 1);
    if (name)
        SSL_set_tlsext_host_name(k->ssl, name);
    for (;;) {
        int r = SSL_connect(k->ssl);
        if (r == 1)
            return true;
        if (!client_wait(k, r, until))
            return false;
    }
}

static inline void client_close(struct client *k)
{
    if (k->ssl)
        SSL_free(k->ssl);
    close(k->fd);
    *k = (struct client){.fd = -1};
}

/* Until conn_count() is n. */
static inline void client_await_count(size_t n)
{
    deadline until = deadline_in(CLIENT_PATIENCE);
    while (conn_count() != n && clock_now() < until)
        task_sleep(deadline_in(CLOCK_MS));
    CHECK(conn_count() == n);
}

static inline void client_run(void (*fn)(void *), void *arg)
{
    struct runtime_options options = {.reactors = 1};
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's, when the other side has gone */
    CHECK(runtime_run(&options, fn, arg));
}
