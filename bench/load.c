/* Load for SMTP and LMTP in: N connections deliver messages one after the other, counted by their
 * final replies.
 *
 *   bench-load --to 127.0.0.1:2525 | unix:PATH  [--lmtp] [--connections 20] [--seconds 5 |
 * --messages N] [--size 4096]
 *              [--rcpt user%d@example.test] [--users 20] [--split]
 *
 * MAIL, RCPT and DATA go out in one write where the server offers PIPELINING (--split: never).
 * Prints messages/s, p50, p99. */
#include "base/slice.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 4000 /* latencies by 1/16 of a power of two of us */
#define IN_MAX  8192
#define EVENTS  256

struct options {
    const char *to, *rcpt;
    bool lmtp, split;
    int connections, users;
    double seconds;
    long messages;
    size_t size;
};

enum step { STEP_GREETING, STEP_HELLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_BODY };

struct client {
    int fd, index;
    enum step step;
    bool pipelining;
    char in[IN_MAX];
    size_t in_n;
    struct slice out; /* not yet taken by the socket */
    char commands[512];
    double begun;
};

static struct options options = {
    .rcpt = "user%d@example.test", .connections = 20, .users = 20, .seconds = 5, .size = 4096};
static struct client *clients;
static int poll_fd, alive;
static char *body;
static size_t body_n;
static long sent, done, refused, latencies[BUCKETS];
static double until;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what, const char *detail)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, detail);
    exit(1);
}

static void make_body(void)
{
    body = malloc(options.size + 1024);
    if (!body)
        die("out of memory", "body");
    int head = snprintf(body, 256,
        "From: Load <load@sender.test>\r\nTo: you\r\nSubject: load\r\n"
        "Date: Sun, 22 Nov 2026 03:12:16 +0000\r\nMessage-ID: <load@sender.test>\r\n\r\n");
    body_n = (size_t)head;
    while (body_n < options.size)
        body_n += (size_t)snprintf(body + body_n, 80, "%s\r\n",
            "The quick brown fox jumps over the lazy dog and goes on until the line ends.");
    body_n += (size_t)snprintf(body + body_n, 8, ".\r\n");
}

