/* Events by what they can be found by, out of the store: rows are skipped by their time and their
 * filter, few are opened. */
#pragma once
#include "trace/chunk.h"

#define SEARCH_KEYS_MAX 8192

struct search {
    const uint64_t *keys; /* chunk_hash, ascending */
    size_t n;
    int64_t since; /* wall us: rows that ended before are not opened */
    /* The latest row first, the latest event of a row first. The row began at `first`. packed: the
     * event's own bytes. False ends the search. Does not suspend. */
    bool (*each)(void *arg, const struct trace_event *e, struct slice packed, int64_t first);
    void *arg;
};

/* Puts keys into order, equal ones once; how many. */
size_t search_sort(uint64_t *keys, size_t n);
/* In pieces, with turns for others. A damaged row is passed over (logged). */
TASK_FN
enum outcome search_trace(struct store *s, const struct search *search, deadline until);
