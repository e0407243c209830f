/* The memory engine as tests see it: everything of the contract without a disk, and a crash that
 * can be placed between any two steps. Harsh mode (store_options.harsh) is on in all unit tests. */
#pragma once
#include "store/engine.h"

/* The engine stops as if the process had died after so many more steps: a step is an applied
 * mutation, an intent's row, each of its destinations, and the removal of the row. Whoever waits
 * gets OUTCOME_UNKNOWN; until memory_restart everything ends FAILED. */
void memory_crash_after(struct store *s, unsigned steps);
/* As killing the process and opening the store again: what was not applied yet ends UNKNOWN and is
 * gone, posts are lost, intents are replayed. Watches stay. */
TASK_FN
void memory_restart(struct store *s);
