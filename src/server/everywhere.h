/* One function on every reactor. */
#pragma once
#include "task/task.h"

/* Runs fn(arg) once on each reactor, with no task, and returns when all have. Not cancellable. */
TASK_FN
void everywhere(void (*fn)(void *arg), void *arg);
