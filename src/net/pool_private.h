/* Blocks of buffer memory, kept per reactor between uses, so that thousands of idle conns hold none
 * and busy ones take theirs without malloc. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define POOL_SMALL ((size_t)16 * 1024)
#define POOL_LARGE ((size_t)64 * 1024)

struct block {
    char *p;
    size_t cap; /* 0: none */
};

/* At least n bytes; POOL_SMALL and POOL_LARGE come from the pool. */
bool pool_take(struct block *b, size_t n);
/* n >= b->cap: keeps the first `keep` bytes. False: out of memory, nothing changed. */
bool pool_grow(struct block *b, size_t n, size_t keep);
void pool_give(struct block *b);
/* Frees what this thread keeps. */
void pool_trim(void);
