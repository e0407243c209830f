#include "task/stack_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0U
#define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#define RUNNING_ON_VALGRIND                0
#endif

/* Linux 6.13; not in Debian 12's headers. Costs no mapping of its own, unlike mprotect. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
/* Sanitizers make frames larger and the figure useless. */
#if !defined(NDEBUG) && !defined(TASK_SANITIZED)
#define PAINTING 1
#endif

enum { STRIDE = STACK_GUARD + STACK_SIZE, TRIM_BATCH = 256 };
#define TRIM_INTERVAL (500 * CLOCK_MS)
#define PAINT         UINT64_C(0x5afe57acc0ffee55)

static _Atomic size_t high_water;

/* ---- guards ---- */

static bool guard(void *at)
{
    return madvise(at, STACK_GUARD, MADV_GUARD_INSTALL) == 0 ||
           mprotect(at, STACK_GUARD, PROT_NONE) == 0;
}

static bool guards_are_free(void)
{
    void *page =
        mmap(NULL, STACK_GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    bool ok = madvise(page, STACK_GUARD, MADV_GUARD_INSTALL) == 0;
    munmap(page, STACK_GUARD);
    return ok;
}

static size_t max_map_count(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    size_t count = n > 0 ? strtoul(text, NULL, 10) : 0;
    return count ? count : 65530;
}

size_t stack_limit(size_t wanted)
{
    if (guards_are_free())
        return wanted;
    size_t cap = max_map_count() / 4; /* two mappings a stack: half of what there is */
    return wanted < cap ? wanted : cap;
}

/* ---- painting ---- */

#ifdef PAINTING
static void paint(struct stack *s)
{
    if (s->painted || RUNNING_ON_VALGRIND) /* it wants nobody to look below a stack */
        return;
    uint64_t *word = (uint64_t *)(void *)s->bottom;
    for (size_t i = 0; i < STACK_SIZE / sizeof *word; i++)
        word[i] = PAINT;
    s->painted = true;
}

static void measure(const struct stack *s)
{
    if (!s->painted)
        return;
    const uint64_t *word = (const uint64_t *)(const void *)s->bottom;
    size_t i = 0, n = STACK_SIZE / sizeof *word;
    while (i < n && word[i] == PAINT)
        i++;
    size_t depth = (n - i) * sizeof *word, seen = atomic_load(&high_water);
    while (depth > seen && !atomic_compare_exchange_weak(&high_water, &seen, depth))
        ;
}
#else
static void paint(struct stack *s)
{
}

static void measure(const struct stack *s)
{
}
#endif

size_t task_stack_high_water(void)
{
    return atomic_load(&high_water);
}

/* ---- the pool ---- */

static void make_cold(struct stack_pool *p, struct stack *s)
{
    madvise(s->bottom, STACK_SIZE, MADV_DONTNEED);
    s->context.point = NULL; /* its saved frame went with the pages */
    s->painted = false;
    list_remove(&s->node);
    list_push_front(&p->cold, &s->node);
    p->warm_count--;
}

/* Gives back the pages of stacks that nobody took since the last look. */
static void trim(struct timer *t)
{
    struct stack_pool *p = list_entry(t, struct stack_pool, trim);
    size_t idle = p->warm_least > STACK_WARM ? p->warm_least - STACK_WARM : 0;
    bool more = idle > TRIM_BATCH;
    for (size_t n = more ? TRIM_BATCH : idle; n; n--)
        make_cold(p, list_entry(p->warm.prev, struct stack, node));
    p->starved = false;
    if (more)
        p->warm_least -= TRIM_BATCH;
    else
        p->warm_least = p->warm_count;
    if (p->warm_count > STACK_WARM)
        timer_start(&p->trim, deadline_in(more ? CLOCK_MS : TRIM_INTERVAL));
}

bool stack_pool_init(struct stack_pool *p, size_t limit)
{
    *p = (struct stack_pool){.limit = limit};
    list_init(&p->warm);
    list_init(&p->cold);
    timer_init(&p->trim, trim);
    p->stacks = calloc(limit, sizeof *p->stacks);
    p->slabs = calloc((limit + STACK_SLAB - 1) / STACK_SLAB, sizeof *p->slabs);
    return p->stacks && p->slabs;
}

void stack_pool_finish(struct stack_pool *p)
{
    for (size_t i = 0; i < p->made; i++) {
        context_finish(&p->stacks[i].context);
        VALGRIND_STACK_DEREGISTER(p->stacks[i].valgrind);
    }
    for (size_t i = 0; i < p->made; i += STACK_SLAB)
        munmap(p->slabs[i / STACK_SLAB], (size_t)STACK_SLAB * STRIDE);
    free(p->slabs);
    free(p->stacks);
    *p = (struct stack_pool){0};
}

/* Maps the next slab; its stacks are cold. */
static bool grow(struct stack_pool *p)
{
    size_t size = (size_t)STACK_SLAB * STRIDE;
    char *slab = mmap(NULL, size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab == MAP_FAILED)
        return false;
    madvise(slab, size, MADV_NOHUGEPAGE); /* a stack is a page or two, not 2 MiB */
    for (size_t i = 0; i < STACK_SLAB; i++) {
        if (!guard(slab + i * STRIDE)) {
            munmap(slab, size);
            return false;
        }
    }
    p->slabs[p->made / STACK_SLAB] = slab;
    for (size_t i = 0; i < STACK_SLAB && p->made < p->limit; i++) {
        struct stack *s = &p->stacks[p->made];
        s->index = (unsigned)p->made++;
        s->bottom = slab + i * STRIDE + STACK_GUARD;
        s->valgrind = VALGRIND_STACK_REGISTER(s->bottom, s->bottom + STACK_SIZE);
        list_push_back(&p->cold, &s->node);
    }
    return true;
}

bool stack_available(const struct stack_pool *p)
{
    return !list_empty(&p->warm) || !list_empty(&p->cold) || (p->made < p->limit && !p->starved);
}

struct stack *stack_take(struct stack_pool *p, void (*run)(struct context *))
{
    if (!stack_available(p))
        return NULL;
    struct list *node = list_pop_front(&p->warm);
    if (node) {
        if (--p->warm_count < p->warm_least)
            p->warm_least = p->warm_count;
    } else {
        if (list_empty(&p->cold) && !grow(p)) {
            p->starved = true;
            timer_start(&p->trim, deadline_in(TRIM_INTERVAL));
            return NULL;
        }
        node = list_pop_front(&p->cold);
    }
    struct stack *s = list_entry(node, struct stack, node);
    if (!s->context.point) {
        paint(s);
        context_make(&s->context, s->bottom, STACK_SIZE, run);
    }
    size_t used = atomic_load_explicit(&p->used, memory_order_relaxed);
    atomic_store_explicit(&p->used, used + 1, memory_order_relaxed);
    return s;
}

void stack_give(struct stack_pool *p, struct stack *s)
{
    measure(s);
    size_t used = atomic_load_explicit(&p->used, memory_order_relaxed);
    atomic_store_explicit(&p->used, used - 1, memory_order_relaxed);
    list_push_front(&p->warm, &s->node);
    p->starved = false;
    if (++p->warm_count == STACK_WARM + 1 && list_empty(&p->trim.node)) {
        p->warm_least = 0;
        timer_start(&p->trim, deadline_in(TRIM_INTERVAL));
    }
}
