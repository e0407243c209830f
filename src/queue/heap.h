/* An intrusive heap by time, first come first served among equals (a pairing heap: no allocation,
 * putting is O(1), taking amortised O(log n)). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct heap_node {
    struct heap_node *child, *next, *prev; /* prev: the sibling before, or the parent */
    int64_t at;
    uint64_t turn;
    bool in;
};

struct heap {
    struct heap_node *top;
};

/* Takes it out first when it is in. turn: ascending, over all heaps that are compared. */
void heap_put(struct heap *h, struct heap_node *n, int64_t at, uint64_t turn);
bool heap_before(const struct heap_node *a, const struct heap_node *b);
/* Harmless when it is not in. */
void heap_remove(struct heap *h, struct heap_node *n);
