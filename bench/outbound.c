/* Load for mail that goes out: who submits it, and the servers that take it.
 *
 *   bench-outbound submit --to ADDRESS:PORT [--login] [--user user%d@example.test] [--password x]
 *                         [--users 20] [--connections 20] [--messages 1000] [--domains 100]
 *                         [--size 4096]
 *
 * TLS from the first byte, message i goes to to@d(i mod domains).bench.test; prints when the first
 * command and the last reply were (CLOCK_MONOTONIC, s).
 *
 *   bench-outbound sink --port PORT
 *
 * Listens on all IPv4 addresses. For each line "N" of its input: waits for N messages, prints when
 * the last one was there, how many connections brought them, and how many bytes there were. */
#include "base/slice.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX ((size_t)16 * 1024)
#define EVENTS 256

static struct {
    const char *to, *user, *password;
    bool login;
    int users, connections, domains, port;
    long messages;
    size_t size;
} options = {.user = "user%d@example.test",
    .password = "x",
    .users = 20,
    .connections = 20,
    .domains = 100,
    .messages = 1000,
    .size = 4096};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what, const char *detail)
{
    fprintf(stderr, "bench-outbound: %s: %s\n", what, detail);
    exit(1);
}

/* ---- submit ---- */

struct submitter {
    int index, fd;
    SSL *ssl;
    char in[IN_MAX], *text; /* text: of a message, with its end */
    size_t in_n, text_n;
};

static SSL_CTX *tls;
static atomic_long next_message;

static void say(struct submitter *s, struct slice bytes)
{
    if (SSL_write(s->ssl, bytes.p, (int)bytes.n) != (int)bytes.n)
        die("send", "the connection is gone");
}

/* The replies to so many commands; all are to begin with one of these digits. */
static void await(struct submitter *s, int replies, const char *wanted)
{
    size_t at = 0;
    while (replies) {
        char *end = memchr(s->in + at, '\n', s->in_n - at);
        if (!end) {
            memmove(s->in, s->in + at, s->in_n - at);
            s->in_n -= at;
            at = 0;
            int n =
                s->in_n < IN_MAX ? SSL_read(s->ssl, s->in + s->in_n, (int)(IN_MAX - s->in_n)) : 0;
            if (n <= 0)
                die("reply", "the connection is gone");
            s->in_n += (size_t)n;
            continue;
        }
        *end = '\0';
        if (!strchr(wanted, s->in[at]))
            die("refused", s->in + at);
        replies -= s->in[at + 3] != '-';
        at = (size_t)(end + 1 - s->in);
    }
    memmove(s->in, s->in + at, s->in_n - at);
    s->in_n -= at;
}

