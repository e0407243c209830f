/* What the tests of message/ share: large hostile inputs and a bound on the time they take. */
#pragma once
#include "base/buffer.h"
#include "base/clock.h"
#include "unit/unit.h"
#include <time.h>

#define TEN_MB ((size_t)10 * 1024 * 1024)

/* 10 MB take well under a second; what is quadratic takes hours, also on a slow machine or under
 * valgrind. */
#define TIME_MAX (60 * CLOCK_SEC)

/* `unit` repeated behind `front` to n bytes, in memory of exactly that size. */
static inline struct slice repeated(struct slice front, struct slice unit, size_t n)
{
    char *p = malloc(n);
    assert_non_null(p);
    memcpy(p, front.p, front.n);
    for (size_t at = front.n; at < n;) {
        size_t part = n - at < unit.n ? n - at : unit.n;
        memcpy(p + at, unit.p, part);
        at += part;
    }
    return slice(p, n);
}

static inline void drop(struct slice s)
{
    free((char *)(uintptr_t)s.p);
}

/* CPU time, so that a busy machine does not matter. */
static inline int64_t cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

#define assert_within_time(start) assert_true(cpu_now() - (start) < TIME_MAX)
