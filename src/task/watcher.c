#include "task/reactor_private.h"
#include "task/watcher_private.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { FIRST_SLOTS = 256 };
/* Registered for nothing, and told of an error or hangup once only. */
#define RESTING UINT32_C(0x80)

static bool set_epoll(
    struct watcher_table *t, int op, int fd, struct watcher_slot *s, uint32_t registered)
{
    struct epoll_event e = {.data.u64 = (uint64_t)s->generation << 32 | (uint32_t)fd};
    if (registered & WATCH_READ)
        e.events |= EPOLLIN;
    if (registered & WATCH_WRITE)
        e.events |= EPOLLOUT;
    if (registered & RESTING)
        e.events |= EPOLLET;
    if (epoll_ctl(t->epoll, op, fd, &e) < 0)
        return false;
    s->registered = registered;
    return true;
}

static bool reserve(struct watcher_table *t, size_t fd)
{
    if (fd < t->count)
        return true;
    size_t count = t->count ? t->count : FIRST_SLOTS;
    while (count <= fd)
        count *= 2;
    struct watcher_slot *slots = realloc(t->slots, count * sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = t->count; i < count; i++)
        slots[i] = (struct watcher_slot){0};
    t->slots = slots;
    t->count = count;
    return true;
}

bool watcher_start(
    struct watcher *w, int fd, unsigned arm, void (*ready)(struct watcher *, unsigned))
{
    struct watcher_table *t = &reactor_here->watchers;
    if (fd < 0) {
        errno = EBADF;
        return false;
    }
    if (!reserve(t, (size_t)fd))
        return false;
    struct watcher_slot *s = &t->slots[fd];
    if (s->watcher) {
        errno = EEXIST;
        return false;
    }
    s->generation++;
    if (!set_epoll(t, EPOLL_CTL_ADD, fd, s, arm ? arm : RESTING))
        return false;
    *w = (struct watcher){.fd = fd, .armed = arm, .ready = ready};
    s->watcher = w;
    return true;
}

/* The slot of a running watcher, else NULL. */
static struct watcher_slot *find(struct watcher_table *t, const struct watcher *w)
{
    if (w->fd < 0 || (size_t)w->fd >= t->count || t->slots[w->fd].watcher != w)
        return NULL;
    return &t->slots[w->fd];
}

void watcher_arm(struct watcher *w, unsigned arm)
{
    struct watcher_table *t = &reactor_here->watchers;
    struct watcher_slot *s = find(t, w);
    assert(s);
    if (!s)
        return;
    w->armed = arm;
    /* What is no longer wanted stays registered until it is heard of again. */
    if (arm & ~s->registered) {
        bool ok = set_epoll(t, EPOLL_CTL_MOD, w->fd, s, arm);
        assert(ok);
        (void)ok;
    }
}

void watcher_stop(struct watcher *w)
{
    if (!reactor_here)
        return; /* the runtime has ended */
    struct watcher_table *t = &reactor_here->watchers;
    struct watcher_slot *s = find(t, w);
    if (!s)
        return;
    epoll_ctl(t->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    s->watcher = NULL;
    s->registered = 0;
    w->armed = 0;
}

void watcher_dispatch(struct watcher_table *t, uint64_t data, uint32_t events)
{
    uint32_t fd = (uint32_t)data, generation = data >> 32;
    struct watcher_slot *s = &t->slots[fd];
    struct watcher *w = s->watcher;
    if (!w || s->generation != generation)
        return; /* stopped earlier in this batch */
    unsigned heard = 0;
    if (events & EPOLLIN)
        heard |= WATCH_READ;
    if (events & EPOLLOUT)
        heard |= WATCH_WRITE;
    /* Whoever waits tries, and meets the error or the end. */
    if (events & (EPOLLERR | EPOLLHUP))
        heard |= WATCH_READ | WATCH_WRITE | WATCH_ERROR;
    heard &= w->armed ? w->armed | WATCH_ERROR : 0;
    if (heard)
        w->ready(w, heard);
    else if (!(s->registered & RESTING))
        set_epoll(t, EPOLL_CTL_MOD, w->fd, s, w->armed ? w->armed : RESTING);
}

void watcher_table_finish(struct watcher_table *t)
{
    free(t->slots);
    *t = (struct watcher_table){0};
}
