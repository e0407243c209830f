#include "base/clock.h"
#include <stddef.h>
#include <time.h>

static const struct clock_source *replaced;

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * CLOCK_SEC + ts.tv_nsec;
}

int64_t clock_now(void)
{
    return replaced ? replaced->now() : read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
    return replaced ? replaced->wall() : read_clock(CLOCK_REALTIME) / CLOCK_US;
}

deadline deadline_in(int64_t ns)
{
    int64_t now = clock_now();
    return ns > DEADLINE_NEVER - now ? DEADLINE_NEVER : now + ns;
}

void clock_set(const struct clock_source *source)
{
    replaced = source;
}
