/* The thread pools beside the reactors. */
#pragma once
#include "task/task.h"

enum { OFFLOAD_THREADS_MAX = 256 };

/* Starts the threads of each class; `waiting` is the limit of jobs that wait, a class. False:
 * errno, and nothing runs. */
bool offload_start(const unsigned threads[OFFLOAD_CLASSES], size_t waiting);
/* No job may be left. */
void offload_stop(void);
