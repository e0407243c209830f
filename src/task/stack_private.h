/* The stacks of one reactor: mapped in slabs when first needed, each above a guard, kept warm while
 * they are in use and given back to the kernel when they are not. */
#pragma once
#include "task/context_private.h"
#include "task/task.h"

#ifdef TASK_SANITIZED /* by the build: any sanitizer */
enum { STACK_SIZE = 256 << 10 };
#else
enum { STACK_SIZE = 64 << 10 };
#endif
enum {
    STACK_GUARD = 16 << 10, /* more than the largest frame of the libraries we call */
    STACK_SLAB = 32,        /* stacks a mapping */
    STACK_WARM = 32,        /* idle stacks whose pages always stay */
};

struct stack {
    struct list node; /* in warm or cold while free */
    struct context context;
    char *bottom; /* lowest byte above the guard */
    unsigned index;
    unsigned valgrind;
    bool painted;
};

/* made <= limit; each of the first `made` stacks is in warm, in cold, or in use. */
struct stack_pool {
    size_t limit, made;
    _Atomic size_t used; /* written by the owner only */
    struct list warm;    /* latest used first */
    struct list cold;    /* without pages */
    size_t warm_count;
    size_t warm_least; /* lowest warm_count since the last look */
    bool starved;      /* a mapping failed; try again later */
    struct stack *stacks;
    void **slabs;
    struct timer trim;
};

/* The greatest number of stacks of the process that the kernel's limits allow, at most `wanted`. */
size_t stack_limit(size_t wanted);
/* False: errno. */
bool stack_pool_init(struct stack_pool *p, size_t limit);
void stack_pool_finish(struct stack_pool *p);
bool stack_available(const struct stack_pool *p);
/* NULL: none. The context is made, its run is `run`. */
struct stack *stack_take(struct stack_pool *p, void (*run)(struct context *));
void stack_give(struct stack_pool *p, struct stack *s);
