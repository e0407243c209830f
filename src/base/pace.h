/* How often something may be done: so many times in each window. What is worth its time now and
 * then, and not under load. */
#pragma once
#include "base/clock.h"
#include <stdbool.h>

struct pace { /* zeros: nothing done yet */
    int64_t since;
    uint32_t done;
};

/* May it be done once more? Then it counts. most: in one window of so many ns. */
static inline bool pace_take(struct pace *p, uint32_t most, int64_t window)
{
    int64_t now = clock_now();
    if (now - p->since >= window)
        *p = (struct pace){.since = now};
    if (p->done >= most)
        return false;
    p->done++;
    return true;
}
