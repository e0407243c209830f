#include "base/pack.h"
#include "store/engine/memory_private.h"
#include <stdlib.h>

static bool id_none(struct store_id id)
{
    static const struct store_id none;
    return memcmp(&id, &none, sizeof id) == 0;
}

static struct memory_partition *pointer_in(const struct memory_node *node)
{
    struct memory_partition *part;
    memcpy(&part, memory_map_value(node).p, sizeof part);
    return part;
}

struct memory_partition *memory_apply_find(struct memory_store *ms, store_partition p)
{
    char key[8];
    pack_u64(key, p);
    const struct memory_node *node = memory_map_find(&ms->partitions, slice(key, sizeof key));
    return node ? pointer_in(node) : NULL;
}

/* Under the write lock. */
static struct memory_partition *find_or_make(struct memory_store *ms, store_partition p)
{
    struct memory_partition *part = memory_apply_find(ms, p);
    if (part)
        return part;
    part = calloc(1, sizeof *part);
    if (!part)
        return NULL;
    memory_map_init(&part->rows, ms->options.harsh);
    char key[8];
    pack_u64(key, p);
    if (!memory_map_put(&ms->partitions, slice(key, sizeof key), slice(&part, sizeof part))) {
        free(part);
        return NULL;
    }
    return part;
}

bool memory_apply_recall(
    const struct memory_partition *part, struct store_id id, enum outcome *outcome)
{
    if (!part || id_none(id))
        return false;
    for (size_t i = 0; i < part->id_count; i++) {
        if (memcmp(&part->ids[i].id, &id, sizeof id) == 0) {
            *outcome = part->ids[i].outcome;
            return true;
        }
    }
    return false;
}

void memory_apply_remember(struct memory_partition *part, struct store_id id, enum outcome outcome)
{
    if (id_none(id))
        return;
    if (!part->ids)
        part->ids = calloc(MEMORY_IDS_MAX, sizeof *part->ids);
    if (!part->ids)
        return;
    part->ids[part->id_at] = (struct memory_remembered){id, outcome};
    part->id_at = (part->id_at + 1) % MEMORY_IDS_MAX;
    if (part->id_count < MEMORY_IDS_MAX)
        part->id_count++;
}

static bool apply_rows(struct memory_store *ms, struct memory_partition *part)
{
    const struct writeset_row *row = writeset_seek(ms->set, S(""), false);
    for (; row; row = writeset_next(row)) {
        if (row->deleted)
            memory_map_del(&part->rows, row->key);
        else if (!memory_map_put(&part->rows, row->key, row->value))
            return false;
    }
    return true;
}

bool memory_apply_set(struct memory_store *ms, store_partition p, struct store_id id)
{
    pthread_rwlock_wrlock(&ms->rows);
    struct memory_partition *part = find_or_make(ms, p);
    bool applied = part && apply_rows(ms, part);
    if (applied) {
        if (!writeset_empty(ms->set))
            part->version++;
        memory_apply_remember(part, id, OUTCOME_DONE);
        const struct writeset_ref *ref = writeset_first_ref(ms->set);
        for (; ref; ref = writeset_next_ref(ref))
            memory_blob_change(ms, ref->blob, ref->retains, ref->releases);
    }
    pthread_rwlock_unlock(&ms->rows);
    if (!applied)
        store_fail(&ms->base, "out of memory while a write set was applied");
    return applied;
}

static void remember_refused(struct memory_store *ms, const struct store_mutation *m)
{
    if (id_none(m->id))
        return;
    pthread_rwlock_wrlock(&ms->rows);
    struct memory_partition *part = find_or_make(ms, m->partition);
    if (part)
        memory_apply_remember(part, m->id, OUTCOME_REFUSED);
    pthread_rwlock_unlock(&ms->rows);
}

enum outcome memory_apply_one(
    struct memory_store *ms, struct store_mutation *m, bool may_be_unknown)
{
    const struct memory_partition *part = memory_apply_find(ms, m->partition);
    enum outcome outcome;
    if (memory_apply_recall(part, m->id, &outcome))
        return outcome;
    outcome = memory_view_mutate(ms, m->partition, part, m->fn, m->arg);
    if (outcome == OUTCOME_REFUSED)
        remember_refused(ms, m);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (!memory_blob_check(ms, ms->set, false))
        return OUTCOME_FAILED;
    bool unknown = may_be_unknown && memory_chance(ms, ms->options.unknown_one_in);
    if (unknown && memory_chance(ms, 2))
        return OUTCOME_UNKNOWN;
    if (!memory_commit_step(ms) || !memory_apply_set(ms, m->partition, m->id))
        return OUTCOME_UNKNOWN;
    memory_apply_notify(ms, m->partition);
    return unknown ? OUTCOME_UNKNOWN : OUTCOME_DONE;
}

void memory_apply_notify(struct memory_store *ms, store_partition p)
{
    struct memory_partition *part = memory_apply_find(ms, p);
    if (memory_chance(ms, 8)) {
        part->notify_late = true;
        return;
    }
    watch_hub_notify(ms->base.watches, p, part->version);
    if (memory_chance(ms, 8))
        watch_hub_notify(ms->base.watches, p, part->version);
}

void memory_apply_notify_late(struct memory_store *ms)
{
    const struct memory_node *node = memory_map_seek(&ms->partitions, S(""), false);
    for (; node; node = memory_map_next(node)) {
        struct memory_partition *part = pointer_in(node);
        if (!part->notify_late)
            continue;
        part->notify_late = false;
        watch_hub_notify(ms->base.watches, unpack_u64(memory_map_key(node).p), part->version);
    }
}

void memory_apply_finish(struct memory_store *ms)
{
    const struct memory_node *node = memory_map_seek(&ms->partitions, S(""), false);
    for (; node; node = memory_map_next(node)) {
        struct memory_partition *part = pointer_in(node);
        memory_map_finish(&part->rows);
        free(part->ids);
        free(part);
    }
    memory_map_finish(&ms->partitions);
}
