/* An ordered map of byte strings: one partition of the memory engine. Keys and values are copies of
 * its own; a value lies in a heap block of exactly its size, so that an address sanitizer sees
 * every read past its end. Not locked: the engine's lock is held around it. */
#pragma once
#include "base/slice.h"

#define MEMORY_MAP_LEVELS 20

struct memory_node;

struct memory_map {
    struct memory_node *first[MEMORY_MAP_LEVELS];
    size_t n;
    bool scribble;
    uint64_t draw; /* state of the generator of node heights */
};

/* Allocates nothing. scribble: what is freed is overwritten first. */
void memory_map_init(struct memory_map *m, bool scribble);
/* Frees all nodes; the map is empty and can be used again. */
void memory_map_finish(struct memory_map *m);
/* Copies both, replaces what was there. False: out of memory, nothing changed. */
bool memory_map_put(struct memory_map *m, struct slice key, struct slice value);
/* False: it was not there. */
bool memory_map_del(struct memory_map *m, struct slice key);
/* The node of this key, or NULL. */
const struct memory_node *memory_map_find(const struct memory_map *m, struct slice key);
/* The first node with a key >= at (strict: > at), or NULL. */
const struct memory_node *memory_map_seek(const struct memory_map *m, struct slice at, bool strict);
const struct memory_node *memory_map_next(const struct memory_node *node);
/* Valid until the node is replaced or removed. */
struct slice memory_map_key(const struct memory_node *node);
struct slice memory_map_value(const struct memory_node *node);
