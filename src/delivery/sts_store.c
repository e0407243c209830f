/* Policies in the store. */
#include "delivery/sts_private.h"
#include <stdlib.h>

#define STORE (30 * CLOCK_SEC)

struct reading {
    struct sts_key key;
    struct arena *arena;
    struct sts_policy policy;
    bool found;
};

static void read_fn(struct store_view *v, void *arg)
{
    struct reading *r = arg;
    struct slice row;
    r->found = store_get(v, slice(r->key.p, r->key.n), &row) && sts_row_unpack(row, &r->policy);
    if (!r->found)
        return;
    r->policy.mx = arena_copy(r->arena, r->policy.mx);
    r->found = r->policy.mx.p;
}

TASK_FN
bool sts_store_read(struct store *store, struct slice domain, struct arena *arena,
    struct sts_policy *p, deadline until)
{
    struct reading r = {.key = sts_row_key(domain), .arena = arena};
    if (!r.key.n || store_read(store, sts_partition(), read_fn, &r, NULL, until) != OUTCOME_DONE)
        return false;
    *p = r.policy;
    return r.found && !sts_expired(p, clock_wall() / 1000000);
}

struct writing {
    struct sts_key key;
    const struct sts_policy *policy; /* NULL: goes, if it has expired */
    int64_t now;
    char row[STS_ROW_MAX];
};

static uint64_t count_of(struct store_view *v)
{
    static const char header[] = {KEY_TRANSPORT_HEADER};
    struct slice row;
    return store_get(v, slice(header, 1), &row) && row.n == 16 ? unpack_u64(row.p + 8) : 0;
}

static void set_count(struct store_txn *t, uint64_t n)
{
    static const char header[] = {KEY_TRANSPORT_HEADER};
    char row[16] = {STS_ROW_VERSION};
    pack_u64(row + 8, n);
    store_put(t, slice(header, 1), slice(row, sizeof row));
}

static enum outcome write_fn(struct store_txn *t, void *arg)
{
    struct writing *w = arg;
    struct slice old, key = slice(w->key.p, w->key.n);
    struct sts_policy before;
    bool is_there = store_get(store_txn_view(t), key, &old);
    bool lives = is_there && sts_row_unpack(old, &before) && !sts_expired(&before, w->now);
    uint64_t n = count_of(store_txn_view(t));
    if (w->policy) {
        if (!is_there && n >= STS_MAX)
            return OUTCOME_REFUSED;
        store_put(t, key, slice(w->row, sts_row_pack(w->policy, w->row)));
        if (!is_there)
            set_count(t, n + 1);
    } else if (is_there && !lives) {
        store_del(t, key);
        set_count(t, n ? n - 1 : 0);
    }
    return OUTCOME_DONE;
}

TASK_FN
enum outcome sts_store_write(struct store *store, struct slice domain, const struct sts_policy *p)
{
    struct writing *w = calloc(1, sizeof *w);
    struct store_mutation m = {.partition = sts_partition(), .fn = write_fn, .arg = w};
    enum outcome o = OUTCOME_FAILED;
    if (!w)
        return o;
    w->key = sts_row_key(domain);
    w->policy = p;
    w->now = clock_wall() / 1000000;
    o = w->key.n ? store_mutate(store, &m, NULL, deadline_in(STORE)) : OUTCOME_REFUSED;
    free(w);
    return o;
}

/* ---- which are old ---- */

#define TEND_ROWS 1000 /* a read */

static void aged_fn(struct store_view *v, void *arg)
{
    static const char prefix[] = {KEY_TRANSPORT_POLICY};
    struct sts_aged *a = arg;
    struct store_cursor c;
    struct slice key, row;
    struct sts_policy p;
    a->next = a->from;
    a->n = a->rows = 0;
    a->end = false;
    store_seek(v, slice(a->from.p, a->from.n), &c);
    while (a->n < STS_AGED && a->rows++ < TEND_ROWS) {
        if (!store_next_with(&c, slice(prefix, 1), &key, &row)) {
            a->end = true;
            return;
        }
        if (key.n >= sizeof a->next.p)
            continue;
        memcpy(a->next.p, key.p, key.n);
        a->next.p[key.n] = '\0'; /* just behind it */
        a->next.n = key.n + 1;
        bool read = sts_row_unpack(row, &p);
        bool gone = !read || sts_expired(&p, a->now);
        if (!gone && a->now - p.fetched < STS_REFRESH)
            continue;
        a->gone[a->n] = gone;
        a->due[a->n] = a->next;
        a->due[a->n++].n = key.n;
    }
}

void sts_store_first(struct sts_aged *a)
{
    a->from = (struct sts_key){.n = 1, .p = {KEY_TRANSPORT_POLICY}};
}

TASK_FN
bool sts_store_aged(struct store *store, struct sts_aged *a, deadline until)
{
    a->now = clock_wall() / 1000000;
    return store_read(store, sts_partition(), aged_fn, a, NULL, until) == OUTCOME_DONE;
}
