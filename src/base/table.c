#include "base/table.h"
#include <stdlib.h>

#define SLOTS_FIRST ((size_t)16)

void table_init(struct table *t, size_t max)
{
    *t = (struct table){.max = max};
}

void table_finish(struct table *t)
{
    free(t->slots);
    *t = (struct table){.max = t->max};
}

/* slot_count is 0 or a power of two. */
static struct table_node **slot_of(const struct table *t, uint64_t hash)
{
    return &t->slots[hash & (t->slot_count - 1)];
}

static bool grow(struct table *t)
{
    size_t count = t->slot_count ? t->slot_count * 2 : SLOTS_FIRST;
    struct table larger = {.max = t->max, .n = t->n, .slot_count = count};
    larger.slots = calloc(count, sizeof(struct table_node *));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < t->slot_count; i++) {
        for (struct table_node *node = t->slots[i], *next; node; node = next) {
            next = node->next;
            struct table_node **slot = slot_of(&larger, node->hash);
            node->next = *slot;
            *slot = node;
        }
    }
    free(t->slots);
    *t = larger;
    return true;
}

bool table_insert(struct table *t, struct table_node *node, uint64_t hash)
{
    if (t->n >= t->max)
        return false;
    /* Without memory to grow, chains become longer; only the first slots are needed. */
    if (t->n >= t->slot_count && !grow(t) && !t->slot_count)
        return false;
    struct table_node **slot = slot_of(t, hash);
    node->hash = hash;
    node->next = *slot;
    *slot = node;
    t->n++;
    return true;
}

void table_remove(struct table *t, struct table_node *node)
{
    if (!t->slot_count)
        return;
    for (struct table_node **at = slot_of(t, node->hash); *at; at = &(*at)->next) {
        if (*at == node) {
            *at = node->next;
            node->next = NULL;
            t->n--;
            return;
        }
    }
}

static struct table_node *same_hash(struct table_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct table_node *table_find(const struct table *t, uint64_t hash)
{
    return t->slot_count ? same_hash(*slot_of(t, hash), hash) : NULL;
}

struct table_node *table_find_next(const struct table_node *after)
{
    return same_hash(after->next, after->hash);
}
