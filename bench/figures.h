/* What a benchmark counts and prints: latencies, and what a delivery costs. */
#pragma once
#include "store/engine.h"

#define FIGURES_BUCKETS 1024 /* of latency, 32 a power of two of us */

struct figures_count {
    uint64_t done, failed, slowest; /* slowest in us */
    uint32_t latency[FIGURES_BUCKETS];
};

void figures_add(struct figures_count *c, uint64_t us, bool done);
void figures_sum(struct figures_count *total, const struct figures_count *c);

struct figures_usage {
    struct store_figures store;
    uint64_t io_bytes;   /* /proc/self/io: dirtied pages, too many where the page cache has large
                            folios */
    uint64_t disk_bytes; /* written by the device of the store, for whomever; 0: it has none */
    int64_t cpu_us;
    int64_t at;
};

/* dir: the folder of the store. */
void figures_take(struct store *s, int dir, struct figures_usage *u);
/* Median time of writing 4 KiB to the end of a file of this folder and syncing it, in ms; 0: it
 * cannot be done. What the disk gives decides what the store can. */
double figures_sync_ms(int dir);
/* The head of the table, and one line of it. */
void figures_head(void);
void figures_print(unsigned writers, const struct figures_count *total,
    const struct figures_usage *from, const struct figures_usage *to);
