/* What the engines ask of a spool beyond spool.h. */
#pragma once
#include "store/spool.h"

/* Any thread that may block on a disk, after spool_end and before spool_destroy: exactly n bytes
 * from offset. False: I/O error. */
bool spool_copy(const struct spool *s, uint64_t offset, void *to, size_t n);
