#include "task/reactor_private.h"
#include <assert.h>
#include <stdlib.h>

bool completion_table_init(struct completion_table *t)
{
    *t = (struct completion_table){.first_free = COMPLETIONS_MAX};
    t->slots = calloc(COMPLETIONS_MAX, sizeof *t->slots);
    return t->slots;
}

void completion_table_finish(struct completion_table *t)
{
    free(t->slots);
    *t = (struct completion_table){0};
}

/* On the reactor: the post has arrived. */
static void arrived(struct remote *back)
{
    struct completion_slot *s = list_entry(back, struct completion_slot, back);
    struct completion_table *t = s->table;
    void (*fn)(void *, int64_t) = s->fn;
    void *arg = s->arg;
    int64_t result = s->result;
    atomic_fetch_add_explicit(&s->generation, 1, memory_order_relaxed);
    s->next_free = t->first_free;
    t->first_free = (uint32_t)(s - t->slots);
    if (fn)
        fn(arg, result);
}

bool completion_reserve(struct completion *c, void (*fn)(void *arg, int64_t result), void *arg)
{
    struct completion_table *t = &reactor_here->completions;
    uint32_t index = t->first_free;
    if (index != COMPLETIONS_MAX)
        t->first_free = t->slots[index].next_free;
    else if (t->made < COMPLETIONS_MAX)
        index = t->made++;
    else
        return false;
    struct completion_slot *s = &t->slots[index];
    s->back.fn = arrived;
    s->fn = fn;
    s->arg = arg;
    s->table = t;
    uint32_t generation = atomic_load_explicit(&s->generation, memory_order_relaxed);
    *c = (struct completion){.reactor = reactor_here, .index = index, .generation = generation};
    return true;
}

static struct completion_slot *find(struct completion c)
{
    struct completion_slot *s = &c.reactor->completions.slots[c.index];
    bool current = atomic_load_explicit(&s->generation, memory_order_relaxed) == c.generation;
    assert(current); /* posted twice */
    return current ? s : NULL;
}

void completion_post(struct completion c, int64_t result)
{
    struct completion_slot *s = find(c);
    if (!s)
        return;
    s->result = result;
    reactor_send(c.reactor, &s->back);
}

void completion_abandon(struct completion c)
{
    struct completion_slot *s = find(c);
    if (s)
        s->fn = NULL;
}
