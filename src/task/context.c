#include "task/context_private.h"
#ifdef CONTEXT_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CONTEXT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* The functions below leave one stack inside and return on another, and one of them never returns:
 * the sanitizers' own bookkeeping of frames would not balance. */
#define ACROSS_STACKS __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

/* libboost_context.a (boost/context/detail/fcontext.hpp). */
struct context_transfer {
    void *from;
    void *data;
};
struct context_transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*entry)(struct context_transfer));

static inline void leave(struct context *from, struct context *to, bool last)
{
#ifdef CONTEXT_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake, to->bottom, to->size);
    if (last)
        from->fake = NULL;
#endif
#ifdef CONTEXT_TSAN
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

static inline void arrive(struct context *here, struct context *from)
{
#ifdef CONTEXT_ASAN
    __sanitizer_finish_switch_fiber(here->fake, &from->bottom, &from->size);
#endif
}

ACROSS_STACKS
void context_jump(struct context *from, struct context *to)
{
    to->peer = from;
    leave(from, to, false);
    struct context_transfer t = jump_fcontext(to->point, to);
    to->point = t.from;
    arrive(from, to);
}

ACROSS_STACKS
static void end_run(struct context *self)
{
    struct context *loop = self->peer;
    leave(self, loop, true);
    struct context_transfer t = jump_fcontext(loop->point, loop);
    loop->point = t.from;
    arrive(self, loop);
}

ACROSS_STACKS
static void entry(struct context_transfer t)
{
    struct context *self = t.data;
    self->peer->point = t.from;
    arrive(self, self->peer);
    for (;;) {
        self->run(self);
        end_run(self);
    }
}

void context_make(struct context *c, void *bottom, size_t size, void (*run)(struct context *))
{
    c->point = make_fcontext((char *)bottom + size, size, entry);
    c->run = run;
    c->bottom = bottom;
    c->size = size;
    c->fake = NULL;
#ifdef CONTEXT_TSAN
    if (!c->fiber)
        c->fiber = __tsan_create_fiber(0);
#endif
}

void context_finish(struct context *c)
{
#ifdef CONTEXT_TSAN
    if (c->fiber)
        __tsan_destroy_fiber(c->fiber);
#endif
    c->fiber = NULL;
    c->point = NULL;
}

void context_adopt(struct context *c)
{
    *c = (struct context){0};
#ifdef CONTEXT_TSAN
    c->fiber = __tsan_get_current_fiber();
#endif
}
