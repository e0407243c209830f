#include "trace/chunk.h"
#include <stdio.h>
#include <stdlib.h>

#define ROWS_A_READ 64

struct verify {
    char from[STORE_KEY_MAX + 1], next[STORE_KEY_MAX + 1];
    size_t from_n, next_n;
    bool end;
    unsigned rows, bad, bad_keys;
    struct chunk_zstd *zstd;
    char events[CHUNK_EVENTS];
};

static bool is_whole(struct verify *w, struct slice row)
{
    struct trace_event e;
    struct chunk c;
    uint32_t n = 0;
    if (!chunk_open(row, &c) || !chunk_unpack(w->zstd, &c, w->events))
        return false;
    struct slice rest = slice(w->events, c.size);
    while (chunk_next(&rest, &e))
        n++;
    return !rest.n && n == c.count;
}

static void look_fn(struct store_view *v, void *arg)
{
    struct verify *w = arg;
    struct store_cursor c;
    struct slice key, row;
    int64_t first;
    w->rows = w->bad = w->bad_keys = 0;
    w->end = true;
    store_seek(v, slice(w->from, w->from_n), &c);
    while (store_next(&c, &key, &row)) {
        bool ours = chunk_key_parse(key, &first);
        w->rows++;
        w->bad_keys += !ours;
        w->bad += ours && !is_whole(w, row);
        memcpy(w->next, key.p, key.n);
        w->next[key.n] = '\0';
        w->next_n = key.n < STORE_KEY_MAX ? key.n + 1 : key.n;
        if (w->rows == ROWS_A_READ) {
            w->end = false;
            return;
        }
    }
}

static void tell(const struct verify *w, void (*fault)(void *arg, const char *text), void *arg)
{
    char text[128];
    snprintf(text, sizeof text, "%u rows cannot be read", w->bad);
    if (w->bad)
        fault(arg, text);
    snprintf(text, sizeof text, "%u rows have a key that is none", w->bad_keys);
    if (w->bad_keys)
        fault(arg, text);
}

TASK_FN
bool trace_verify(
    struct store *s, void (*fault)(void *arg, const char *text), void *arg, uint64_t *chunks)
{
    struct verify *w = calloc(1, sizeof *w);
    bool ok = w && (w->zstd = chunk_zstd_create());
    *chunks = 0;
    while (ok && !w->end) {
        ok = store_read(s, chunk_partition(), look_fn, w, NULL, DEADLINE_NEVER) == OUTCOME_DONE;
        if (ok) {
            tell(w, fault, arg);
            *chunks += w->rows;
            memcpy(w->from, w->next, sizeof w->from);
            w->from_n = w->next_n;
        }
        task_yield();
    }
    if (w)
        chunk_zstd_destroy(w->zstd);
    free(w);
    return ok;
}
