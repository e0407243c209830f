/* How many connections the process and each network may have. Any thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A place for one more connection of the process: below the limit of open files, with a reserve for
 * log, store and queue. */
bool limit_open(void);
void limit_closed(void);

/* 0: no limit. */
void limit_set(unsigned connections_per_network);
/* One more of this network; false: it has its fill. */
bool limit_take(uint64_t network);
void limit_give(uint64_t network);

/* Counts a connection that was closed at once. */
enum limit_reason { LIMIT_NETWORK, LIMIT_FILES, LIMIT_POLICY };
void limit_refused(enum limit_reason reason);
