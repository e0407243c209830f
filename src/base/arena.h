/* Memory of one lifetime (session, command, message): given out in order, freed all at once. Born
 * with its maximum. */
#pragma once
#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *last;
    size_t used, max;
};

/* max: the most bytes it will ever hold. Allocates nothing. */
void arena_init(struct arena *a, size_t max);
/* Frees everything that was given out; the arena can be used again. */
void arena_reset(struct arena *a);
/* n zeroed bytes, aligned for any type; NULL when over the maximum or out of memory. Valid until
 * arena_reset. */
void *arena_alloc(struct arena *a, size_t n);
/* A copy with a NUL behind it (not counted); {NULL, 0} when it did not fit. */
struct slice arena_copy(struct arena *a, struct slice s);

#define arena_new(arena, type)      ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, n) ((type *)arena_alloc((arena), arena_bytes((n), sizeof(type))))

/* n * size; SIZE_MAX, which no arena gives, when that overflows. */
static inline size_t arena_bytes(size_t n, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(n, size, &bytes) ? SIZE_MAX : bytes;
}
