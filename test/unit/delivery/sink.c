#include "unit/delivery/sink.h"
#include "unit/task/check.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILLERS = 8 };

atomic_int sink_silent_at;
atomic_uint sink_silences, sink_bodies, sink_mails, sink_recipients;

static struct {
    int listener, drips, turned, fillers[FILLERS];
    size_t filler_n;
    struct sockaddr_in at;
    atomic_bool end, away; /* away: it looks at no connection any more */
    pthread_t thread;
} sink;

static void signal_fd(int fd)
{
    CHECK(write(fd, &(uint64_t){1}, 8) == 8);
}

static void take(int fd)
{
    uint64_t count;
    CHECK(read(fd, &count, 8) == 8);
}

static bool silent(int fd, int stage)
{
    char byte;
    if (atomic_load(&sink_silent_at) != stage)
        return false;
    atomic_fetch_add(&sink_silences, 1);
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
    return true;
}

/* Until the client has gone. */
static void drip(int fd)
{
    static const char text[] = "220-slow\r\n";
    struct pollfd fds[] = {{.fd = sink.drips, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    atomic_fetch_add(&sink_silences, 1);
    for (size_t i = 0;; i++) {
        CHECK(poll(fds, 2, -1) > 0);
        if (fds[1].revents)
            return;
        take(sink.drips);
        if (send(fd, text + i % (sizeof text - 1), 1, MSG_NOSIGNAL) != 1)
            return;
    }
}

static bool body(FILE *in)
{
    char line[1024];
    while (fgets(line, sizeof line, in))
        if (!strcmp(line, ".\r\n"))
            return true;
    return false;
}

static int stage_of(const char *line)
{
    static const struct {
        const char *verb;
        int stage;
    } verbs[] = {{"EHLO", SMTP_AT_HELLO}, {"MAIL", SMTP_AT_MAIL}, {"RCPT", SMTP_AT_RCPT},
        {"DATA", SMTP_AT_DATA}, {"QUIT", SMTP_AT_QUIT}, {"RSET", SMTP_AT_RSET}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strncmp(line, verbs[i].verb, 4))
            return verbs[i].stage;
    return SMTP_AT_AUTH;
}

static void say(int fd, const char *text)
{
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static unsigned begun; /* transactions of the connection */

/* False: the dialogue is over. */
static bool answer(int fd, FILE *in, int stage, unsigned *recipients)
{
    if (silent(fd, stage))
        return false;
    begun += stage == SMTP_AT_MAIL;
    if (begun > 1 && atomic_load(&sink_silent_at) == SINK_ONCE) {
        say(fd, "421 4.7.0 one is enough\r\n");
        return false;
    }
    *recipients = stage == SMTP_AT_MAIL ? 0 : *recipients + (stage == SMTP_AT_RCPT);
    say(fd, stage == SMTP_AT_DATA   ? "354 go on\r\n"
            : stage == SMTP_AT_QUIT ? "221 bye\r\n"
            : stage == SMTP_AT_AUTH ? "500 what?\r\n"
                                    : "250 ok\r\n");
    if (stage != SMTP_AT_DATA)
        return stage != SMTP_AT_QUIT;
    if (!body(in))
        return false;
    atomic_fetch_add(&sink_bodies, 1);
    if (silent(fd, SMTP_AT_END))
        return false;
    atomic_fetch_add(&sink_recipients, *recipients);
    atomic_fetch_add(&sink_mails, 1);
    say(fd, "250 taken\r\n");
    return true;
}

static void talk(int fd)
{
    char line[1024];
    unsigned recipients = 0;
    begun = 0;
    if (atomic_load(&sink_silent_at) == SINK_DRIPS)
        return drip(fd);
    if (silent(fd, SMTP_AT_GREETING))
        return;
    FILE *in = fdopen(dup(fd), "r");
    CHECK(in);
    say(fd, "220 sink ESMTP\r\n");
    while (fgets(line, sizeof line, in) && answer(fd, in, stage_of(line), &recipients))
        continue;
    fclose(in);
}

static void *serve(void *arg)
{
    while (!atomic_load(&sink.end)) {
        bool absent = atomic_load(&sink_silent_at) == SINK_ABSENT;
        atomic_store(&sink.away, absent);
        struct pollfd fds[] = {{.fd = sink.turned, .events = POLLIN},
            {.fd = absent ? -1 : sink.listener, .events = POLLIN}};
        CHECK(poll(fds, 2, -1) > 0);
        if (fds[0].revents)
            take(sink.turned);
        if (!fds[1].revents)
            continue;
        int fd = accept(sink.listener, NULL, NULL);
        CHECK(fd >= 0);
        talk(fd);
        close(fd);
    }
    return NULL;
}

unsigned short sink_start(void)
{
    socklen_t n = sizeof sink.at;
    memset(&sink, 0, sizeof sink);
    sink_silent_at = SINK_WELL;
    sink_silences = sink_bodies = sink_mails = sink_recipients = 0;
    sink.at =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK((sink.drips = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)) >= 0);
    CHECK((sink.turned = eventfd(0, EFD_CLOEXEC)) >= 0);
    CHECK((sink.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
    CHECK(bind(sink.listener, (struct sockaddr *)&sink.at, n) == 0);
    CHECK(listen(sink.listener, 0) == 0);
    CHECK(getsockname(sink.listener, (struct sockaddr *)&sink.at, &n) == 0);
    CHECK(pthread_create(&sink.thread, NULL, serve, NULL) == 0);
    return ntohs(sink.at.sin_port);
}

void sink_turn(int to)
{
    atomic_store(&sink_silent_at, to);
    signal_fd(sink.turned);
    while (sink.filler_n)
        close(sink.fillers[--sink.filler_n]);
}

void sink_drip(void)
{
    signal_fd(sink.drips);
}

/* Connections until one is not answered: the kernel's queue is full, and the next SYN is lost. */
void sink_fill(void)
{
    while (!atomic_load(&sink.away))
        usleep(1000);
    for (bool full = false; !full; sink.filler_n++) {
        CHECK(sink.filler_n < FILLERS);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(fd >= 0);
        full = connect(fd, (struct sockaddr *)&sink.at, sizeof sink.at) != 0 &&
               poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 100) == 0;
        sink.fillers[sink.filler_n] = fd;
    }
}

void sink_stop(void)
{
    atomic_store(&sink.end, true);
    sink_turn(SINK_WELL);
    pthread_join(sink.thread, NULL);
    close(sink.listener);
    close(sink.drips);
    close(sink.turned);
}
