#include "store/engine/memory_map.h"
#include <stdlib.h>

/* A skip list. A node of height h stands in the lists 0 .. h-1; list 0 holds every node, and all
 * are in ascending order of key. The key lies behind the links. */
struct memory_node {
    struct slice value; /* heap block of exactly n bytes */
    size_t key_n;
    unsigned height;
    struct memory_node *next[];
};

static char *key_of(const struct memory_node *node)
{
    return (char *)(uintptr_t)(node->next + node->height);
}

struct slice memory_map_key(const struct memory_node *node)
{
    return slice(key_of(node), node->key_n);
}

struct slice memory_map_value(const struct memory_node *node)
{
    return node->value;
}

const struct memory_node *memory_map_next(const struct memory_node *node)
{
    return node->next[0];
}

void memory_map_init(struct memory_map *m, bool scribble)
{
    *m = (struct memory_map){.draw = UINT64_C(0x9e3779b97f4a7c15), .scribble = scribble};
}

static void free_bytes(const void *p, size_t n, bool scribble)
{
    void *block = (void *)(uintptr_t)p;
    if (scribble && n) {
        memset(block, 0xdb, n);
        __asm__ volatile("" : : "r"(block) : "memory"); /* or the compiler drops the memset */
    }
    free(block);
}

static void free_node(struct memory_node *node, bool scribble)
{
    free_bytes(node->value.p, node->value.n, scribble);
    size_t size = sizeof *node + node->height * sizeof node->next[0] + node->key_n;
    free_bytes(node, size, scribble);
}

void memory_map_finish(struct memory_map *m)
{
    for (struct memory_node *node = m->first[0]; node;) {
        struct memory_node *next = node->next[0];
        free_node(node, m->scribble);
        node = next;
    }
    memory_map_init(m, m->scribble);
}

/* For each list, the link that leads to the first node with a key >= at (strict: > at). */
static void find_links(
    struct memory_map *m, struct slice at, bool strict, struct memory_node **links[])
{
    struct memory_node *before = NULL;
    for (int level = MEMORY_MAP_LEVELS - 1; level >= 0; level--) {
        struct memory_node **link = before ? &before->next[level] : &m->first[level];
        while (*link) {
            int order = slice_cmp(memory_map_key(*link), at);
            if (order > 0 || (order == 0 && !strict))
                break;
            before = *link;
            link = &before->next[level];
        }
        links[level] = link;
    }
}

const struct memory_node *memory_map_seek(const struct memory_map *m, struct slice at, bool strict)
{
    struct memory_node **links[MEMORY_MAP_LEVELS];
    find_links((struct memory_map *)(uintptr_t)m, at, strict, links);
    return *links[0];
}

const struct memory_node *memory_map_find(const struct memory_map *m, struct slice key)
{
    const struct memory_node *node = memory_map_seek(m, key, false);
    return node && slice_eq(memory_map_key(node), key) ? node : NULL;
}

/* One node in four is higher by one list. */
static unsigned draw_height(struct memory_map *m)
{
    m->draw ^= m->draw << 13;
    m->draw ^= m->draw >> 7;
    m->draw ^= m->draw << 17;
    unsigned height = 1;
    for (uint64_t bits = m->draw; (bits & 3) == 0 && height < MEMORY_MAP_LEVELS; bits >>= 2)
        height++;
    return height;
}

static char *copy_bytes(struct slice s)
{
    char *copy = malloc(s.n ? s.n : 1);
    if (copy && s.n)
        memcpy(copy, s.p, s.n);
    return copy;
}

bool memory_map_put(struct memory_map *m, struct slice key, struct slice value)
{
    struct memory_node **links[MEMORY_MAP_LEVELS];
    find_links(m, key, false, links);
    char *copy = copy_bytes(value);
    if (!copy)
        return false;
    struct memory_node *there = *links[0];
    if (there && slice_eq(memory_map_key(there), key)) {
        free_bytes(there->value.p, there->value.n, m->scribble);
        there->value = slice(copy, value.n);
        return true;
    }
    unsigned height = draw_height(m);
    struct memory_node *node = malloc(sizeof *node + height * sizeof node->next[0] + key.n);
    if (!node) {
        free(copy);
        return false;
    }
    node->value = slice(copy, value.n);
    node->key_n = key.n;
    node->height = height;
    if (key.n)
        memcpy(key_of(node), key.p, key.n);
    for (unsigned level = 0; level < height; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
    }
    m->n++;
    return true;
}

bool memory_map_del(struct memory_map *m, struct slice key)
{
    struct memory_node **links[MEMORY_MAP_LEVELS];
    find_links(m, key, false, links);
    struct memory_node *node = *links[0];
    if (!node || !slice_eq(memory_map_key(node), key))
        return false;
    for (unsigned level = 0; level < node->height; level++)
        *links[level] = node->next[level];
    free_node(node, m->scribble);
    m->n--;
    return true;
}
