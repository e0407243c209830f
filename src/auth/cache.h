/* Passwords that were right a short while ago, as digests under a key of this process. Fixed size;
 * the caller brings the time and the lock. */
#pragma once
#include "auth/hasher.h"

struct auth_cache;

/* NULL: out of memory. */
struct auth_cache *auth_cache_create(size_t entries, int64_t life);
void auth_cache_destroy(struct auth_cache *c);
bool auth_cache_has(struct auth_cache *c, const uint8_t digest[AUTH_DIGEST], int64_t now);
void auth_cache_add(struct auth_cache *c, const uint8_t digest[AUTH_DIGEST], int64_t now);
