/* What is too old goes. */
#pragma once
#include "trace/chunk.h"

#define SWEEP_ROWS 256 /* deleted in one mutation */

/* Deletes rows whose last event is before `before` (wall us), at most `rounds` mutations; *more:
 * there are others. */
TASK_FN
enum outcome sweep_trace(struct store *s, int64_t before, unsigned rounds, bool *more);
