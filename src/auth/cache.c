#include "auth/cache.h"
#include "base/pack.h"
#include <openssl/crypto.h>
#include <stdlib.h>

/* Sets of WAYS entries; a digest belongs to the set its first bytes name. A new one takes the place
 * of the one that ends first. */
#define WAYS 8

struct entry {
    uint8_t digest[AUTH_DIGEST];
    int64_t ends; /* 0: free */
};

struct auth_cache {
    size_t sets;
    int64_t life;
    struct entry entries[];
};

struct auth_cache *auth_cache_create(size_t entries, int64_t life)
{
    size_t sets = entries / WAYS ? entries / WAYS : 1;
    struct auth_cache *c = calloc(1, sizeof *c + sets * WAYS * sizeof c->entries[0]);
    if (!c)
        return NULL;
    c->sets = sets;
    c->life = life;
    return c;
}

void auth_cache_destroy(struct auth_cache *c)
{
    if (c)
        OPENSSL_cleanse(c->entries, c->sets * WAYS * sizeof c->entries[0]);
    free(c);
}

static struct entry *set_of(struct auth_cache *c, const uint8_t digest[AUTH_DIGEST])
{
    return &c->entries[unpack_u64(digest) % c->sets * WAYS];
}

bool auth_cache_has(struct auth_cache *c, const uint8_t digest[AUTH_DIGEST], int64_t now)
{
    const struct entry *set = set_of(c, digest);
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].ends > now && CRYPTO_memcmp(set[i].digest, digest, AUTH_DIGEST) == 0)
            return true;
    return false;
}

void auth_cache_add(struct auth_cache *c, const uint8_t digest[AUTH_DIGEST], int64_t now)
{
    struct entry *set = set_of(c, digest), *place = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (memcmp(set[i].digest, digest, AUTH_DIGEST) == 0) {
            place = &set[i];
            break;
        }
        if (set[i].ends < place->ends)
            place = &set[i];
    }
    memcpy(place->digest, digest, AUTH_DIGEST);
    place->ends = now + c->life;
}
