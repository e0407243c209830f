#include "base/buffer.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buffer_init(struct buffer *b, size_t max)
{
    *b = (struct buffer){.max = max};
}

void buffer_finish(struct buffer *b)
{
    free(b->p);
    *b = (struct buffer){.max = b->max};
}

void buffer_reset(struct buffer *b)
{
    b->n = 0;
    b->overflow = false;
}

char *buffer_room(struct buffer *b, size_t n)
{
    if (b->overflow || n > b->max - b->n) {
        b->overflow = true;
        return NULL;
    }
    if (n <= b->cap - b->n && b->p)
        return b->p + b->n;
    size_t cap = b->cap ? b->cap : 64;
    while (cap - b->n < n)
        cap *= 2;
    if (cap > b->max)
        cap = b->max ? b->max : 1;
    char *grown = realloc(b->p, cap + 1); /* the byte more is for vsnprintf's NUL */
    if (!grown) {
        b->overflow = true;
        return NULL;
    }
    b->p = grown;
    b->cap = cap;
    return b->p + b->n;
}

void buffer_took(struct buffer *b, size_t n)
{
    b->n += n;
}

bool buffer_add(struct buffer *b, struct slice s)
{
    char *to = buffer_room(b, s.n);
    if (!to)
        return false;
    if (s.n)
        memcpy(to, s.p, s.n);
    b->n += s.n;
    return true;
}

bool buffer_add_char(struct buffer *b, char c)
{
    return buffer_add(b, slice(&c, 1));
}

bool buffer_printf(struct buffer *b, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0)
        return false;
    if ((size_t)n < sizeof small)
        return buffer_add(b, slice(small, (size_t)n));
    char *to = buffer_room(b, (size_t)n);
    if (!to)
        return false;
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
    return true;
}

bool buffer_add_u64(struct buffer *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return buffer_add(b, slice(digits + at, sizeof digits - at));
}

void buffer_drop(struct buffer *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    b->n -= n;
    if (b->n && n)
        memmove(b->p, b->p + n, b->n);
}
