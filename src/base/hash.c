#include "base/hash.h"
#include "base/hash_private.h"
#include "base/random.h"
#include <endian.h>

#define CRC32C_POLYNOMIAL UINT32_C(0x82F63B78) /* bits reversed */

static uint64_t key[2];
static uint32_t crc_table[8][256];

__attribute__((constructor)) static void prepare(void)
{
    random_bytes(key, sizeof key);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            crc_table[t][i] = crc_table[t - 1][i] >> 8 ^ crc_table[0][crc_table[t - 1][i] & 255];
}

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t load_word(const char *p, size_t n)
{
    uint64_t word = 0;
    memcpy(&word, p, n);
    return le64toh(word);
}

uint64_t hash_keyed(uint64_t k0, uint64_t k1, struct slice s)
{
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
        k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t at = 0;
    for (; s.n - at >= 8; at += 8) {
        uint64_t word = load_word(s.p + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)s.n << 56;
    if (at < s.n)
        last |= load_word(s.p + at, s.n - at);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xFF;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_slice(struct slice s)
{
    return hash_keyed(key[0], key[1], s);
}

/* Eight bytes a step, one table for each. */
uint32_t hash_crc32c_portable(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *at = p;
    crc = ~crc;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t word = load_word((const char *)at, 8) ^ crc;
        crc = 0;
        for (int t = 0; t < 8; t++)
            crc ^= crc_table[7 - t][word >> 8 * t & 255];
    }
    for (; n; n--)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *at++) & 255];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(
    uint32_t crc, const void *p, size_t n)
{
    const unsigned char *at = p;
    uint64_t wide = (uint32_t)~crc;
    for (; n >= 8; n -= 8, at += 8)
        wide = __builtin_ia32_crc32di(wide, load_word((const char *)at, 8));
    crc = (uint32_t)wide;
    for (; n; n--)
        crc = __builtin_ia32_crc32qi(crc, *at++);
    return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, p, n);
    return hash_crc32c_portable(crc, p, n);
}
#else
uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    return hash_crc32c_portable(crc, p, n);
}
#endif
