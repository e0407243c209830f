#include "net/stream.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_stream {
    struct stream stream;
    int fd;
    int error; /* errno of the failure; 0: none yet */
};

static struct socket_stream *socket_of(struct stream *s)
{
    return (struct socket_stream *)(void *)s;
}

static ssize_t socket_failed(struct socket_stream *s, ssize_t wait)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return wait;
    s->error = errno;
    return STREAM_ERROR;
}

static ssize_t socket_read(struct stream *stream, void *to, size_t n)
{
    struct socket_stream *s = socket_of(stream);
    ssize_t got;
    do
        got = recv(s->fd, to, n, 0);
    while (got < 0 && errno == EINTR);
    return got >= 0 ? got : socket_failed(s, STREAM_WANT_READ);
}

static ssize_t socket_write(struct stream *stream, const struct iovec *parts, int n)
{
    struct socket_stream *s = socket_of(stream);
    struct iovec copy[8];
    struct msghdr message = {.msg_iov = copy};
    for (; (int)message.msg_iovlen < n && message.msg_iovlen < 8; message.msg_iovlen++)
        copy[message.msg_iovlen] = parts[message.msg_iovlen];
    ssize_t sent;
    do
        sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? sent : socket_failed(s, STREAM_WANT_WRITE);
}

static void socket_shutdown(struct stream *stream)
{
    shutdown(socket_of(stream)->fd, SHUT_WR);
}

static void socket_destroy(struct stream *stream)
{
    close(socket_of(stream)->fd);
    free(stream);
}

static const char *socket_error(struct stream *stream)
{
    int error = socket_of(stream)->error;
    const char *words = error ? strerrordesc_np(error) : "no error";
    return words ? words : "unknown error";
}

static const struct stream_ops socket_ops = {
    .read = socket_read,
    .write = socket_write,
    .shutdown = socket_shutdown,
    .destroy = socket_destroy,
    .error = socket_error,
};

struct stream *stream_socket(int fd)
{
    struct socket_stream *s = calloc(1, sizeof *s);
    if (!s) {
        close(fd);
        return NULL;
    }
    s->stream.ops = &socket_ops;
    s->fd = fd;
    return &s->stream;
}
