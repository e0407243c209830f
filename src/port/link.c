#include "port/link.h"
#include "admin/frame.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_HIGH ((size_t)256 * 1024)
#define IN_HIGH  ((size_t)2 * 1024 * 1024)
#define PIECE    ((size_t)64 * 1024)
#define PATIENCE (150 * 1000) /* ms without a byte either way */

void link_init(struct link *l, int fd)
{
    *l = (struct link){.fd = fd};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    buffer_init(&l->in, IN_HIGH + FRAME_MAX + PIECE);
    buffer_init(&l->out, OUT_HIGH + FRAME_MAX + PIECE);
}

void link_finish(struct link *l)
{
    close(l->fd);
    buffer_finish(&l->in);
    buffer_finish(&l->out);
}

static size_t unsent(const struct link *l)
{
    return l->out.n - l->out_at;
}

static void compact(struct buffer *b, size_t *at)
{
    if (*at == b->n || *at > IN_HIGH / 2) {
        buffer_drop(b, *at);
        *at = 0;
    }
}

static void send_some(struct link *l)
{
    ssize_t n = send(l->fd, l->out.p + l->out_at, unsent(l), MSG_NOSIGNAL);
    if (n > 0)
        l->out_at += (size_t)n;
    else if (errno != EAGAIN && errno != EINTR)
        l->out_at = l->out.n; /* what it said before it went is still to be read */
    compact(&l->out, &l->out_at);
}

static void receive_some(struct link *l)
{
    compact(&l->in, &l->in_at);
    char *room = buffer_room(&l->in, PIECE);
    ssize_t n = room ? recv(l->fd, room, PIECE, 0) : 0;
    if (n > 0)
        buffer_took(&l->in, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        l->lost = true;
}

/* Sends and receives what can be; waits for it. */
static void pump(struct link *l, bool wait)
{
    struct pollfd p = {.fd = l->fd};
    p.events = (short)((l->in.n - l->in_at < IN_HIGH ? POLLIN : 0) | (unsent(l) ? POLLOUT : 0));
    int n = poll(&p, 1, wait ? PATIENCE : 0);
    if (n < 0 && errno == EINTR)
        return;
    if (n < 0 || (n == 0 && wait)) {
        l->lost = true;
        return;
    }
    if (p.revents & POLLOUT)
        send_some(l);
    if (p.revents & (POLLIN | POLLHUP | POLLERR))
        receive_some(l);
}

static bool added(struct link *l)
{
    l->lost |= l->out.overflow;
    while (!l->lost && unsent(l) > OUT_HIGH)
        pump(l, true);
    return !l->lost;
}

bool link_put(struct link *l, json_t *value)
{
    l->lost |= !frame_write(value, &l->out);
    return added(l);
}

bool link_put_raw(struct link *l, struct slice bytes)
{
    char head[FRAME_HEAD];
    frame_raw_head(bytes.n, head);
    buffer_add(&l->out, slice(head, sizeof head));
    buffer_add(&l->out, bytes);
    return added(l);
}

static enum link_frame take_value(struct link *l, json_t *value, json_t **row)
{
    json_t *one = json_object_get(value, "row"), *exit = json_object_get(value, "exit");
    enum link_frame what = LINK_END;
    if (json_is_object(one)) {
        *row = json_incref(one);
        what = LINK_ROW;
    } else if (json_is_integer(exit)) {
        const char *why = json_string_value(json_object_get(value, "why"));
        l->ended = true;
        l->answer.exit = (enum admin_exit)json_integer_value(exit);
        snprintf(l->answer.why, sizeof l->answer.why, "%s", why ? why : "");
    } else {
        l->lost = true;
    }
    json_decref(value);
    return what;
}

enum link_frame link_next(struct link *l, bool wait, json_t **row, struct slice *raw)
{
    json_t *value;
    size_t used;
    for (;;) {
        struct slice in = slice_from(buffer_slice(&l->in), l->in_at);
        enum frame_answer got = frame_next(in, &used, &value, raw);
        l->in_at += used;
        if (got == FRAME_OK)
            return value ? take_value(l, value, row) : LINK_RAW;
        l->lost |= got == FRAME_BAD;
        if (l->lost || l->ended)
            return LINK_END;
        size_t before = l->in.n;
        pump(l, wait);
        if (!wait && l->in.n == before)
            return l->lost ? LINK_END : LINK_NONE;
    }
}
