/* Hashes: keyed for tables that strangers fill, CRC-32C for what lies on disk. */
#pragma once
#include "base/slice.h"

/* SipHash-1-3 under a key drawn at process start. */
uint64_t hash_slice(struct slice s);
/* CRC-32C (Castagnoli), continued from `crc` (0 at the start); uses the CPU's instruction where
 * there is one. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
