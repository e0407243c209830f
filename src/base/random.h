/* Randomness. Secrets come from the kernel; jitter from a fast generator of each thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* n unpredictable bytes. Never fails (aborts when the kernel gives none). */
void random_bytes(void *out, size_t n);
/* Fast, for jitter, ids in logs and tests; not for secrets. */
uint64_t random_u64(void);
/* Uniform in [0, below), below > 0. */
uint64_t random_below(uint64_t below);
/* For tests and simulation: both kinds become a deterministic sequence of this seed in this thread;
 * 0 ends it. */
void random_seed(uint64_t seed);
