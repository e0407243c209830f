#include "base/pack.h"
#include "store/engine/memory_private.h"
#include "store/keyspace.h"
#include <stdlib.h>

/* An intent as an engine over a network has to do it, in steps that a crash may part:
 *
 *   1  its rows are written at once into a partition of the queue: <intent 8> <index 4> per
 *      destination that did not refuse, each with the write set. From here on it will happen.
 *   2  each destination's write set is applied in a mutation of its own, unless its version shows
 *      that this was done before the crash
 *   3  the rows are removed
 *
 * Nothing else is applied between 1 and 3, so the write sets stay true.
 *
 * A row: <partition 8> <version before 8> <id 16>, then per change 'P' <key 4> <value 4> key value,
 * 'D' <key 4> key, 'R' <blob 8> <retains 4> <releases 4>. */
#define INTENTS  keyspace_partition(KEYSPACE_QUEUE, (UINT64_C(1) << 56) - 1)
#define ROW_HEAD 32

struct plan {
    char *p; /* the row */
    size_t n, cap;
};

static bool plan_room(struct plan *plan, size_t more)
{
    if (more <= plan->cap - plan->n)
        return true;
    size_t cap = (plan->n + more) * 2;
    char *p = realloc(plan->p, cap);
    if (!p)
        return false;
    plan->p = p;
    plan->cap = cap;
    return true;
}

static void plan_u32(struct plan *plan, uint32_t v)
{
    pack_u32(plan->p + plan->n, v);
    plan->n += 4;
}

static void plan_u64(struct plan *plan, uint64_t v)
{
    pack_u64(plan->p + plan->n, v);
    plan->n += 8;
}

static void plan_bytes(struct plan *plan, struct slice s)
{
    if (s.n)
        memcpy(plan->p + plan->n, s.p, s.n);
    plan->n += s.n;
}

/* Writes ms->set as a row. */
static bool plan_set(struct plan *plan, const struct memory_store *ms,
    const struct store_mutation *m, uint64_t version)
{
    if (!plan_room(plan, ROW_HEAD))
        return false;
    plan_u64(plan, m->partition);
    plan_u64(plan, version);
    plan_bytes(plan, slice(m->id.bytes, sizeof m->id.bytes));
    const struct writeset_row *row = writeset_seek(ms->set, S(""), false);
    for (; row; row = writeset_next(row)) {
        if (!plan_room(plan, 9 + row->key.n + row->value.n))
            return false;
        plan->p[plan->n++] = row->deleted ? 'D' : 'P';
        plan_u32(plan, (uint32_t)row->key.n);
        if (!row->deleted)
            plan_u32(plan, (uint32_t)row->value.n);
        plan_bytes(plan, row->key);
        if (!row->deleted)
            plan_bytes(plan, row->value);
    }
    const struct writeset_ref *ref = writeset_first_ref(ms->set);
    for (; ref; ref = writeset_next_ref(ref)) {
        if (!plan_room(plan, 17))
            return false;
        plan->p[plan->n++] = 'R';
        plan_u64(plan, ref->blob);
        plan_u32(plan, ref->retains);
        plan_u32(plan, ref->releases);
    }
    return true;
}

static uint32_t take_u32(struct slice *s)
{
    uint32_t v = unpack_u32(s->p);
    *s = slice_from(*s, 4);
    return v;
}

static struct slice take_bytes(struct slice *s, size_t n)
{
    struct slice bytes = slice_sub(*s, 0, n);
    *s = slice_from(*s, n);
    return bytes;
}

/* The write set of a row, back into ms->set. */
static void unplan_set(struct memory_store *ms, struct slice row)
{
    writeset_reset(ms->set);
    row = slice_from(row, ROW_HEAD);
    while (row.n) {
        char kind = take_bytes(&row, 1).p[0];
        if (kind == 'R') {
            store_blob_id blob = unpack_u64(take_bytes(&row, 8).p);
            uint32_t retains = take_u32(&row), releases = take_u32(&row);
            while (retains--)
                writeset_retain(ms->set, blob);
            while (releases--)
                writeset_release(ms->set, blob);
            continue;
        }
        size_t key_n = take_u32(&row), value_n = kind == 'P' ? take_u32(&row) : 0;
        struct slice key = take_bytes(&row, key_n);
        if (kind == 'P')
            writeset_put(ms->set, key, take_bytes(&row, value_n));
        else
            writeset_del(ms->set, key);
    }
}

static struct slice row_key(char out[12], uint64_t intent, uint32_t index)
{
    pack_u64(out, intent);
    pack_u32(out + 8, index);
    return slice(out, 12);
}

/* ---- step 1 ---- */

/* Runs one destination's fn; DONE: its row stands in *plan. */
static enum outcome plan_destination(
    struct memory_store *ms, const struct store_mutation *m, struct plan *plan)
{
    const struct memory_partition *part = memory_apply_find(ms, m->partition);
    enum outcome outcome = memory_view_mutate(ms, m->partition, part, m->fn, m->arg);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (!memory_blob_check(ms, ms->set, true))
        return OUTCOME_FAILED;
    return plan_set(plan, ms, m, part ? part->version : 0) ? OUTCOME_DONE : OUTCOME_FAILED;
}

