#include "base/budget.h"
#include <assert.h>
#include <stdatomic.h>

static _Atomic size_t limit;
static _Atomic size_t used;

void budget_set(size_t bytes)
{
    atomic_store_explicit(&limit, bytes, memory_order_relaxed);
}

bool budget_take(size_t bytes)
{
    size_t max = atomic_load_explicit(&limit, memory_order_relaxed);
    size_t now = atomic_load_explicit(&used, memory_order_relaxed);
    do {
        /* The limit may have been lowered below what is in use. */
        if (max && (now > max || bytes > max - now))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &used, &now, now + bytes, memory_order_relaxed, memory_order_relaxed));
    return true;
}

void budget_give(size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&used, bytes, memory_order_relaxed);
    assert(before >= bytes);
    (void)before;
}

size_t budget_used(void)
{
    return atomic_load_explicit(&used, memory_order_relaxed);
}
