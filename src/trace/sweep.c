#include "trace/sweep.h"
#include <stdlib.h>

#define LOOKS 1000 /* rows looked at in one read */

struct sweep {
    int64_t before;
    char from[CHUNK_KEY]; /* where the read begins */
    bool end;
    size_t n;
    char keys[SWEEP_ROWS][CHUNK_KEY];
};

/* A row that nobody can read is as old as its key says. */
static bool is_old(const struct sweep *s, struct slice key, struct slice row)
{
    struct chunk c;
    int64_t first;
    if (key.n != CHUNK_KEY || !chunk_key_parse(key, &first))
        return false;
    return (chunk_open(row, &c) ? c.last : first) < s->before;
}

static void look_fn(struct store_view *v, void *arg)
{
    struct sweep *s = arg;
    struct store_cursor c;
    struct slice key, row, prefix = slice(&(const char){KEY_TRACE_CHUNK}, 1);
    char at[CHUNK_KEY];
    memcpy(at, s->from, sizeof at);
    s->n = 0;
    s->end = false;
    store_seek(v, slice(at, sizeof at), &c);
    for (int i = 0; i < LOOKS && s->n < SWEEP_ROWS; i++) {
        if (!store_next_with(&c, prefix, &key, &row)) {
            s->end = true;
            return;
        }
        if (is_old(s, key, row))
            memcpy(s->keys[s->n++], key.p, CHUNK_KEY);
    }
}

static enum outcome drop_fn(struct store_txn *t, void *arg)
{
    const struct sweep *s = arg;
    for (size_t i = 0; i < s->n; i++)
        store_del(t, slice(s->keys[i], CHUNK_KEY));
    return OUTCOME_DONE;
}

/* Rows that begin later cannot have ended earlier: the read begins behind them. */
TASK_FN
enum outcome sweep_trace(struct store *s, int64_t before, unsigned rounds, bool *more)
{
    struct sweep *sweep = calloc(1, sizeof *sweep);
    enum outcome o = OUTCOME_DONE;
    *more = true;
    if (!sweep)
        return OUTCOME_FAILED;
    sweep->before = before;
    for (unsigned i = 0; i < rounds && *more && o == OUTCOME_DONE; i++) {
        deadline until = deadline_in(30 * CLOCK_SEC);
        chunk_key(before, 0, sweep->from);
        o = store_read(s, chunk_partition(), look_fn, sweep, NULL, until);
        struct store_mutation m = {.partition = chunk_partition(), .fn = drop_fn, .arg = sweep};
        if (o == OUTCOME_DONE && sweep->n)
            o = store_mutate(s, &m, NULL, until);
        *more = !sweep->end && sweep->n;
        task_yield();
    }
    free(sweep);
    return o;
}