/* All rows in one mutation of the queue. */
static bool write_rows(struct memory_store *ms, const struct plan *plans, size_t n)
{
    writeset_reset(ms->set);
    if (!memory_apply_set(ms, INTENTS, (struct store_id){0}))
        return false;
    pthread_rwlock_wrlock(&ms->rows);
    struct memory_partition *queue = memory_apply_find(ms, INTENTS);
    uint64_t intent = ++ms->intents;
    bool written = true;
    for (size_t i = 0; i < n && written; i++) {
        char key[12];
        if (plans[i].n)
            written = memory_map_put(
                &queue->rows, row_key(key, intent, (uint32_t)i), slice(plans[i].p, plans[i].n));
    }
    queue->version++;
    pthread_rwlock_unlock(&ms->rows);
    if (!written)
        store_fail(&ms->base, "out of memory while an intent was written");
    return written;
}

/* FAILED as soon as one destination fails; else REFUSED when all refused. A destination whose id is
 * known has its outcome already and gets no row. */
static enum outcome plan_all(
    struct memory_store *ms, struct store_mutation *m, size_t n, struct plan *plans)
{
    enum outcome outcome = OUTCOME_REFUSED;
    for (size_t i = 0; i < n; i++) {
        const struct memory_partition *part = memory_apply_find(ms, m[i].partition);
        if (!memory_apply_recall(part, m[i].id, &m[i].outcome))
            m[i].outcome = plan_destination(ms, &m[i], &plans[i]);
        if (m[i].outcome == OUTCOME_DONE)
            outcome = OUTCOME_DONE;
        if (m[i].outcome != OUTCOME_FAILED)
            continue;
        outcome = OUTCOME_FAILED;
        break;
    }
    memory_blob_forget_plan(ms);
    return outcome;
}

/* ---- steps 2 and 3 ---- */

static bool apply_row(struct memory_store *ms, const struct memory_node *node)
{
    struct slice row = memory_map_value(node);
    store_partition p = unpack_u64(row.p);
    uint64_t version = unpack_u64(row.p + 8);
    struct store_id id;
    memcpy(id.bytes, row.p + 16, sizeof id.bytes);
    const struct memory_partition *part = memory_apply_find(ms, p);
    if ((part ? part->version : 0) != version)
        return true; /* done before the crash */
    unplan_set(ms, row);
    if (!memory_commit_step(ms) || !memory_apply_set(ms, p, id))
        return false;
    memory_apply_notify(ms, p);
    return true;
}

static bool finish_rows(struct memory_store *ms)
{
    struct memory_partition *queue = memory_apply_find(ms, INTENTS);
    const struct memory_node *node = queue ? memory_map_seek(&queue->rows, S(""), false) : NULL;
    for (; node; node = memory_map_next(node))
        if (!apply_row(ms, node))
            return false;
    if (!memory_commit_step(ms))
        return false;
    pthread_rwlock_wrlock(&ms->rows);
    if (queue)
        memory_map_finish(&queue->rows);
    pthread_rwlock_unlock(&ms->rows);
    return true;
}

void memory_intent_replay(struct memory_store *ms)
{
    finish_rows(ms);
}

/* Harsh: dies between two steps and comes back, so that the rest is done by replay. */
static void finish_by_replay(struct memory_store *ms, size_t n)
{
    atomic_store(&ms->steps_left, memory_draw(ms, n + 1));
    finish_rows(ms);
    atomic_store(&ms->steps_left, MEMORY_NO_CRASH);
    atomic_store(&ms->crashed, false);
    finish_rows(ms);
}

static enum outcome carry_out(struct memory_store *ms, const struct plan *plans, size_t n)
{
    bool unknown = memory_chance(ms, ms->options.unknown_one_in);
    if (unknown && memory_chance(ms, 2))
        return OUTCOME_UNKNOWN;
    if (!memory_commit_step(ms) || !write_rows(ms, plans, n))
        return OUTCOME_UNKNOWN;
    if (!unknown)
        return finish_rows(ms) ? OUTCOME_DONE : OUTCOME_UNKNOWN;
    finish_by_replay(ms, n);
    return OUTCOME_UNKNOWN;
}

enum outcome memory_intent_run(struct memory_store *ms, struct store_mutation *m, size_t n)
{
    struct plan *plans = calloc(n, sizeof *plans);
    enum outcome outcome = plans ? plan_all(ms, m, n, plans) : OUTCOME_FAILED;
    if (outcome == OUTCOME_DONE)
        outcome = carry_out(ms, plans, n);
    for (size_t i = 0; i < n; i++) {
        if (outcome == OUTCOME_FAILED || outcome == OUTCOME_UNKNOWN)
            m[i].outcome = outcome;
        if (plans)
            free(plans[i].p);
    }
    free(plans);
    return outcome;
}
