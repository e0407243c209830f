/* A hierarchical timer wheel: start, move, stop in O(1), no tick while nothing is due. */
#pragma once
#include "task/task.h"

/* A tick is 2^20 ns (1.05 ms). 8 levels of 64 slots hold every tick of a 63-bit clock. */
enum { WHEEL_TICK_SHIFT = 20, WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 8 };

/* A running timer is in `due` when its tick is not after `tick`, else in the slot of the highest
 * base-64 digit in which the two differ. So each level only holds slots behind its digit of `tick`,
 * lower levels come before higher ones, and timers of one tick always share a slot, in the order in
 * which they were started. */
struct wheel {
    uint64_t tick;
    uint64_t used[WHEEL_LEVELS]; /* a bit a slot: not empty */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list due;
};

void timer_wheel_init(struct wheel *w, int64_t now);
/* Takes every timer out, unfired. */
void timer_wheel_finish(struct wheel *w);
/* Fires what is due, in order; what is started meanwhile waits for the next call. */
void timer_wheel_run(struct wheel *w, int64_t now);
/* Not after the first deadline; DEADLINE_NEVER when none runs. */
deadline timer_wheel_next(const struct wheel *w);
