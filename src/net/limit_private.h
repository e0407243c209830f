/* How many connections the process and each network may have, and the counters of each listener.
 * Any thread. */
#pragma once
#include "base/metrics.h"

/* A place for one more connection of the process: below the limit of open files, with a reserve for
 * log, store and queue. */
bool limit_open(void);
void limit_closed(void);

/* One more of this network; false: it has its fill. */
bool limit_take(uint64_t network);
void limit_give(uint64_t network);

/* Counters of one listener name. */
struct meter {
    const char *name;
    struct metric opened, active;
};

/* Never NULL: names that are no setting of `listen` share one. */
struct meter *meter_of(const char *listener);

/* Counts a connection that was closed at once. */
enum limit_reason { LIMIT_NETWORK, LIMIT_FILES, LIMIT_POLICY };
void limit_refused(enum limit_reason reason);
