/* Load for IMAP: sessions that do one thing again and again, timed.
 *
 *   bench-imap --to HOST:PORT [--tls] [--user user%d@example.test] [--password x] [--users 20]
 *              [--connections 20] [--seconds 3] MODE [COMMAND ...]
 *
 * run: one session: LOGIN, then each COMMAND once; a line "ms bytes COMMAND" for each.
 *
 * again: each connection: LOGIN, SELECT INBOX, then COMMAND until the time is over; of two commands
 * both have for "%d" the same random number from 1 to EXISTS, and for "%c" first +, then -; prints
 * commands/s, p50, p99.
 *
 * append: APPEND of --size bytes to INBOX, likewise.
 *
 * login: connect, LOGIN, LOGOUT, likewise.
 *
 * idle: opens all connections, LOGIN, SELECT INBOX, IDLE; prints "ready"; ends with its input. */
#include "base/slice.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX      ((size_t)256 * 1024)
#define SAMPLES_MAX 2000000
#define TAG         "t "

static struct {
    const char *to, *user, *password, *mode, *command;
    bool tls;
    int users, connections;
    double seconds;
    size_t size;
} options = {.user = "user%d@example.test",
    .password = "x",
    .users = 20,
    .connections = 20,
    .seconds = 3,
    .size = 4096};

struct session {
    int fd, index;
    SSL *ssl;
    char *in;
    size_t in_at, in_n, bytes; /* what was heard and not looked at: in_at to in_n */
    uint32_t exists, number;
    bool odd;
};

static SSL_CTX *tls;
static float *samples; /* ms */
static atomic_long sample_n;
static char *message;
static size_t message_n;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what, const char *detail)
{
    fprintf(stderr, "bench-imap: %s: %s\n", what, detail);
    exit(1);
}

/* ---- a session ---- */

static void say(struct session *s, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done =
            s->ssl ? SSL_write(s->ssl, bytes, (int)n) : send(s->fd, bytes, n, MSG_NOSIGNAL);
        if (done <= 0)
            die("send", "the connection is gone");
        bytes += done;
        n -= (size_t)done;
    }
}

static void hear(struct session *s)
{
    if (s->in_at == s->in_n)
        s->in_at = s->in_n = 0;
    if (s->in_n == IN_MAX) {
        memmove(s->in, s->in + s->in_at, s->in_n - s->in_at);
        s->in_n -= s->in_at;
        s->in_at = 0;
    }
    if (s->in_n == IN_MAX)
        die("reply", "a line is too long");
    ssize_t n = s->ssl ? SSL_read(s->ssl, s->in + s->in_n, (int)(IN_MAX - s->in_n))
                       : recv(s->fd, s->in + s->in_n, IN_MAX - s->in_n, 0);
    if (n <= 0)
        die("the server closed", "end of file");
    s->in_n += (size_t)n;
    s->bytes += (size_t)n;
}

static void skip(struct session *s, size_t n)
{
    for (; n > s->in_n - s->in_at; hear(s)) {
        n -= s->in_n - s->in_at;
        s->in_at = s->in_n;
    }
    s->in_at += n;
}

/* The next line, without its LF. */
static char *hear_line(struct session *s, size_t *n)
{
    size_t looked = 0;
    char *end;
    while (!(end = memchr(s->in + s->in_at + looked, '\n', s->in_n - s->in_at - looked))) {
        looked = s->in_n - s->in_at;
        hear(s);
    }
    char *line = s->in + s->in_at;
    *n = (size_t)(end - line);
    *end = '\0';
    s->in_at += *n + 1;
    return line;
}

/* Reads up to a line that starts so; literals are passed over. */
static void await(struct session *s, const char *start)
{
    size_t wanted = strlen(start), n;
    for (;;) {
        char *line = hear_line(s, &n);
        if (n > 2 && line[n - 2] == '}') {
            char *open = memrchr(line, '{', n);
            skip(s, open ? strtoul(open + 1, NULL, 10) : 0);
            continue;
        }
        if (n > 8 && n < 24 && !memcmp(line + n - 8, " EXISTS\r", 8))
            s->exists = (uint32_t)strtoul(line + 2, NULL, 10);
        if (!strncmp(line, start, wanted))
            return;
        if (!strncmp(line, TAG, 2))
            die("refused", line);
    }
}

static void command(struct session *s, const char *text)
{
    char line[1024];
    int n = snprintf(line, sizeof line, TAG "%s\r\n", text);
    say(s, line, (size_t)n);
    await(s, TAG "OK");
}

static void open_session(struct session *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    int one = 1;
    const char *colon = strrchr(options.to, ':');
    if (!colon ||
        !slice_to_cstr(slice(options.to, (size_t)(colon - options.to)), host, sizeof host) ||
        inet_pton(AF_INET, host, &to.sin_addr) != 1)
        die("not ADDRESS:PORT", options.to);
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof to))
        die("connect", options.to);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!s->in)
        s->in = malloc(IN_MAX);
    s->in_at = s->in_n = 0;
    if (options.tls) {
        s->ssl = SSL_new(tls);
        SSL_set_fd(s->ssl, s->fd);
        if (SSL_connect(s->ssl) != 1)
            die("TLS", "the handshake failed");
    }
    await(s, "* OK");
    char line[512], user[256];
    snprintf(user, sizeof user, options.user, s->index % options.users);
    snprintf(line, sizeof line, "LOGIN %s %s", user, options.password);
    command(s, line);
}

