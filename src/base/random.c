#include "base/random.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static _Thread_local uint64_t state;
static _Thread_local bool seeded;

static void kernel_bytes(void *out, size_t n)
{
    char *at = out;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got <= 0)
            abort();
        at += got;
        n -= (size_t)got;
    }
}

/* splitmix64: one multiplication chain, full period. */
static uint64_t next(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void random_bytes(void *out, size_t n)
{
    if (!seeded) {
        kernel_bytes(out, n);
        return;
    }
    char *at = out;
    while (n) {
        uint64_t word = next();
        size_t part = n < sizeof word ? n : sizeof word;
        memcpy(at, &word, part);
        at += part;
        n -= part;
    }
}

uint64_t random_u64(void)
{
    if (!state)
        kernel_bytes(&state, sizeof state);
    return next();
}

uint64_t random_below(uint64_t below)
{
    return (uint64_t)(((unsigned __int128)random_u64() * below) >> 64);
}

void random_seed(uint64_t seed)
{
    state = seed;
    seeded = seed != 0;
}
