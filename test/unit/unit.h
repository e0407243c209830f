/* What every unit test includes: cmocka with what it needs, and slices compared as text. */
#pragma once
#include "base/slice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* after the four above */
#include <cmocka.h>

/* Some limits of the process are valgrind's own there. */
static inline bool unit_on_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "vgpreload");
}

#define assert_slice(actual, expected)                                                             \
    do {                                                                                           \
        struct slice actual_ = (actual), expected_ = (expected);                                   \
        if (!slice_eq(actual_, expected_))                                                         \
            fail_msg("is '" SLICE_FMT "', not '" SLICE_FMT "'", SLICE_ARG(actual_),                \
                SLICE_ARG(expected_));                                                             \
    } while (0)
