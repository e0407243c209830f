/* The memory budget of the process: large things (messages being received, literals) ask before
 * they allocate. Any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* 0: no budget. */
void budget_set(size_t bytes);
/* False: over the budget; the caller answers 452 / NO [LIMIT]. */
bool budget_take(size_t bytes);
void budget_give(size_t bytes);
size_t budget_used(void);