static int connect_to(const char *to)
{
    struct sockaddr_storage a = {0};
    socklen_t n;
    int one = 1;
    if (!strncmp(to, "unix:", 5)) {
        struct sockaddr_un *u = (void *)&a;
        u->sun_family = AF_UNIX;
        snprintf(u->sun_path, sizeof u->sun_path, "%s", to + 5);
        n = sizeof *u;
    } else {
        struct sockaddr_in *in = (void *)&a;
        char host[64];
        const char *colon = strrchr(to, ':');
        if (!colon || (size_t)(colon - to) >= sizeof host)
            die("not HOST:PORT", to);
        slice_to_cstr(slice(to, (size_t)(colon - to)), host, sizeof host);
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
        if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
            die("not an address", host);
        n = sizeof *in;
    }
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, n))
        die("connect", strerror(errno));
    if (a.ss_family == AF_INET)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void arm(struct client *c)
{
    struct epoll_event e = {.events = EPOLLIN | (c->out.n ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void flush(struct client *c)
{
    bool waited = c->out.n > 0;
    while (c->out.n) {
        ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            die("send", strerror(errno));
        c->out = slice_from(c->out, (size_t)n);
    }
    if (waited && c->out.n)
        arm(c);
}

static void say(struct client *c, struct slice bytes)
{
    c->out = bytes;
    flush(c);
}

static bool more_to_send(void)
{
    return options.messages ? sent < options.messages : now() < until;
}

static void finish(struct client *c)
{
    say(c, S("QUIT\r\n"));
    close(c->fd);
    c->fd = -1;
    alive--;
}

/* The envelope: all at once, or command by command. */
static void envelope(struct client *c, enum step from)
{
    char rcpt[256];
    size_t n = 0;
    snprintf(rcpt, sizeof rcpt, options.rcpt, (int)(sent % options.users));
    bool all = c->pipelining && !options.split;
    if (from == STEP_MAIL)
        n += (size_t)snprintf(c->commands, sizeof c->commands, "MAIL FROM:<load@sender.test>\r\n");
    if (from == STEP_RCPT || all)
        n += (size_t)snprintf(c->commands + n, sizeof c->commands - n, "RCPT TO:<%s>\r\n", rcpt);
    if (from == STEP_DATA || all)
        n += (size_t)snprintf(c->commands + n, sizeof c->commands - n, "DATA\r\n");
    c->step = from;
    say(c, slice(c->commands, n));
}

static void next_message(struct client *c)
{
    if (!more_to_send()) {
        finish(c);
        return;
    }
    c->begun = now();
    envelope(c, STEP_MAIL);
    sent++;
}

static void count(double seconds)
{
    unsigned long us = (unsigned long)(seconds * 1e6) + 1;
    unsigned top = 63U - (unsigned)__builtin_clzl(us);
    unsigned part = top >= 4 ? (unsigned)(us >> (top - 4)) & 15 : (unsigned)(us << (4 - top)) & 15;
    unsigned bucket = top * 16 + part;
    latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static void reply(struct client *c, int code, struct slice line)
{
    switch (c->step) {
    case STEP_GREETING:
        if (code != 220)
            die("greeting", line.p);
        c->step = STEP_HELLO;
        say(c, options.lmtp ? S("LHLO load.test\r\n") : S("EHLO load.test\r\n"));
        return;
    case STEP_HELLO:
        next_message(c);
        return;
    case STEP_MAIL:
    case STEP_RCPT:
        if (code != 250)
            die("envelope refused", line.p);
        c->step++;
        if (!c->pipelining || options.split)
            envelope(c, c->step);
        return;
    case STEP_DATA:
        if (code != 354)
            die("DATA refused", line.p);
        c->step = STEP_BODY;
        say(c, slice(body, body_n));
        return;
    case STEP_BODY:
        if (code == 250)
            done++;
        else
            refused++;
        count(now() - c->begun);
        next_message(c);
        return;
    }
}

static void lines(struct client *c)
{
    size_t at = 0;
    while (c->fd >= 0) {
        char *end = memchr(c->in + at, '\n', c->in_n - at);
        if (!end)
            break;
        struct slice line = slice(c->in + at, (size_t)(end - (c->in + at)));
        at += line.n + 1;
        *end = '\0';
        if (slice_starts_nocase(slice_from(line, 4), S("PIPELINING")))
            c->pipelining = true;
        if (line.n >= 4 && line.p[3] == ' ')
            reply(c, (int)strtol(line.p, NULL, 10), line);
    }
    memmove(c->in, c->in + at, c->in_n - at);
    c->in_n -= at;
}

static void readable(struct client *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_n, IN_MAX - c->in_n, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server closed", n < 0 ? strerror(errno) : "end of file");
    c->in_n += (size_t)n;
    lines(c);
}

static double percentile(double part)
{
    long sum = 0, all = done + refused;
    for (unsigned i = 0; i < BUCKETS; i++) {
        sum += latencies[i];
        if (sum >= (long)(part * (double)all) && sum)
            return (double)((16 + i % 16) * (1UL << (i / 16))) / 16 / 1000;
    }
    return 0;
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = {{"to", 1, NULL, 't'}, {"lmtp", 0, NULL, 'l'},
        {"connections", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'}, {"messages", 1, NULL, 'm'},
        {"size", 1, NULL, 'z'}, {"rcpt", 1, NULL, 'r'}, {"users", 1, NULL, 'u'},
        {"split", 0, NULL, 'p'}, {0}};
    for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (o) {
        case 't':
            options.to = optarg;
            break;
        case 'l':
            options.lmtp = true;
            break;
        case 'c':
            options.connections = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'm':
            options.messages = strtol(optarg, NULL, 10);
            break;
        case 'z':
            options.size = strtoul(optarg, NULL, 10);
            break;
        case 'r':
            options.rcpt = optarg;
            break;
        case 'u':
            options.users = (int)strtol(optarg, NULL, 10);
            break;
        case 'p':
            options.split = true;
            break;
        default:
            exit(2);
        }
    if (!options.to || options.connections < 1 || options.users < 1)
        die("usage", "--to HOST:PORT|unix:PATH [--lmtp] [--connections N] [--seconds N]");
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    parse(argc, argv);
    make_body();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    clients = calloc((size_t)options.connections, sizeof *clients);
    if (poll_fd < 0 || !clients)
        die("start", strerror(errno));
    double start = now();
    until = start + options.seconds;
    for (int i = 0; i < options.connections; i++) {
        struct client *c = &clients[i];
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        *c = (struct client){.fd = connect_to(options.to), .index = i};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &e);
        alive++;
    }
    while (alive) {
        int n = epoll_wait(poll_fd, events, EVENTS, 60000);
        if (n == 0)
            die("no reply", "for 60 s");
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c->fd >= 0 && events[i].events & EPOLLOUT) {
                flush(c);
                arm(c);
            }
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                readable(c);
        }
    }
    double seconds = now() - start;
    printf("%.0f messages/s (%ld in %.2f s, %ld refused), p50 %.2f ms, p99 %.2f ms\n",
        (double)done / seconds, done, seconds, refused, percentile(0.5), percentile(0.99));
    return refused ? 1 : 0;
}
