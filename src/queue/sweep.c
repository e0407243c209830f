/* Back-offs of routes that nothing waits for any more: their rows go after a day. A piece at a
 * time, round and round. */
#include "queue/queue_private.h"
#include <stdlib.h>

#define ROWS_A_READ 200
#define GOES_MAX    32
#define KEPT_FOR    86400 /* s after the end of the back-off */

struct sweep {
    int64_t now;
    struct queue_row_key from, next; /* next: where the next read begins */
    size_t n;
    struct queue_row_key goes[GOES_MAX];
};

static bool waits(struct store_view *v, struct slice route)
{
    struct queue_row_key k = queue_row_key_due_route(route);
    struct store_cursor c;
    struct slice key, row;
    store_seek(v, queue_row_key_slice(&k), &c);
    return store_next_with(&c, queue_row_key_slice(&k), &key, &row);
}

/* Is this row of no use any more? */
static bool stale(struct store_view *v, const struct sweep *s, struct slice key, struct slice row)
{
    struct queue_row_route route;
    return key.n > 1 && queue_row_unpack_route(row, &route) && route.until < s->now - KEPT_FOR &&
           !waits(v, slice_from(key, 1));
}

static void look_fn(struct store_view *v, void *arg)
{
    struct sweep *s = arg;
    struct store_cursor c;
    struct slice key, row, prefix = slice(&(const char){KEY_QUEUE_ROUTE}, 1);
    struct queue_row_key at = s->from;
    s->n = 0;
    store_seek(v, queue_row_key_slice(&at), &c);
    for (int i = 0; i < ROWS_A_READ && s->n < GOES_MAX; i++) {
        if (!store_next_with(&c, prefix, &key, &row)) {
            at.n = 1; /* from the beginning */
            break;
        }
        if (key.n + 1 > sizeof at.p)
            continue;
        if (stale(v, s, key, row)) {
            memcpy(s->goes[s->n].p, key.p, key.n);
            s->goes[s->n++].n = key.n;
        }
        memcpy(at.p, key.p, key.n);
        at.p[key.n] = '\0'; /* just behind it */
        at.n = key.n + 1;
    }
    s->next = at;
}

static enum outcome drop_fn(struct store_txn *t, void *arg)
{
    const struct sweep *s = arg;
    struct slice row;
    for (size_t i = 0; i < s->n; i++) {
        struct slice key = queue_row_key_slice(&s->goes[i]);
        if (store_get(store_txn_view(t), key, &row) && stale(store_txn_view(t), s, key, row))
            store_del(t, key);
    }
    return OUTCOME_DONE;
}

TASK_FN
void sweep_routes(struct queue *q, struct queue_row_key *from)
{
    struct sweep *s = calloc(1, sizeof *s);
    deadline until = deadline_in(10 * CLOCK_SEC);
    if (!s)
        return;
    s->now = queue_now();
    s->from = *from;
    if (!s->from.n) {
        s->from.p[0] = KEY_QUEUE_ROUTE;
        s->from.n = 1;
    }
    struct store_mutation m = {.partition = queue_row_partition(), .fn = drop_fn, .arg = s};
    /* Whatever comes of it, the next round sees what is left. */
    if (store_read(q->options.store, queue_row_partition(), look_fn, s, NULL, until) ==
        OUTCOME_DONE) {
        *from = s->next;
        if (s->n)
            store_mutate(q->options.store, &m, NULL, until);
    }
    free(s);
}
