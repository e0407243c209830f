#include "mailbox/row.h"
#include "mailbox/uidmap.h"

#define LOG_AGE_MAX  (90 * INT64_C(86400)) /* s; older clients get the complement of the UID map */
#define LOG_ROWS_MAX 8                     /* pruned per expunge, so that it stays cheap */

/* One UID map row at a time: UIDs come in ascending order. */
struct walk {
    struct store_txn *t;
    uint32_t mailbox, group;
    bool loaded, changed;
    struct uidmap map;
};

static void leave_group(struct walk *w)
{
    if (w->loaded && w->changed)
        uidmap_save(w->t, w->mailbox, w->group, &w->map);
    w->loaded = w->changed = false;
}

static bool enter_group(struct walk *w, uint32_t uid)
{
    if (w->loaded && w->group == uidmap_group(uid))
        return true;
    leave_group(w);
    w->group = uidmap_group(uid);
    w->loaded = uidmap_load(store_txn_view(w->t), w->mailbox, w->group, &w->map);
    return w->loaded;
}

static void remove_message(struct walk *w, const struct mailbox_message *gone,
    struct mailbox_account *account, struct mailbox *m)
{
    struct row_key message = row_key_uid(KEY_MESSAGE, m->id, gone->uid);
    struct row_key rendered = row_key_uid(KEY_RENDERED, m->id, gone->uid);
    struct row_key changed = row_key_changed(m->id, gone->modseq, gone->uid);
    store_del(w->t, row_key_slice(&message));
    store_del(w->t, row_key_slice(&rendered));
    store_del(w->t, row_key_slice(&changed));
    store_release(w->t, gone->blob);
    m->unseen -= uidmap_is_unseen(&w->map, gone->uid);
    uidmap_clear(&w->map, gone->uid);
    w->changed = true;
    m->messages--;
    m->bytes -= gone->size;
    account->messages--;
    account->bytes -= gone->size;
}

/* Old rows of the expunge log go when new ones come. */
static void prune_log(struct store_txn *t, uint32_t mailbox, int64_t now)
{
    struct row_key prefix = row_key_mailbox(KEY_EXPUNGED, mailbox);
    for (int i = 0; i < LOG_ROWS_MAX; i++) {
        struct store_cursor c;
        struct slice key, row;
        store_seek(store_txn_view(t), row_key_slice(&prefix), &c);
        if (!store_next_with(&c, row_key_slice(&prefix), &key, &row) || key.n != 13 || row.n < 9 ||
            (int64_t)unpack_u64(row.p + 1) > now - LOG_AGE_MAX)
            return;
        struct row_key old = row_key_modseq(KEY_EXPUNGED, mailbox, unpack_u64(key.p + 5));
        store_del(t, row_key_slice(&old));
    }
}

struct change {
    struct walk walk;
    struct mailbox_account account;
    struct mailbox mailbox;
    struct row_expunged log;
};

/* Writes the log row under a new MODSEQ. */
static void write_log(struct change *c, int64_t now)
{
    c->mailbox.highestmodseq = ++c->account.modseq;
    struct row_key k = row_key_modseq(KEY_EXPUNGED, c->mailbox.id, c->account.modseq);
    store_put(c->walk.t, row_key_slice(&k), row_expunged_slice(&c->log));
    row_expunged_start(&c->log, now);
}

static enum outcome expunge_one(struct change *c, struct mailbox_expunge *e, uint32_t uid)
{
    struct mailbox_message m;
    struct row_key k = row_key_uid(KEY_MESSAGE, e->mailbox, uid);
    struct slice row;
    if (!store_get(store_txn_view(c->walk.t), row_key_slice(&k), &row))
        return OUTCOME_DONE;
    if (!row_unpack_message(row, uid, &m))
        return OUTCOME_FAILED;
    if (e->only_deleted && !(m.flags & MAILBOX_DELETED))
        return OUTCOME_DONE;
    if (!enter_group(&c->walk, uid))
        return OUTCOME_FAILED;
    remove_message(&c->walk, &m, &c->account, &c->mailbox);
    if (!row_expunged_add(&c->log, uid)) {
        write_log(c, e->now);
        row_expunged_add(&c->log, uid);
    }
    e->expunged++;
    return OUTCOME_DONE;
}

enum outcome mailbox_expunge(struct store_txn *t, struct mailbox_expunge *e)
{
    struct change c = {.walk = {.t = t, .mailbox = e->mailbox}};
    enum outcome o = row_load(t, e->mailbox, &c.account, &c.mailbox);
    if (o != OUTCOME_DONE)
        return o;
    if (e->n > MAILBOX_BATCH)
        return OUTCOME_FAILED;
    e->expunged = 0;
    row_expunged_start(&c.log, e->now);
    for (size_t i = 0; i < e->n; i++)
        if ((o = expunge_one(&c, e, e->uids[i])) != OUTCOME_DONE)
            return o;
    if (e->expunged) {
        leave_group(&c.walk);
        write_log(&c, e->now);
        prune_log(t, e->mailbox, e->now);
        row_put_account(t, &c.account);
        row_put_mailbox(t, &c.mailbox);
    }
    e->modseq = c.mailbox.highestmodseq;
    return OUTCOME_DONE;
}
