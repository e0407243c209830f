#include "mailbox/expunge.h"

/* Pruned rows a change: each range that comes pays for two rows that go, so that the log shrinks
 * to its bound whatever the rows look like. */
#define PRUNE_LEAST 8

void expunge_start(struct expunge *e, struct store_txn *t, struct mailbox_account *account,
    struct mailbox *mailbox, int64_t now)
{
    e->t = t;
    e->account = account;
    e->mailbox = mailbox;
    e->now = now;
    e->moved = false;
    e->n = e->ranges = 0;
    e->map.t = t;
    e->map.mailbox = mailbox->id;
    e->map.loaded = false;
    row_expunged_start(&e->log, now);
}

/* Writes the log row under a new MODSEQ. */
static void write_log(struct expunge *e)
{
    e->mailbox->highestmodseq = ++e->account->modseq;
    struct row_key k = row_key_modseq(KEY_EXPUNGED, e->mailbox->id, e->account->modseq);
    store_put(e->t, row_key_slice(&k), row_expunged_slice(&e->log));
    e->ranges += e->log.n;
    e->mailbox->log_ranges += e->log.n;
    row_expunged_start(&e->log, e->now);
}

bool expunge_message(struct expunge *e, const struct mailbox_message *gone)
{
    struct mailbox *m = e->mailbox;
    struct uidmap *map = uidmap_edit(&e->map, gone->uid);
    if (!map)
        return false;
    struct row_key message = row_key_uid(KEY_MESSAGE, m->id, gone->uid);
    struct row_key rendered = row_key_uid(KEY_RENDERED, m->id, gone->uid);
    struct row_key changed = row_key_changed(m->id, gone->modseq, gone->uid);
    store_del(e->t, row_key_slice(&message));
    store_del(e->t, row_key_slice(&changed));
    if (!e->moved) {
        store_del(e->t, row_key_slice(&rendered));
        store_release(e->t, gone->blob);
    }
    m->unseen -= uidmap_is_unseen(map, gone->uid);
    uidmap_clear(map, gone->uid);
    m->messages--;
    m->bytes -= gone->size;
    e->account->messages--;
    e->account->bytes -= gone->size;
    if (!row_expunged_add(&e->log, gone->uid)) {
        write_log(e);
        row_expunged_add(&e->log, gone->uid);
    }
    e->n++;
    return true;
}

/* Old rows of the log go when new ones come. */
static bool prune_log(struct expunge *e)
{
    struct mailbox *m = e->mailbox;
    struct row_key prefix = row_key_mailbox(KEY_EXPUNGED, m->id);
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES];
    struct store_cursor c;
    struct slice key, row;
    store_seek(store_txn_view(e->t), row_key_slice(&prefix), &c);
    for (uint32_t i = 0; i < PRUNE_LEAST + 2 * e->ranges; i++) {
        int64_t when;
        size_t n;
        if (!store_next_with(&c, row_key_slice(&prefix), &key, &row))
            return true;
        if (key.n != 13 || !row_unpack_expunged(row, &when, ranges, &n))
            return false;
        if (when > e->now - EXPUNGE_LOG_AGE && m->log_ranges <= EXPUNGE_LOG_RANGES)
            return true;
        m->log_from = unpack_u64(key.p + 5);
        m->log_ranges -= n < m->log_ranges ? (uint32_t)n : m->log_ranges;
        struct row_key old = row_key_modseq(KEY_EXPUNGED, m->id, m->log_from);
        store_del(e->t, row_key_slice(&old));
    }
    return true;
}

bool expunge_finish(struct expunge *e)
{
    if (!e->n)
        return true;
    uidmap_edit_finish(&e->map);
    write_log(e);
    return prune_log(e);
}

static enum outcome expunge_one(
    struct expunge *e, const struct mailbox_expunge *which, uint32_t uid)
{
    struct mailbox_message m;
    struct row_key k = row_key_uid(KEY_MESSAGE, which->mailbox, uid);
    struct slice row;
    if (!store_get(store_txn_view(e->t), row_key_slice(&k), &row))
        return OUTCOME_DONE;
    if (!row_unpack_message(row, uid, &m))
        return OUTCOME_FAILED;
    if (which->only_deleted && !(m.flags & MAILBOX_DELETED))
        return OUTCOME_DONE;
    return expunge_message(e, &m) ? OUTCOME_DONE : OUTCOME_FAILED;
}

enum outcome mailbox_expunge(struct store_txn *t, struct mailbox_expunge *which)
{
    struct expunge e;
    struct mailbox_account account;
    struct mailbox mailbox;
    enum outcome o = row_load(t, which->mailbox, &account, &mailbox);
    if (o != OUTCOME_DONE)
        return o;
    if (which->n > MAILBOX_BATCH)
        return OUTCOME_FAILED;
    expunge_start(&e, t, &account, &mailbox, which->now);
    for (size_t i = 0; i < which->n; i++)
        if ((o = expunge_one(&e, which, which->uids[i])) != OUTCOME_DONE)
            return o;
    if (!expunge_finish(&e))
        return OUTCOME_FAILED;
    if (e.n) {
        row_put_account(t, &account);
        row_put_mailbox(t, &mailbox);
    }
    which->expunged = e.n;
    which->modseq = mailbox.highestmodseq;
    return OUTCOME_DONE;
}
