/* Which watcher each fd has on this reactor, and what the epoll of the reactor knows of it. */
#pragma once
#include "task/task.h"

struct watcher_slot {
    struct watcher *watcher;
    uint32_t generation; /* of the watcher: events of an earlier one are dropped */
    uint32_t registered; /* WATCH_* in the epoll; a superset of what is armed */
};

struct watcher_table {
    int epoll;
    size_t count;
    struct watcher_slot *slots; /* by fd */
};

void watcher_table_finish(struct watcher_table *t);
/* One event of epoll_wait. */
void watcher_dispatch(struct watcher_table *t, uint64_t data, uint32_t events);
