#include "base/log.h"
#include "net/conn_private.h"
#include "net/limit_private.h"
#include "net/listen_private.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Connections taken in one turn of the loop before others have theirs. */
#define ACCEPT_BATCH 64
/* ... and at the end, so that a flood cannot keep a listener alive; more than a backlog holds. */
#define ACCEPT_LAST 16384
/* How long accepting rests when the process has no more files. */
#define ACCEPT_PAUSE (100 * CLOCK_MS)
/* ... and how often the log says so. */
#define ACCEPT_WARN (60 * CLOCK_SEC)
/* Idle strangers asked to leave in each such rest. */
#define ACCEPT_SHED 16

struct listener {
    struct watcher watcher;
    struct timer rest;
    struct listener_options options;
    int64_t warned_at;
    bool stopping;
};

/* ---- one connection ---- */

/* Best effort: the kernel's buffer of a new connection is empty, so a short text fits. */
static void accept_refuse(const struct listener *l, int fd, struct slice words)
{
    if (words.n && !l->options.tls && !l->options.proxy) {
        ssize_t sent = send(fd, words.p, words.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            shutdown(fd, SHUT_WR);
    }
    close(fd);
}

static void accept_start(struct listener *l, int fd, struct conn_options *o, bool counted)
{
    uint64_t network = peer_network_key(&o->peer);
    struct sockaddr_storage local;
    socklen_t n = sizeof local;
    memset(&local, 0, sizeof local);
    if (getsockname(fd, (struct sockaddr *)&local, &n) == 0)
        peer_set(&o->local, (const struct sockaddr *)&local, n);
    o->stream = stream_socket(fd);
    struct conn *c = o->stream ? conn_create(o) : NULL;
    if (c) {
        conn_placed(c);
        if (counted)
            conn_counted(c, network);
        return;
    }
    log_warn("connection dropped: out of memory", log_text("listener", o->listener));
    limit_closed();
    if (counted)
        limit_give(network);
}

static void accept_identify(struct peer *p, int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 || who.uid == (uid_t)-1)
        return;
    p->has_uid = true;
    p->uid = who.uid;
}

/* fd holds a place of limit_open, which goes over to the conn or back. */
static void accept_one(struct listener *l, int fd, const struct sockaddr *from, socklen_t n)
{
    struct conn_options o = {.fd = fd,
        .tls = l->options.tls,
        .proxy = l->options.proxy,
        .listener = l->options.name,
        .timeout = l->options.timeout};
    struct slice words = l->options.too_many;
    peer_set(&o.peer, from, n);
    if (o.peer.unix_socket)
        accept_identify(&o.peer, fd);
    /* The client behind a balancer is counted when its name is known. */
    bool counted = !o.proxy && limit_take(peer_network_key(&o.peer));
    if (o.proxy && !listen_is_proxy(&o.peer)) {
        limit_refused(LIMIT_POLICY);
        log_info("proxy header from an unlisted peer", log_text("listener", o.listener),
            log_text("peer", o.peer.address));
    } else if (!o.proxy && !counted) {
        limit_refused(LIMIT_NETWORK);
        log_debug("too many connections from one address", log_text("listener", o.listener),
            log_text("peer", o.peer.address));
    } else if (words = S(""),
        !l->options.accept(l->options.arg, &o.peer, &o.handler, &o.session, &words)) {
        limit_refused(LIMIT_POLICY);
    } else {
        accept_start(l, fd, &o, counted);
        return;
    }
    accept_refuse(l, fd, words);
    limit_closed();
    if (counted)
        limit_give(peer_network_key(&o.peer));
}

/* ---- the loop ---- */

static void accept_rest(struct listener *l, const char *reason)
{
    limit_refused(LIMIT_FILES);
    int64_t now = clock_now();
    if (now - l->warned_at > ACCEPT_WARN) {
        l->warned_at = now;
        log_warn(
            "accepting rests", log_text("listener", l->options.name), log_text("reason", reason));
    }
    if (l->stopping)
        return;
    watcher_arm(&l->watcher, 0);
    timer_start(&l->rest, deadline_in(ACCEPT_PAUSE));
    conn_shed(ACCEPT_SHED);
}

static void accept_rested(struct timer *t)
{
    struct listener *l = list_entry(t, struct listener, rest);
    watcher_arm(&l->watcher, WATCH_READ);
}

/* Errors of the connection that was about to be taken, not of the socket (accept(2)). */
static bool accept_error_passes(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return true;
    default:
        return false;
    }
}

/* True: there may be more. */
static bool accept_next(struct listener *l)
{
    struct sockaddr_storage from;
    socklen_t n = sizeof from;
    if (!limit_open()) {
        accept_rest(l, "too many connections for the limit of open files");
        return false;
    }
    memset(&from, 0, sizeof from);
    int fd = accept4(l->watcher.fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        accept_one(l, fd, (const struct sockaddr *)&from, n);
        return true;
    }
    int error = errno;
    limit_closed();
    if (error == EAGAIN || error == EWOULDBLOCK)
        return false;
    if (accept_error_passes(error))
        return true;
    accept_rest(l, strerrordesc_np(error));
    return false;
}

static void accept_ready(struct watcher *w, unsigned events)
{
    struct listener *l = list_entry(w, struct listener, watcher);
    for (int i = 0; i < ACCEPT_BATCH && accept_next(l); i++)
        ;
}

struct listener *listener_start(const struct listener_options *options)
{
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->options = *options;
    l->warned_at = clock_now() - 2 * ACCEPT_WARN;
    timer_init(&l->rest, accept_rested);
    if (watcher_start(&l->watcher, options->fd, WATCH_READ, accept_ready))
        return l;
    free(l);
    return NULL;
}

void listener_stop(struct listener *l)
{
    if (!l)
        return;
    l->stopping = true;
    timer_stop(&l->rest);
    for (int i = 0; i < ACCEPT_LAST && accept_next(l); i++)
        ;
    watcher_stop(&l->watcher);
    free(l);
}
