/* How many recipients an account has written to: counted in slots of five minutes over a day, in
 * one row of its partition that is written together with the message, so that a limit holds over
 * restarts, costs no sync of its own and no memory. */
#pragma once
#include "store/engine.h"

#define SENT_SLOT  300 /* s */
#define SENT_BURST 2   /* slots: what "within ten minutes" means */
#define SENT_HOUR  12
#define SENT_DAY   288
#define SENT_ROW   (12 + 8 * SENT_DAY)

struct sent_limits { /* recipients; 0: no limit */
    uint32_t hour, day;
    uint32_t hold; /* in ten minutes: what comes on top is held in the queue */
};

/* At one moment. A window is the slot that it is now and those before it: the last ten minutes are
 * 5 to 10 minutes long. */
struct sent_counts {
    uint64_t burst, hour, day;
    /* wall s: when there is room for one more; 0: now */
    int64_t hour_free, day_free;
};

/* now: wall s. */
void sent_read(struct store_view *v, int64_t now, const struct sent_limits *limits,
    struct sent_counts *counts);
/* Are n recipients more than there is room for? */
static inline bool sent_over(const struct sent_limits *l, const struct sent_counts *c, uint64_t n)
{
    return (l->hour && c->hour + n > l->hour) || (l->day && c->day + n > l->day);
}

struct sent_add {
    uint32_t n;
    int64_t now; /* wall s */
    struct sent_limits limits;
    bool hold; /* it is held */
    /* out */
    bool over;  /* refused */
    bool burst; /* now more than half of the hour's limit within ten minutes, and the last time
                   that it was so is an hour ago */
    bool began; /* hold, and nothing was held in the ten minutes before */
};
/* Inside a mutation of the account's partition. DONE: counted. REFUSED: the account is removed.
 * FAILED: over a limit (`over`), or a broken row. */
enum outcome sent_add(struct store_txn *t, struct sent_add *a);

/* For verify: is it a row as this makes it? */
bool sent_row_valid(struct slice key, struct slice row);
