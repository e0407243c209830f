/* From the store into the schedules: which lanes there are. Skips from lane to lane, so that a
 * million entries of one lane cost what one costs. */
#include "queue/queue_private.h"
#include <stdlib.h>

#define LANES_A_READ 256

struct found {
    uint64_t account;
    int64_t next, until; /* of the back-off */
    uint32_t failures;
    uint16_t route_n;
    char route[QUEUE_ROUTE_MAX];
};

struct load {
    struct queue_row_key from;
    bool end;
    size_t n;
    struct found lanes[LANES_A_READ];
    struct queue_row_key next; /* where the next read begins */
};

/* The first key behind all of this lane. */
static void behind(struct queue_row_key *k, const struct queue_row_due *due)
{
    *k = queue_row_key_lane(due->route, due->account);
    if (due->account != UINT64_MAX)
        pack_u64(k->p + k->n - 8, due->account + 1);
    else
        memset(k->p + k->n - 9, 1, 1); /* the NUL behind the route */
}

static void take(struct store_view *v, struct load *l, const struct queue_row_due *due)
{
    struct found *f = &l->lanes[l->n++];
    struct queue_row_key k = queue_row_key_route(due->route);
    struct queue_row_route route;
    struct slice row;
    *f = (struct found){
        .account = due->account, .next = due->next, .route_n = (uint16_t)due->route.n};
    memcpy(f->route, due->route.p, due->route.n);
    if (store_get(v, queue_row_key_slice(&k), &row) && queue_row_unpack_route(row, &route)) {
        f->failures = route.failures;
        f->until = route.until;
    }
}

static void load_fn(struct store_view *v, void *arg)
{
    struct load *l = arg;
    struct store_cursor c;
    struct slice key, row, prefix = slice(&(const char){KEY_QUEUE_DUE}, 1);
    l->next = l->from;
    l->n = 0;
    while (l->n < LANES_A_READ) {
        struct queue_row_due due;
        bool is = false;
        store_seek(v, queue_row_key_slice(&l->next), &c);
        while (!is && store_next_with(&c, prefix, &key, &row))
            is = queue_row_parse_due(key, &due); /* a damaged key hides none behind it */
        if (!is) {
            l->end = true;
            return;
        }
        take(v, l, &due);
        behind(&l->next, &due);
    }
    l->end = false;
}

static void spill(struct shard *s, int64_t now)
{
    if (!s->spilled)
        s->rescan = now + QUEUE_RESCAN_EVERY;
    s->spilled = true;
}

static void put(struct queue *q, const struct found *f, int only, int64_t horizon, int64_t now)
{
    struct slice route = slice(f->route, f->route_n);
    struct shard *s = shard_of(q, route);
    if (only >= 0 && s->index != (unsigned)only)
        return;
    if (f->next >= horizon || f->until >= horizon ||
        !schedule_note(s->schedule, route, f->account, f->next)) {
        spill(s, now);
        return;
    }
    schedule_restore(s->schedule, route, f->failures, f->until);
}

TASK_FN
enum outcome load_lanes(struct queue *q, int only, int64_t horizon, deadline until)
{
    struct load *l = calloc(1, sizeof *l);
    enum outcome o = OUTCOME_FAILED;
    if (!l)
        return o;
    l->from.p[0] = KEY_QUEUE_DUE;
    l->from.n = 1;
    do {
        o = store_read(q->options.store, queue_row_partition(), load_fn, l, NULL, until);
        int64_t now = queue_now();
        for (size_t i = 0; o == OUTCOME_DONE && i < l->n; i++)
            put(q, &l->lanes[i], only, horizon, now);
        l->from = l->next;
        task_yield();
    } while (o == OUTCOME_DONE && !l->end && !atomic_load(&q->stopping));
    free(l);
    return o;
}
