#include "base/arena.h"
#include <stdalign.h>
#include <stdlib.h>

#define BLOCK_SIZE ((size_t)4096)
#define ALIGNMENT  alignof(max_align_t)

struct arena_block {
    struct arena_block *before;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

void arena_reset(struct arena *a)
{
    while (a->last) {
        struct arena_block *before = a->last->before;
        free(a->last);
        a->last = before;
    }
    a->used = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > a->max - a->used || n > SIZE_MAX / 2)
        return NULL;
    size_t whole = (n + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    struct arena_block *block = a->last;
    if (!block || whole > block->size - block->used) {
        size_t size = whole > BLOCK_SIZE ? whole : BLOCK_SIZE;
        block = malloc(sizeof *block + size);
        if (!block)
            return NULL;
        *block = (struct arena_block){.before = a->last, .size = size};
        a->last = block;
    }
    void *given = block->bytes + block->used;
    block->used += whole;
    a->used += n;
    memset(given, 0, n);
    return given;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *to = arena_alloc(a, s.n + 1);
    if (!to)
        return (struct slice){NULL, 0};
    if (s.n)
        memcpy(to, s.p, s.n);
    return slice(to, s.n);
}