static void close_session(struct session *s)
{
    SSL_free(s->ssl);
    close(s->fd);
    s->ssl = NULL;
}

static void sample(double seconds)
{
    long i = atomic_fetch_add(&sample_n, 1);
    if (i < SAMPLES_MAX)
        samples[i] = (float)(seconds * 1000);
}

/* ---- modes ---- */

static void append(struct session *s)
{
    char line[80];
    int n = snprintf(line, sizeof line, TAG "APPEND INBOX {%zu}\r\n", message_n);
    say(s, line, (size_t)n);
    await(s, "+");
    say(s, message, message_n + 2); /* and the end of the line */
    await(s, TAG "OK");
}

static void again(struct session *s, unsigned *seed)
{
    char text[900];
    s->odd = !s->odd;
    if (s->odd)
        s->number = s->exists ? (unsigned)rand_r(seed) % s->exists + 1 : 1;
    snprintf(text, sizeof text, options.command, s->number, s->odd ? '+' : '-');
    command(s, text);
}

static void *work(void *arg)
{
    struct session *s = arg;
    unsigned seed = (unsigned)s->index;
    double until = now() + options.seconds;
    bool login = !strcmp(options.mode, "login"), adds = !strcmp(options.mode, "append");
    if (!login) {
        open_session(s);
        command(s, adds ? "NOOP" : "SELECT INBOX");
    }
    while (now() < until) {
        double begun = now();
        if (login) {
            open_session(s);
            command(s, "LOGOUT");
            close_session(s);
        } else if (adds) {
            append(s);
        } else {
            again(s, &seed);
        }
        sample(now() - begun);
    }
    if (!login)
        close_session(s);
    return NULL;
}

static int order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void load(void)
{
    struct session *sessions = calloc((size_t)options.connections, sizeof *sessions);
    pthread_t *threads = calloc((size_t)options.connections, sizeof *threads);
    double begun = now();
    for (int i = 0; i < options.connections; i++) {
        sessions[i].index = i;
        if (pthread_create(&threads[i], NULL, work, &sessions[i]))
            die("thread", "cannot be started");
    }
    for (int i = 0; i < options.connections; i++)
        pthread_join(threads[i], NULL);
    double seconds = now() - begun;
    long n = sample_n < SAMPLES_MAX ? sample_n : SAMPLES_MAX;
    qsort(samples, (size_t)n, sizeof *samples, order);
    printf("%.0f /s, p50 %.2f ms, p99 %.2f ms\n", (double)sample_n / seconds,
        n ? (double)samples[n / 2] : 0, n ? (double)samples[n * 99 / 100] : 0);
    free(sessions);
    free(threads);
}

static void run(char **commands)
{
    struct session s = {0};
    open_session(&s);
    for (; *commands; commands++) {
        double begun = now();
        s.bytes = 0;
        command(&s, *commands);
        printf("%.2f ms %zu bytes %s\n", (now() - begun) * 1000, s.bytes, *commands);
        fflush(stdout);
    }
    close_session(&s);
}

static void idle(void)
{
    struct session *sessions = calloc((size_t)options.connections, sizeof *sessions);
    for (int i = 0; i < options.connections; i++) {
        sessions[i].index = i;
        open_session(&sessions[i]);
        command(&sessions[i], "SELECT INBOX");
        say(&sessions[i], TAG "IDLE\r\n", 8);
        await(&sessions[i], "+");
        free(sessions[i].in); /* nothing is read from here on */
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    free(sessions);
}

static void make_message(void)
{
    message = malloc(options.size + 1024);
    message_n = (size_t)snprintf(message, 256,
        "From: Load <load@sender.test>\r\nTo: you\r\nSubject: load\r\n"
        "Date: Sun, 22 Nov 2026 03:12:16 +0000\r\nMessage-ID: <load@sender.test>\r\n\r\n");
    while (message_n < options.size)
        message_n += (size_t)snprintf(message + message_n, 80, "%s\r\n",
            "The quick brown fox jumps over the lazy dog and goes on until the line ends.");
    memcpy(message + message_n, "\r\n", 2);
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = {{"to", 1, NULL, 't'}, {"tls", 0, NULL, 'l'},
        {"user", 1, NULL, 'u'}, {"password", 1, NULL, 'p'}, {"users", 1, NULL, 'n'},
        {"connections", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'}, {"size", 1, NULL, 'z'}, {0}};
    for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (o) {
        case 't':
            options.to = optarg;
            break;
        case 'l':
            options.tls = true;
            break;
        case 'u':
            options.user = optarg;
            break;
        case 'p':
            options.password = optarg;
            break;
        case 'n':
            options.users = (int)strtol(optarg, NULL, 10);
            break;
        case 'c':
            options.connections = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'z':
            options.size = strtoul(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    options.mode = argv[optind];
    options.command = options.mode ? argv[optind + 1] : NULL;
    if (!options.to || !options.mode || options.users < 1 || options.connections < 1)
        die("usage", "--to ADDRESS:PORT [...] run|again|append|login|idle [COMMAND ...]");
}

int main(int argc, char **argv)
{
    struct rlimit files;
    parse(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    tls = SSL_CTX_new(TLS_client_method());
    samples = malloc(SAMPLES_MAX * sizeof *samples);
    make_message();
    if (!strcmp(options.mode, "run"))
        run(argv + optind + 1);
    else if (!strcmp(options.mode, "idle"))
        idle();
    else
        load();
    free(samples);
    free(message);
    SSL_CTX_free(tls);
    return 0;
}