static int connect_to(const char *to)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    char host[64];
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *colon = strrchr(to, ':');
    if (!colon || !slice_to_cstr(slice(to, (size_t)(colon - to)), host, sizeof host) ||
        inet_pton(AF_INET, host, &in.sin_addr) != 1)
        die("not ADDRESS:PORT", to);
    in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof in))
        die("connect", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* PLAIN (RFC 4616). */
static void log_in(struct submitter *s, const char *user)
{
    unsigned char plain[256], line[512];
    size_t u = strlen(user), p = strlen(options.password);
    if (u + p + 2 > sizeof plain)
        die("too long", user);
    plain[0] = plain[u + 1] = '\0';
    memcpy(plain + 1, user, u);
    memcpy(plain + u + 2, options.password, p);
    int n = EVP_EncodeBlock(line, plain, (int)(u + p + 2));
    say(s, S("AUTH PLAIN "));
    say(s, slice((char *)line, (size_t)n));
    say(s, S("\r\n"));
    await(s, 1, "2");
}

static void make_text(struct submitter *s, const char *user)
{
    size_t room = options.size + 1024;
    s->text = malloc(room);
    if (!s->text)
        die("out of memory", "message");
    int n = snprintf(s->text, room,
        "From: <%s>\r\nTo: somebody\r\nSubject: load\r\nDate: Sun, 22 Nov 2026 03:12:16 +0000\r\n"
        "Message-ID: <load.%d@sender.test>\r\n\r\n",
        user, s->index);
    for (s->text_n = (size_t)n; s->text_n < options.size;)
        s->text_n += (size_t)snprintf(s->text + s->text_n, room - s->text_n, "%s\r\n",
            "The quick brown fox jumps over the lazy dog and goes on until the line ends.");
    s->text_n += (size_t)snprintf(s->text + s->text_n, room - s->text_n, ".\r\n");
}

static void *submit(void *arg)
{
    struct submitter *s = arg;
    char user[128], envelope[512];
    snprintf(user, sizeof user, options.user, s->index % options.users);
    make_text(s, user);
    s->fd = connect_to(options.to);
    s->ssl = SSL_new(tls);
    SSL_set_fd(s->ssl, s->fd);
    if (SSL_connect(s->ssl) != 1)
        die("TLS", "the handshake failed");
    await(s, 1, "2");
    say(s, S("EHLO load.test\r\n"));
    await(s, 1, "2");
    if (options.login)
        log_in(s, user);
    for (;;) {
        long i = atomic_fetch_add(&next_message, 1);
        if (i >= options.messages)
            break;
        int n = snprintf(envelope, sizeof envelope,
            "MAIL FROM:<%s>\r\nRCPT TO:<to@d%ld.bench.test>\r\nDATA\r\n", user,
            i % options.domains);
        say(s, slice(envelope, (size_t)n));
        await(s, 3, "23");
        say(s, slice(s->text, s->text_n));
        await(s, 1, "2");
    }
    say(s, S("QUIT\r\n"));
    SSL_free(s->ssl);
    close(s->fd);
    free(s->text);
    return NULL;
}

static void run_submit(void)
{
    struct submitter *all = calloc((size_t)options.connections, sizeof *all);
    pthread_t *threads = calloc((size_t)options.connections, sizeof *threads);
    tls = SSL_CTX_new(TLS_client_method());
    if (!all || !threads || !tls || !options.to)
        die("start", "--to is missing, or memory");
    double begun = now();
    for (int i = 0; i < options.connections; i++) {
        all[i].index = i;
        if (pthread_create(&threads[i], NULL, submit, &all[i]))
            die("thread", "cannot be started");
    }
    for (int i = 0; i < options.connections; i++)
        pthread_join(threads[i], NULL);
    printf("%.6f %.6f\n", begun, now());
    SSL_CTX_free(tls);
    free(all);
    free(threads);
}

/* ---- sink ---- */

struct peer {
    int fd;
    bool in_data;
    long brought;   /* in which round it brought something */
    size_t matched; /* of "\r\n.\r\n" */
    size_t line_n;
    char line[512]; /* the start of a line that is not whole yet */
};

static int poll_fd;
static long wanted, taken, bringers, round_number;
static unsigned long bytes;

static void reply(struct peer *p, struct slice text)
{
    if (send(p->fd, text.p, text.n, MSG_NOSIGNAL) != (ssize_t)text.n)
        shutdown(p->fd, SHUT_RDWR);
}

static void took(struct peer *p)
{
    p->in_data = false;
    bringers += p->brought != round_number;
    p->brought = round_number;
    taken++;
    reply(p, S("250 2.0.0 taken\r\n"));
    if (wanted && taken == wanted) {
        printf("%.6f %ld %lu\n", now(), bringers, bytes);
        fflush(stdout);
        wanted = 0;
    }
}

/* Looks for the end of the message; the bytes that were looked at. */
static size_t data(struct peer *p, struct slice in)
{
    static const char end[] = "\r\n.\r\n";
    size_t i = 0;
    while (i < in.n) {
        if (!p->matched) {
            const char *cr = memchr(in.p + i, '\r', in.n - i);
            if (!cr) {
                i = in.n;
                break;
            }
            i = (size_t)(cr - in.p);
        }
        char c = in.p[i++];
        p->matched = c == end[p->matched] ? p->matched + 1 : c == '\r';
        if (p->matched == sizeof end - 1) {
            p->matched = 0;
            took(p);
            break;
        }
    }
    bytes += i;
    return i;
}

static void command(struct peer *p, struct slice line)
{
    struct slice verb = slice_sub(line, 0, 4);
    if (slice_eq_nocase(verb, S("EHLO"))) {
        reply(p, S("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n"));
    } else if (slice_eq_nocase(verb, S("DATA"))) {
        p->in_data = true;
        p->matched = 2; /* the first line may be the dot */
        reply(p, S("354 go on\r\n"));
    } else if (slice_eq_nocase(verb, S("QUIT"))) {
        reply(p, S("221 2.0.0 bye\r\n"));
        shutdown(p->fd, SHUT_WR);
    } else {
        reply(p, S("250 2.1.0 ok\r\n"));
    }
}

static size_t one_line(struct peer *p, struct slice in)
{
    size_t lf = slice_find(in, '\n');
    size_t n = lf == SLICE_NONE ? in.n : lf + 1;
    if (p->line_n + n > sizeof p->line)
        die("sink", "a command is too long");
    memcpy(p->line + p->line_n, in.p, n);
    p->line_n += n;
    if (lf != SLICE_NONE) {
        command(p, slice_trim(slice(p->line, p->line_n)));
        p->line_n = 0;
    }
    return n;
}

static void readable(struct peer *p)
{
    static char in[256 * 1024];
    ssize_t n = recv(p->fd, in, sizeof in, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(p->fd);
        free(p);
        return;
    }
    for (struct slice rest = slice(in, (size_t)n); rest.n;)
        rest = slice_from(rest, p->in_data ? data(p, rest) : one_line(p, rest));
}

static void watch(int fd, void *data)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = data};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
}

