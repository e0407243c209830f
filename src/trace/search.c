#include "trace/search.h"
#include "base/log.h"
#include <stdlib.h>

#define ROWS_A_READ   100
#define PROBES_A_READ 200000 /* filters asked: a few ms */
#define ROWS_TAKEN    8
/* A row may end so long after it began, and a clock may be set. */
#define SPAN (INT64_C(7200) * 1000000)

struct reading {
    const struct search *search;
    char from[CHUNK_KEY + 1], next[CHUNK_KEY + 1]; /* where this read begins, and the next one */
    size_t from_n, next_n;
    bool end;
    size_t taken, damaged;
    struct slice rows[ROWS_TAKEN];
    char bytes[ROWS_TAKEN][CHUNK_ROW_MAX];
    char events[CHUNK_EVENTS];
    uint16_t at[CHUNK_EVENTS / CHUNK_LEAST];
    struct chunk_zstd *zstd;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

size_t search_sort(uint64_t *keys, size_t n)
{
    size_t kept = 0;
    if (n)
        qsort(keys, n, sizeof *keys, compare);
    for (size_t i = 0; i < n; i++)
        if (!i || keys[i] != keys[i - 1])
            keys[kept++] = keys[i];
    return kept;
}

/* ---- rows ---- */

static bool may_match(const struct search *s, const struct chunk *c)
{
    for (size_t i = 0; i < s->n; i++)
        if (chunk_may_have(c, s->keys[i]))
            return true;
    return false;
}

static void take(struct reading *r, struct slice row)
{
    struct chunk c;
    if (!chunk_open(row, &c) || row.n > CHUNK_ROW_MAX) {
        r->damaged++;
    } else if (c.last >= r->search->since && may_match(r->search, &c)) {
        memcpy(r->bytes[r->taken], row.p, row.n);
        r->rows[r->taken] = slice(r->bytes[r->taken], row.n);
        r->taken++;
    }
}

static void read_fn(struct store_view *v, void *arg)
{
    struct reading *r = arg;
    struct store_cursor c;
    struct slice key, row, prefix = slice(&(const char){KEY_TRACE_CHUNK}, 1);
    size_t probes = 0;
    int64_t first;
    r->taken = r->damaged = 0;
    r->end = true;
    store_seek(v, slice(r->from, r->from_n), &c);
    for (int i = 0; store_next_with(&c, prefix, &key, &row); i++) {
        if (!chunk_key_parse(key, &first))
            continue;
        if (first < r->search->since - SPAN)
            return;
        take(r, row);
        probes += r->search->n;
        memcpy(r->next, key.p, key.n);
        r->next[key.n] = '\0'; /* just behind it */
        r->next_n = key.n + 1;
        if (i == ROWS_A_READ || probes > PROBES_A_READ || r->taken == ROWS_TAKEN) {
            r->end = false;
            return;
        }
    }
}

/* ---- events ---- */

static bool matches(const struct search *s, const struct trace_event *e)
{
    for (size_t i = 0; i < e->n; i++) {
        uint64_t hash = chunk_hash_field(e, i);
        if (hash && bsearch(&hash, s->keys, s->n, sizeof hash, compare))
            return true;
    }
    return false;
}

/* False: the search ends. */
static bool look_into(struct reading *r, struct slice row)
{
    struct trace_event e;
    struct chunk c;
    size_t n = 0;
    if (!chunk_open(row, &c) || !chunk_unpack(r->zstd, &c, r->events)) {
        r->damaged++;
        return true;
    }
    struct slice all = slice(r->events, c.size), rest = all;
    for (;;) {
        size_t at = all.n - rest.n;
        if (!chunk_next(&rest, &e))
            break;
        r->at[n++] = (uint16_t)at;
    }
    size_t end = all.n - rest.n;
    while (n--) {
        struct slice packed = slice_sub(all, r->at[n], end - r->at[n]), one = packed;
        end = r->at[n];
        chunk_next(&one, &e);
        if (matches(r->search, &e) && !r->search->each(r->search->arg, &e, packed, c.first))
            return false;
    }
    return true;
}

static void report(const struct reading *r)
{
    if (r->damaged)
        log_error("trace", log_text("text", "damaged rows were passed over"),
            log_int("rows", (int64_t)r->damaged));
}

TASK_FN
static enum outcome run(struct store *s, struct reading *r, deadline until)
{
    r->from[0] = KEY_TRACE_CHUNK;
    r->from_n = 1;
    do {
        enum outcome o = store_read(s, chunk_partition(), read_fn, r, NULL, until);
        if (o != OUTCOME_DONE)
            return o;
        memcpy(r->from, r->next, sizeof r->from);
        r->from_n = r->next_n;
        for (size_t i = 0; i < r->taken; i++) {
            if (!look_into(r, r->rows[i]))
                return OUTCOME_DONE;
            task_yield();
        }
        report(r);
        task_yield();
    } while (!r->end);
    return OUTCOME_DONE;
}

TASK_FN
enum outcome search_trace(struct store *s, const struct search *search, deadline until)
{
    struct reading *r = calloc(1, sizeof *r);
    enum outcome o = OUTCOME_FAILED;
    if (r && (r->zstd = chunk_zstd_create())) {
        r->search = search;
        o = run(s, r, until);
        chunk_zstd_destroy(r->zstd);
    }
    free(r);
    return o;
}
