#include "queue/heap.h"
#include <stddef.h>

bool heap_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->at != b->at ? a->at < b->at : a->turn < b->turn;
}

/* Two roots become one. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (heap_before(b, a)) {
        struct heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    a->next = a->prev = NULL;
    return a;
}

/* Children of a node that goes: pairs from the left, which are put on a stack by `next`, then all
 * together from the right. */
static struct heap_node *meld_all(struct heap_node *first)
{
    struct heap_node *pairs = NULL, *all = NULL;
    while (first) {
        struct heap_node *second = first->next, *rest = second ? second->next : NULL;
        first->next = first->prev = NULL;
        if (second)
            second->next = second->prev = NULL;
        struct heap_node *pair = meld(first, second);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs) {
        struct heap_node *rest = pairs->next;
        pairs->next = NULL;
        all = meld(all, pairs);
        pairs = rest;
    }
    return all;
}

void heap_put(struct heap *h, struct heap_node *n, int64_t at, uint64_t turn)
{
    heap_remove(h, n);
    *n = (struct heap_node){.at = at, .turn = turn, .in = true};
    h->top = meld(h->top, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (!n->in)
        return;
    struct heap_node *rest = meld_all(n->child);
    if (n == h->top) {
        h->top = rest;
    } else {
        if (n->prev->child == n)
            n->prev->child = n->next;
        else
            n->prev->next = n->next;
        if (n->next)
            n->next->prev = n->prev;
        h->top = meld(h->top, rest);
    }
    n->child = n->next = n->prev = NULL;
    n->in = false;
}