static void accept_all(int listener)
{
    int one = 1;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct peer *p = calloc(1, sizeof *p);
        if (!p)
            die("out of memory", "connection");
        p->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(fd, p);
        reply(p, S("220 sink ESMTP\r\n"));
    }
}

/* False: the input has ended. */
static bool order(void)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
    if (n <= 0)
        return false;
    line[n] = '\0';
    wanted = strtol(line, NULL, 10);
    taken = bringers = 0;
    round_number++;
    bytes = 0;
    return true;
}

static int listen_on(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in) || listen(fd, 4096))
        die("listen", strerror(errno));
    return fd;
}

static void run_sink(void)
{
    static char at_listener, at_input; /* their addresses tell them apart */
    struct epoll_event events[EVENTS];
    int listener = listen_on(options.port);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, &at_listener);
    watch(STDIN_FILENO, &at_input);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;
            if (who == &at_listener)
                accept_all(listener);
            else if (who != &at_input)
                readable(who);
            else if (!order())
                return;
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"to", 1, NULL, 't'}, {"login", 0, NULL, 'l'},
        {"connections", 1, NULL, 'c'}, {"messages", 1, NULL, 'm'}, {"size", 1, NULL, 'z'},
        {"user", 1, NULL, 'u'}, {"users", 1, NULL, 'n'}, {"password", 1, NULL, 'p'},
        {"domains", 1, NULL, 'd'}, {"port", 1, NULL, 'o'}, {0}};
    for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        int number = optarg ? (int)strtol(optarg, NULL, 10) : 0;
        if (o == 't')
            options.to = optarg;
        else if (o == 'l')
            options.login = true;
        else if (o == 'c')
            options.connections = number;
        else if (o == 'm')
            options.messages = number;
        else if (o == 'z')
            options.size = (size_t)number;
        else if (o == 'u')
            options.user = optarg;
        else if (o == 'n')
            options.users = number;
        else if (o == 'p')
            options.password = optarg;
        else if (o == 'd')
            options.domains = number;
        else if (o == 'o')
            options.port = number;
        else
            return 2;
    }
    const char *mode = optind < argc ? argv[optind] : "";
    if (!strcmp(mode, "submit"))
        run_submit();
    else if (!strcmp(mode, "sink"))
        run_sink();
    else
        die("usage", "submit or sink");
    return 0;
}
