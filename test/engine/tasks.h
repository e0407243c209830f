/* Tasks beside the suite's own, on both reactors. They may not use cmocka's asserts. */
#pragma once
#include "task/task.h"

/* Starts n tasks, task i on reactor i % 2, and waits for all. */
TASK_FN
void run_tasks(unsigned n, void (*fn)(void *arg, unsigned index), void *arg);
/* The same, all on this reactor: each runs until it waits before the next begins. */
TASK_FN
void run_tasks_here(unsigned n, void (*fn)(void *arg, unsigned index), void *arg);
/* Runs fn as a task on that reactor and waits for its end. */
TASK_FN
void run_task_on(unsigned reactor, void (*fn)(void *arg), void *arg);
