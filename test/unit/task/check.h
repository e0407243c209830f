/* Checks that hold on task stacks too, where cmocka's longjmp cannot go. */
#pragma once
#include "task/task.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Runs fn as the main task on so many reactors. */
static inline void run_on(unsigned reactors, void (*fn)(void *), void *arg)
{
    struct runtime_options options = {.reactors = reactors};
    CHECK(runtime_run(&options, fn, arg));
}
