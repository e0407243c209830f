/* Preloaded: the wall clock stands WALL_OFFSET seconds ahead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(id, t);
    const char *offset = getenv("WALL_OFFSET");
    if (!r && id == CLOCK_REALTIME && offset)
        t->tv_sec += strtol(offset, NULL, 10);
    return r;
}
