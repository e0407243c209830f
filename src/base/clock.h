/* Time. Two clocks: monotonic for timers and deadlines, wall for what people see.
 * Everything reads time through here, so that a test or simulation can own it. */
#pragma once
#include <stdint.h>

#define CLOCK_US  INT64_C(1000)
#define CLOCK_MS  INT64_C(1000000)
#define CLOCK_SEC INT64_C(1000000000)

/* A point on the monotonic clock, in ns. */
typedef int64_t deadline;
#define DEADLINE_NEVER INT64_MAX

/* Monotonic now in ns. */
int64_t clock_now(void);
/* Wall clock now in us since 1970-01-01T00:00:00Z. */
int64_t clock_wall(void);
/* clock_now() + ns, saturating. */
deadline deadline_in(int64_t ns);
/* a or b, whichever is earlier. */
static inline deadline deadline_min(deadline a, deadline b)
{
    return a < b ? a : b;
}

struct clock_source {
    int64_t (*now)(void);
    int64_t (*wall)(void);
};
/* For tests: replaces both clocks; NULL puts the real ones back. Not while other threads run. */
void clock_set(const struct clock_source *source);
