/* Stacks and the jump between them: Boost.Context's C ABI, and what the sanitizers must be told. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXT_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CONTEXT_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(CONTEXT_ASAN)
#define CONTEXT_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(CONTEXT_TSAN)
#define CONTEXT_TSAN 1
#endif

/* A flow of control. The loop of a reactor is one, each stack is one; a jump is always between a
 * loop and a stack, so that who jumps back is known. */
struct context {
    void *point; /* where it goes on; NULL: not made */
    struct context *peer;
    void (*run)(struct context *); /* one task from begin to end, on this stack */
    const void *bottom;
    size_t size;
    void *fake;  /* ASan: frames kept while it is away */
    void *fiber; /* TSan */
};

/* A new flow on the stack [bottom, bottom + size): each jump to it that follows the end of a run
 * begins the next one. Making it again forgets the old flow. */
void context_make(struct context *c, void *bottom, size_t size, void (*run)(struct context *));
void context_finish(struct context *c);
/* The flow that calls becomes c. */
void context_adopt(struct context *c);
/* Leaves `from` and goes on in `to`; returns when `to` jumps back. */
void context_jump(struct context *from, struct context *to);
