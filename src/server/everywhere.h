/* One function on every reactor, or on another one. */
#pragma once
#include "task/task.h"

/* Runs fn(arg) once on each reactor, with no task, and returns when all have. Not cancellable. */
TASK_FN
void everywhere(void (*fn)(void *arg), void *arg);
/* The same on one of them. */
TASK_FN
void everywhere_on(unsigned reactor, void (*fn)(void *arg), void *arg);
