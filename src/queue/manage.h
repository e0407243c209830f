/* What an administrator sees of the queue and does to it, over the store: with a running queue or
 * without one. */
#pragma once
#include "queue/queue.h"

struct queue_filter { /* empty: any */
    uint64_t message;
    uint64_t account;                      /* who submitted */
    struct slice sender, recipient, route; /* ASCII case ignored; "@example.org": of the domain */
    bool only_state;
    enum queue_state state;
};

struct queue_listed {
    struct queue_message message;
    struct queue_entry entry;
    /* Of the entry, or of its route when that cannot be reached. */
    uint32_t attempts;
    int64_t next;
    struct slice reply, remote;
};

/* In order of age. fn may suspend, and ends the list with false. Streams. */
TASK_FN
enum outcome queue_list(struct store *s, const struct queue_filter *filter,
    bool (*fn)(void *arg, const struct queue_listed *l), void *arg, deadline until);

enum queue_change {
    QUEUE_RETRY,   /* is due now (or at hold_until), and its route is not waited for */
    QUEUE_HOLD,    /* not tried, and it does not expire */
    QUEUE_RELEASE, /* held: due as with RETRY; tried once at least, however old it is */
    QUEUE_REMOVE,  /* gone, nobody is told */
    QUEUE_BOUNCE,  /* gone, and the sender is told (by queue_tend, when a queue runs) */
};

/* Changes what matches; *changed counts entries that are now so. What a courier works on meanwhile
 * may still be delivered. q: the running queue, or NULL. */
TASK_FN
enum outcome queue_change(struct store *s, struct queue *q, const struct queue_filter *filter,
    enum queue_change change, uint64_t *changed, deadline until);
