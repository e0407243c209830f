/* What the fuzz targets of message/ share. */
#pragma once
#include "base/slice.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Holds in every build, with NDEBUG too. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* inner lies within outer (an empty one may lie anywhere). */
static inline bool within(struct slice inner, struct slice outer)
{
    return !inner.n || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n);
}

static inline bool one_line(struct slice s)
{
    return slice_find(s, '\r') == SLICE_NONE && slice_find(s, '\n') == SLICE_NONE &&
           slice_find(s, '\0') == SLICE_NONE;
}
