#include "store/engine_private.h"
#include <stddef.h>

void store_view_init(struct store_view *v, const struct store_rows *rows, void *engine,
    store_partition p, uint64_t version, struct writeset *set)
{
    memset(v, 0, sizeof *v);
    v->rows = rows;
    v->engine = engine;
    v->partition = p;
    v->version = version;
    v->set = set;
}

enum outcome store_view_read(struct store_view *v, store_read_fn fn, void *arg)
{
    task_forbid_suspend();
    fn(v, arg);
    task_allow_suspend();
    return v->broken ? OUTCOME_FAILED : OUTCOME_DONE;
}

enum outcome store_txn_run(struct store_txn *t, store_mutate_fn fn, void *arg)
{
    writeset_reset(t->view.set);
    task_forbid_suspend();
    enum outcome outcome = fn(t, arg);
    task_allow_suspend();
    if (t->view.broken || writeset_over(t->view.set))
        return OUTCOME_FAILED;
    return outcome;
}

/* ---- the transaction of a mutation ---- */

struct store_view *store_txn_view(struct store_txn *t)
{
    return &t->view;
}

static void wrote(struct store_view *v)
{
    if (!v->rows->wrote)
        return;
    for (unsigned i = 0; i < STORE_CURSORS_MAX; i++)
        v->slots[i].at = SLOT_NOWHERE;
    v->rows->wrote(v);
}

void store_put(struct store_txn *t, struct slice key, struct slice value)
{
    writeset_put(t->view.set, key, value);
    wrote(&t->view);
}

void store_del(struct store_txn *t, struct slice key)
{
    writeset_del(t->view.set, key);
    wrote(&t->view);
}

void store_retain(struct store_txn *t, store_blob_id blob)
{
    writeset_retain(t->view.set, blob);
}

void store_release(struct store_txn *t, store_blob_id blob)
{
    writeset_release(t->view.set, blob);
}

/* ---- reading, the write set over the committed rows ---- */

uint64_t store_version(const struct store_view *v)
{
    return v->version;
}

bool store_get(struct store_view *v, struct slice key, struct slice *value)
{
    if (v->broken || key.n == 0 || key.n > STORE_KEY_MAX)
        return false;
    const struct writeset_row *row = v->set ? writeset_find(v->set, key) : NULL;
    if (row) {
        *value = row->value;
        return !row->deleted;
    }
    return v->rows->get(v, key, value);
}

void store_seek(struct store_view *v, struct slice at, struct store_cursor *c)
{
    c->view = v;
    c->engine = NULL;
    c->started = true;
    c->strict = false;
    c->key_n = at.n;
    if (at.n > STORE_KEY_MAX) { /* no key can be that long: stand behind its longest prefix */
        c->key_n = STORE_KEY_MAX;
        c->strict = true;
    }
    if (c->key_n)
        memcpy(c->key, at.p, c->key_n);
    for (unsigned i = 0; i < STORE_CURSORS_MAX; i++)
        if (v->slots[i].owner == c)
            v->slots[i].owner = NULL;
}

static struct store_view_slot *slot_of(struct store_view *v, const struct store_cursor *c)
{
    struct store_view_slot *oldest = &v->slots[0];
    for (unsigned i = 0; i < STORE_CURSORS_MAX; i++) {
        struct store_view_slot *slot = &v->slots[i];
        if (slot->owner == c) {
            oldest = slot;
            break;
        }
        if (!slot->owner)
            slot->used = 0;
        if (slot->used < oldest->used)
            oldest = slot;
    }
    if (oldest->owner != c) {
        oldest->owner = c;
        oldest->at = SLOT_NOWHERE;
    }
    oldest->used = ++v->clock;
    return oldest;
}

/* Makes the slot stand on the first committed row that the cursor has not passed. */
static void slot_settle(
    struct store_view *v, struct store_view_slot *slot, const struct store_cursor *c)
{
    unsigned i = (unsigned)(slot - v->slots);
    struct slice at = slice(c->key, c->key_n);
    bool found = slot->at == SLOT_ROW;
    if (slot->at == SLOT_NOWHERE)
        found = v->rows->seek(v, i, at, c->strict, &slot->key, &slot->value);
    else if (found && c->strict && slice_cmp(slot->key, at) <= 0)
        found = v->rows->next(v, i, &slot->key, &slot->value);
    slot->at = found ? SLOT_ROW : SLOT_END;
}

static void cursor_move(struct store_cursor *c, struct slice key)
{
    memcpy(c->key, key.p, key.n);
    c->key_n = key.n;
    c->strict = true;
}

static void cursor_leave(struct store_view_slot *slot)
{
    slot->owner = NULL;
    slot->used = 0;
}

bool store_next(struct store_cursor *c, struct slice *key, struct slice *value)
{
    struct store_view *v = c->view;
    struct store_view_slot *slot = slot_of(v, c);
    for (unsigned deleted = 0; deleted <= STORE_WRITE_KEYS_MAX && !v->broken; deleted++) {
        slot_settle(v, slot, c);
        struct slice at = slice(c->key, c->key_n);
        const struct writeset_row *row = v->set ? writeset_seek(v->set, at, c->strict) : NULL;
        bool committed = slot->at == SLOT_ROW;
        if (v->broken || (!committed && !row))
            break;
        if (!row || (committed && slice_cmp(slot->key, row->key) < 0)) {
            cursor_move(c, slot->key);
            *key = slot->key;
            *value = slot->value;
            return true;
        }
        cursor_move(c, row->key);
        if (!row->deleted) {
            *key = row->key;
            *value = row->value;
            return true;
        }
    }
    cursor_leave(slot);
    return false;
}

bool store_next_with(
    struct store_cursor *c, struct slice prefix, struct slice *key, struct slice *value)
{
    if (!store_next(c, key, value))
        return false;
    if (slice_starts(*key, prefix))
        return true;
    for (unsigned i = 0; i < STORE_CURSORS_MAX; i++)
        if (c->view->slots[i].owner == c)
            cursor_leave(&c->view->slots[i]);
    return false;
}
