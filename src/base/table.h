/* Intrusive hash table with a bound. Nodes carry their hash; the caller compares keys. */
#pragma once
#include "base/slice.h"

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **slots;
    size_t n, slot_count, max;
};

/* max: the most nodes. Allocates nothing until the first insert. */
void table_init(struct table *t, size_t max);
/* Frees the slots; nodes belong to the caller. */
void table_finish(struct table *t);
/* False when full or out of memory. */
bool table_insert(struct table *t, struct table_node *node, uint64_t hash);
void table_remove(struct table *t, struct table_node *node);
/* First node with this hash; then the next one with the same hash behind `after`; NULL at the end.
 */
struct table_node *table_find(const struct table *t, uint64_t hash);
struct table_node *table_find_next(const struct table_node *after);
