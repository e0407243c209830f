#include "net/pool_private.h"
#include <stdlib.h>
#include <string.h>

/* Blocks kept at most, per reactor. None under sanitizers, so that they see a use after return. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POOL_SMALL_KEEP 0
#define POOL_LARGE_KEEP 0
#else
#define POOL_SMALL_KEEP 256
#define POOL_LARGE_KEEP 32
#endif

/* A free block's first bytes point at the next one. */
struct pool_shelf {
    void *first;
    unsigned n;
};

static _Thread_local struct pool_shelf pool_small, pool_large;

static struct pool_shelf *pool_shelf(size_t cap, unsigned *keep)
{
    *keep = cap == POOL_SMALL ? POOL_SMALL_KEEP : cap == POOL_LARGE ? POOL_LARGE_KEEP : 0;
    return cap == POOL_SMALL ? &pool_small : &pool_large;
}

bool pool_take(struct block *b, size_t n)
{
    b->cap = n <= POOL_SMALL ? POOL_SMALL : n <= POOL_LARGE ? POOL_LARGE : n;
    unsigned keep;
    struct pool_shelf *shelf = pool_shelf(b->cap, &keep);
    if (keep && shelf->n) {
        b->p = shelf->first;
        memcpy(&shelf->first, b->p, sizeof shelf->first);
        shelf->n--;
    } else if (!(b->p = malloc(b->cap))) {
        b->cap = 0;
    }
    return b->p != NULL;
}

bool pool_grow(struct block *b, size_t n, size_t keep)
{
    struct block larger;
    if (!pool_take(&larger, n))
        return false;
    if (keep)
        memcpy(larger.p, b->p, keep);
    pool_give(b);
    *b = larger;
    return true;
}

void pool_give(struct block *b)
{
    unsigned keep;
    if (!b->p)
        return;
    struct pool_shelf *shelf = pool_shelf(b->cap, &keep);
    if (keep && shelf->n < keep) {
        memcpy(b->p, &shelf->first, sizeof shelf->first);
        shelf->first = b->p;
        shelf->n++;
    } else {
        free(b->p);
    }
    *b = (struct block){NULL, 0};
}

static void pool_trim_shelf(struct pool_shelf *shelf)
{
    while (shelf->n) {
        void *p = shelf->first;
        memcpy(&shelf->first, p, sizeof shelf->first);
        free(p);
        shelf->n--;
    }
}

void pool_trim(void)
{
    pool_trim_shelf(&pool_small);
    pool_trim_shelf(&pool_large);
}
