/* What hash.c is made of, for its tests: fixed keys, and the way without the CPU's instruction. */
#pragma once
#include "base/hash.h"

uint64_t hash_keyed(uint64_t k0, uint64_t k1, struct slice s);
uint32_t hash_crc32c_portable(uint32_t crc, const void *p, size_t n);
