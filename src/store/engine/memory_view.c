#include "store/engine/memory_private.h"
#include <stdlib.h>

/* Harsh: a copy that was handed out. The bytes end where the heap block ends. */
struct copy {
    struct copy *next;
    size_t n;
    char bytes[];
};

/* One run of one fn over one partition. */
struct look {
    const struct memory_map *rows; /* NULL: no rows */
    bool harsh;
    const struct memory_node *nodes[STORE_CURSORS_MAX];
    struct copy *copies;
};

static bool hand_out(struct store_view *v, struct slice from, struct slice *to)
{
    struct look *look = v->engine;
    if (!look->harsh) {
        *to = from;
        return true;
    }
    struct copy *copy = malloc(sizeof *copy + from.n);
    if (!copy) {
        v->broken = true;
        return false;
    }
    copy->next = look->copies;
    copy->n = from.n;
    look->copies = copy;
    memcpy(copy->bytes, from.p, from.n);
    *to = slice(copy->bytes, from.n);
    return true;
}

static bool rows_get(struct store_view *v, struct slice key, struct slice *value)
{
    const struct look *look = v->engine;
    const struct memory_node *node = look->rows ? memory_map_find(look->rows, key) : NULL;
    return node && hand_out(v, memory_map_value(node), value);
}

static bool give_row(struct store_view *v, unsigned slot, const struct memory_node *node,
    struct slice *key, struct slice *value)
{
    struct look *look = v->engine;
    look->nodes[slot] = node;
    return node && hand_out(v, memory_map_key(node), key) &&
           hand_out(v, memory_map_value(node), value);
}

static bool rows_seek(struct store_view *v, unsigned slot, struct slice at, bool strict,
    struct slice *key, struct slice *value)
{
    const struct look *look = v->engine;
    const struct memory_node *node = look->rows ? memory_map_seek(look->rows, at, strict) : NULL;
    return give_row(v, slot, node, key, value);
}

static bool rows_next(struct store_view *v, unsigned slot, struct slice *key, struct slice *value)
{
    const struct look *look = v->engine;
    const struct memory_node *node = look->nodes[slot];
    return give_row(v, slot, node ? memory_map_next(node) : NULL, key, value);
}

/* What the fn kept a pointer to must not look right any more. */
static void take_back(struct look *look)
{
    while (look->copies) {
        struct copy *copy = look->copies;
        look->copies = copy->next;
        memset(copy->bytes, 0xdb, copy->n);
        __asm__ volatile("" : : "r"(copy) : "memory"); /* or the compiler drops the memset */
        free(copy);
    }
}

static void rows_wrote(struct store_view *v)
{
    take_back(v->engine);
}

static const struct store_rows memory_rows = {rows_get, rows_seek, rows_next, rows_wrote};

static void look_start(
    struct look *look, const struct memory_store *ms, const struct memory_partition *part)
{
    *look = (struct look){.rows = part ? &part->rows : NULL, .harsh = ms->options.harsh};
}

static enum outcome read_once(struct memory_store *ms, store_partition p,
    const struct memory_partition *part, store_read_fn fn, void *arg)
{
    struct look look;
    struct store_view view;
    look_start(&look, ms, part);
    store_view_init(&view, &memory_rows, &look, p, part ? part->version : 0, NULL);
    enum outcome outcome = store_view_read(&view, fn, arg);
    take_back(&look);
    return outcome;
}

enum outcome memory_view_read(struct memory_store *ms, store_partition p,
    const struct memory_partition *part, store_read_fn fn, void *arg)
{
    if (ms->options.harsh)
        read_once(ms, p, part, fn, arg);
    return read_once(ms, p, part, fn, arg);
}

static enum outcome mutate_once(struct memory_store *ms, store_partition p,
    const struct memory_partition *part, store_mutate_fn fn, void *arg)
{
    struct look look;
    struct store_txn txn;
    look_start(&look, ms, part);
    store_view_init(&txn.view, &memory_rows, &look, p, part ? part->version : 0, ms->set);
    enum outcome outcome = store_txn_run(&txn, fn, arg);
    take_back(&look);
    return outcome;
}

enum outcome memory_view_mutate(struct memory_store *ms, store_partition p,
    const struct memory_partition *part, store_mutate_fn fn, void *arg)
{
    if (ms->options.harsh)
        mutate_once(ms, p, part, fn, arg);
    return mutate_once(ms, p, part, fn, arg);
}
