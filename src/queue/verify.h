/* Checks what the queue keeps: entries against messages, index rows against entries, the header
 * against all. Its blob references are told, for the store's counts (mailbox/verify.h). */
#pragma once
#include "queue/queue.h"

struct queue_verify {
    void (*fault)(void *arg, const char *text);
    void (*blob)(void *arg, store_blob_id blob, uint64_t size);
    void *arg;
    /* out */
    uint64_t faults, messages, entries;
    bool changed;
};

/* False: it could not be read, or changed meanwhile (a running server: ask `changed`); nothing is
 * known then. Streams: its memory does not depend on the queue. */
TASK_FN
bool queue_verify(struct store *s, struct queue_verify *v);
