/* The reserved places for answers of other threads. */
#pragma once
#include "task/task.h"

enum { COMPLETIONS_MAX = 16384 };

/* Reserved by one generation, posted once; its message to the reactor is part of it, so that a post
 * needs no room anywhere. */
struct completion_slot {
    struct remote back;
    void (*fn)(void *arg, int64_t result); /* NULL: abandoned */
    void *arg;
    int64_t result;
    struct completion_table *table;
    _Atomic uint32_t generation;
    uint32_t next_free;
};

struct completion_table {
    struct completion_slot *slots;
    uint32_t made;       /* slots behind it were never used */
    uint32_t first_free; /* COMPLETIONS_MAX: none */
};

bool completion_table_init(struct completion_table *t);
void completion_table_finish(struct completion_table *t);
