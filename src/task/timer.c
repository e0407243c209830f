#include "task/reactor_private.h"

static void place(struct wheel *w, struct timer *t)
{
    uint64_t at = t->at < 0 ? 0 : (uint64_t)t->at;
    /* Rounded up: never early. */
    uint64_t tick = (at + (UINT64_C(1) << WHEEL_TICK_SHIFT) - 1) >> WHEEL_TICK_SHIFT;
    if (tick <= w->tick) {
        list_push_back(&w->due, &t->node);
        return;
    }
    unsigned level = (63 - (unsigned)__builtin_clzll(tick ^ w->tick)) / WHEEL_BITS;
    unsigned slot = (tick >> (WHEEL_BITS * level)) % WHEEL_SLOTS;
    list_push_back(&w->slots[level][slot], &t->node);
    w->used[level] |= UINT64_C(1) << slot;
}

static void take_out(struct wheel *w, struct timer *t)
{
    struct list *next = t->node.next;
    bool alone = next == t->node.prev && next != &t->node;
    list_remove(&t->node);
    if (!alone)
        return;
    /* `next` is the head of the list that is empty now: a slot, or one of the lists of due ones. */
    uintptr_t at = (uintptr_t)next - (uintptr_t)w->slots;
    if (at < sizeof w->slots) {
        size_t index = at / sizeof *next;
        w->used[index / WHEEL_SLOTS] &= ~(UINT64_C(1) << index % WHEEL_SLOTS);
    }
}

/* The first slot in use, and the tick with which it begins. */
static bool first_slot(const struct wheel *w, unsigned *level, unsigned *slot, uint64_t *tick)
{
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        if (!w->used[l])
            continue;
        unsigned low = WHEEL_BITS * l, high = low + WHEEL_BITS;
        *level = l;
        *slot = (unsigned)__builtin_ctzll(w->used[l]);
        *tick = (w->tick >> high << high) | ((uint64_t)*slot << low);
        return true;
    }
    return false;
}

static void advance(struct wheel *w, uint64_t to)
{
    unsigned level, slot;
    uint64_t tick;
    while (first_slot(w, &level, &slot, &tick) && tick <= to) {
        w->tick = tick;
        w->used[level] &= ~(UINT64_C(1) << slot);
        struct list *node;
        while ((node = list_pop_front(&w->slots[level][slot])))
            place(w, list_entry(node, struct timer, node));
    }
    if (to > w->tick)
        w->tick = to;
}

void timer_wheel_init(struct wheel *w, int64_t now)
{
    w->tick = (uint64_t)now >> WHEEL_TICK_SHIFT;
    list_init(&w->due);
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        w->used[l] = 0;
        for (unsigned s = 0; s < WHEEL_SLOTS; s++)
            list_init(&w->slots[l][s]);
    }
}

void timer_wheel_finish(struct wheel *w)
{
    while (list_pop_front(&w->due))
        ;
    for (unsigned l = 0; l < WHEEL_LEVELS; l++)
        for (unsigned s = 0; s < WHEEL_SLOTS; s++)
            while (list_pop_front(&w->slots[l][s]))
                ;
}

void timer_wheel_run(struct wheel *w, int64_t now)
{
    advance(w, (uint64_t)now >> WHEEL_TICK_SHIFT);
    if (list_empty(&w->due))
        return;
    /* The ring changes its head, so that what is started from now on stays in `due`. */
    struct list firing, *node;
    list_insert_before(&w->due, &firing);
    list_remove(&w->due);
    while ((node = list_pop_front(&firing))) {
        struct timer *t = list_entry(node, struct timer, node);
        t->fire(t);
    }
}

deadline timer_wheel_next(const struct wheel *w)
{
    unsigned level, slot;
    uint64_t tick;
    if (!list_empty(&w->due))
        return (deadline)(w->tick << WHEEL_TICK_SHIFT);
    if (!first_slot(w, &level, &slot, &tick))
        return DEADLINE_NEVER;
    return tick >> (63 - WHEEL_TICK_SHIFT) ? DEADLINE_NEVER : (deadline)(tick << WHEEL_TICK_SHIFT);
}

void timer_init(struct timer *t, void (*fire)(struct timer *))
{
    list_init(&t->node);
    t->at = DEADLINE_NEVER;
    t->fire = fire;
}

void timer_start(struct timer *t, deadline at)
{
    struct wheel *w = &reactor_here->timers;
    take_out(w, t);
    t->at = at;
    if (at != DEADLINE_NEVER)
        place(w, t);
}

void timer_stop(struct timer *t)
{
    if (list_empty(&t->node))
        return;
    take_out(&reactor_here->timers, t);
}
