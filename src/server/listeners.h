/* The listeners of the worker on all reactors: brought in line with a snapshot at start and at
 * reload. */
#pragma once
#include "server/handover.h"
#include "server/services.h"

/* fds[i] belongs to snapshot->listeners[i] and is taken over. Listeners that are gone stop
 * accepting (their connections live on), new ones start, the others get the new services for
 * connections to come. Writes a log line for each that starts. */
TASK_FN
void listeners_apply(const struct snapshot *snapshot, int *fds, struct services *services);
/* Stops all. */
TASK_FN
void listeners_stop(void);
