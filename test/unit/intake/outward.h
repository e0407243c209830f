/* A queue whose couriers never go, for what intake puts into it. */
#pragma once
#include "delivery/route.h"
#include "queue/manage.h"
#include "unit/intake/world.h"

static struct delivery_rules rules;

static inline void no_carry(void *arg, struct queue_batch *b)
{
}

/* After open_world; then come the services. */
static inline void open_queue(void)
{
    char why[256];
    const struct queue_options q = {.store = store, .carry = no_carry};
    options.queue = queue_open(&q, why, SOON);
    options.rules = &rules;
    CHECK(options.queue);
}

static inline void close_all(void)
{
    while (conn_count())
        task_sleep(deadline_in(CLOCK_MS));
    queue_close(options.queue);
    options = (struct intake_options){0};
    close_world();
}
