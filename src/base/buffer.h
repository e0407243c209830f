/* A growing byte buffer that is born with its maximum. What does not fit sets `overflow`, is
 * dropped whole, and so is all that follows, so that a writer may check once at the end. */
#pragma once
#include "base/slice.h"

struct buffer {
    char *p;
    size_t n, cap, max;
    bool overflow;
};

/* max: the most bytes it will ever hold. Allocates nothing. */
void buffer_init(struct buffer *b, size_t max);
/* Frees the memory; the buffer can be used again as after init. */
void buffer_finish(struct buffer *b);
/* Empty again, memory kept, overflow cleared. */
void buffer_reset(struct buffer *b);
bool buffer_add(struct buffer *b, struct slice s);
bool buffer_add_char(struct buffer *b, char c);
bool buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buffer_add_u64(struct buffer *b, uint64_t value);
/* Room for n more bytes, to be filled through the pointer and counted by buffer_took; NULL when
 * over the maximum. */
char *buffer_room(struct buffer *b, size_t n);
void buffer_took(struct buffer *b, size_t n);
/* Drops n bytes (at most all) from the front. */
void buffer_drop(struct buffer *b, size_t n);

static inline struct slice buffer_slice(const struct buffer *b)
{
    return slice(b->p, b->n);
}
