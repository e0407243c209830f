/* Bounded password hashing: so many at once, the others wait, fairly among their networks; the same
 * question asked twice at a time is computed once. Any reactor. */
#pragma once
#include "auth/password.h"
#include "task/task.h"

#define AUTH_DIGEST 32

struct auth_hasher;

struct auth_hasher_options {
    unsigned running;     /* hashes at once */
    size_t queue_network; /* hashes waiting of one network */
    size_t queue_total;
};

enum auth_hashed {
    AUTH_HASHED_MATCH,
    AUTH_HASHED_MISMATCH,
    AUTH_HASHED_BUSY, /* a queue is full, or the deadline passed */
};

/* NULL: out of memory. */
struct auth_hasher *auth_hasher_create(const struct auth_hasher_options *options);
/* Nobody waits any more; hashes that still run are waited for by nobody and free it last. */
void auth_hasher_destroy(struct auth_hasher *h);
/* digest: names account, version and password; equal digests are one question. */
TASK_FN
enum auth_hashed auth_hasher_check(struct auth_hasher *h, uint64_t network,
    const uint8_t digest[AUTH_DIGEST], struct slice prepared, const char *stored, deadline until);
/* Hashes computed since create. */
uint64_t auth_hasher_count(struct auth_hasher *h);
