/* How many connections each listener has and had. Any thread. */
#pragma once
#include "base/metrics.h"

/* Counters of one listener name. */
struct meter {
    const char *name;
    struct metric opened, active;
};

/* Never NULL: names that are no setting of `listen` share one. */
struct meter *meter_of(const char *listener);
