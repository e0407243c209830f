#include "net/dial.h"
#include "net/peer.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

/* A unix socket whose queue is full answers EAGAIN and gives no sign when there is room. */
#define UNIX_RETRY (10 * CLOCK_MS)

static enum dial_result failed(int error, const char *what, char why[DIAL_WHY])
{
    const char *words = strerrordesc_np(error);
    snprintf(why, DIAL_WHY, "%s: %s", what, words ? words : "unknown error");
    return DIAL_FAILED;
}

static enum dial_result ended(enum wait w, char why[DIAL_WHY])
{
    snprintf(why, DIAL_WHY, "%s", w == WAIT_TIMEOUT ? "no answer in time" : "cancelled");
    return w == WAIT_TIMEOUT ? DIAL_TIMEOUT : DIAL_CANCELLED;
}

/* The socket, bound to where it is to come from. */
static enum dial_result open_socket(const struct dial_options *o, int *out, char why[DIAL_WHY])
{
    int on = 1;
    int fd = socket(o->to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(errno, "socket", why);
    if (o->to->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (o->from) {
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, o->from, o->from_n) != 0) {
            struct peer from;
            char what[PEER_TEXT + 16];
            peer_set(&from, o->from, o->from_n);
            snprintf(what, sizeof what, "source address %s", from.address);
            failed(errno, what, why);
            close(fd);
            return DIAL_SOURCE;
        }
    }
    *out = fd;
    return DIAL_OK;
}

static enum dial_result connect_socket(
    int fd, const struct dial_options *o, char why[DIAL_WHY], deadline until)
{
    enum wait w = WAIT_OK;
    while (connect(fd, o->to, o->to_n) != 0) {
        if (errno == EISCONN)
            break;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN && o->to->sa_family == AF_UNIX) {
            deadline again = deadline_in(UNIX_RETRY);
            w = again < until ? task_sleep(again) : WAIT_TIMEOUT;
        } else if (errno == EINPROGRESS || errno == EALREADY) {
            int error = 0;
            socklen_t n = sizeof error;
            w = task_wait_fd(fd, WATCH_WRITE, NULL, until);
            if (w == WAIT_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0)
                return error ? failed(error, "connect", why) : DIAL_OK;
        } else {
            return failed(errno, "connect", why);
        }
        if (w != WAIT_OK)
            return ended(w, why);
    }
    return DIAL_OK;
}

enum dial_result dial_connect(
    const struct dial_options *o, struct channel **c, char why[DIAL_WHY], deadline until)
{
    *c = NULL;
    why[0] = '\0';
    int fd;
    enum dial_result r = open_socket(o, &fd, why);
    if (r != DIAL_OK)
        return r;
    r = connect_socket(fd, o, why, until);
    if (r != DIAL_OK) {
        close(fd);
        return r;
    }
    struct stream *stream = stream_socket(fd);
    struct channel *made = stream ? channel_create(stream, fd, o->line_max) : NULL;
    if (!made) {
        snprintf(why, DIAL_WHY, "out of memory");
        return DIAL_FAILED;
    }
    if (o->tls)
        r = dial_start_tls(made, o->tls, why, until);
    if (r == DIAL_OK)
        *c = made;
    else
        channel_destroy(made);
    return r;
}
