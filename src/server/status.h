/* What `barid status` shows. */
#pragma once
#include "queue/queue.h"
#include "store/engine.h"
#include <jansson.h>

/* started: wall, us. A new reference; NULL: out of memory. */
TASK_FN
json_t *status_row(struct store *s, struct queue *q, int64_t started);
