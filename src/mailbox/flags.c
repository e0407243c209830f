#include "mailbox/row.h"
#include "mailbox/uidmap.h"

struct change {
    struct store_txn *t;
    struct mailbox_flags *f;
    struct mailbox mailbox;
    uint64_t modseq;
    struct uidmap_edit map;
};

static void apply(const struct mailbox_flags *f, struct mailbox_message *m)
{
    switch (f->change) {
    case MAILBOX_FLAGS_ADD:
        m->flags |= f->flags;
        m->keywords |= f->keywords;
        return;
    case MAILBOX_FLAGS_REMOVE:
        m->flags &= (uint8_t)~f->flags;
        m->keywords &= ~f->keywords;
        return;
    case MAILBOX_FLAGS_REPLACE:
        m->flags = f->flags;
        m->keywords = f->keywords;
        return;
    }
}

static bool set_seen(struct change *c, uint32_t uid, bool seen)
{
    struct uidmap *map = uidmap_edit(&c->map, uid);
    if (!map)
        return false;
    uidmap_set(map, uid, !seen);
    c->mailbox.unseen += seen ? UINT32_MAX : 1;
    return true;
}

static enum outcome change_one(struct change *c, uint32_t uid)
{
    struct mailbox_message old;
    struct row_key k = row_key_uid(KEY_MESSAGE, c->mailbox.id, uid);
    struct slice row;
    if (!store_get(store_txn_view(c->t), row_key_slice(&k), &row))
        return OUTCOME_DONE;
    if (!row_unpack_message(row, uid, &old))
        return OUTCOME_FAILED;
    if (old.modseq > c->f->unchanged_since) {
        if (c->f->modified)
            c->f->modified[c->f->modified_n] = uid;
        c->f->modified_n++;
        return OUTCOME_DONE;
    }
    struct mailbox_message m = old;
    apply(c->f, &m);
    if (m.flags == old.flags && m.keywords == old.keywords)
        return OUTCOME_DONE;
    if ((m.flags ^ old.flags) & MAILBOX_SEEN && !set_seen(c, uid, m.flags & MAILBOX_SEEN))
        return OUTCOME_FAILED;
    struct row_key was = row_key_changed(c->mailbox.id, old.modseq, uid);
    struct row_key is = row_key_changed(c->mailbox.id, c->modseq, uid);
    store_del(c->t, row_key_slice(&was));
    row_put(c->t, &is, "\1", 1);
    m.modseq = c->modseq;
    row_put_message(c->t, c->mailbox.id, &m);
    c->f->changed++;
    return OUTCOME_DONE;
}

enum outcome mailbox_flags(struct store_txn *t, struct mailbox_flags *f)
{
    struct change c = {.t = t, .f = f, .map = {.t = t, .mailbox = f->mailbox}};
    struct mailbox_account account;
    enum outcome o = row_load(t, f->mailbox, &account, &c.mailbox);
    if (o != OUTCOME_DONE)
        return o;
    if (f->n > MAILBOX_BATCH)
        return OUTCOME_FAILED;
    f->changed = 0;
    f->modified_n = 0;
    c.modseq = account.modseq + 1;
    for (size_t i = 0; i < f->n; i++)
        if ((o = change_one(&c, f->uids[i])) != OUTCOME_DONE)
            return o;
    if (f->changed) {
        uidmap_edit_finish(&c.map);
        account.modseq = c.modseq;
        c.mailbox.highestmodseq = c.modseq;
        row_put_account(t, &account);
        row_put_mailbox(t, &c.mailbox);
    }
    f->modseq = c.mailbox.highestmodseq;
    return OUTCOME_DONE;
}

struct seen {
    uint32_t mailbox, n;
    struct mailbox_uids runs[MAILBOX_SEEN_RUNS];
};

static enum outcome see_run(struct store_txn *t, uint32_t mailbox, struct mailbox_uids run)
{
    uint32_t uids[MAILBOX_SEEN_EACH];
    struct mailbox_flags f = {
        .mailbox = mailbox,
        .uids = uids,
        .change = MAILBOX_FLAGS_ADD,
        .flags = MAILBOX_SEEN,
        .unchanged_since = UINT64_MAX,
    };
    for (uint32_t uid = run.first; uid <= run.last && f.n < MAILBOX_SEEN_EACH; uid++)
        uids[f.n++] = uid;
    return mailbox_flags(t, &f);
}

static enum outcome seen_fn(struct store_txn *t, void *arg)
{
    const struct seen *s = arg;
    enum outcome o = OUTCOME_DONE;
    for (uint32_t i = 0; i < s->n && o == OUTCOME_DONE; i++)
        o = see_run(t, s->mailbox, s->runs[i]);
    return o;
}

void mailbox_post_seen_runs(struct store *s, uint64_t account, uint32_t mailbox,
    const struct mailbox_uids *runs, uint32_t n)
{
    struct seen seen = {.mailbox = mailbox, .n = n};
    for (uint32_t i = 0; i < n && i < MAILBOX_SEEN_RUNS; i++)
        seen.runs[i] = runs[i];
    store_post(s, mailbox_partition(account), seen_fn, &seen,
        offsetof(struct seen, runs) + n * sizeof *runs);
}

void mailbox_post_seen(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uid)
{
    struct mailbox_uids run = {uid, uid};
    mailbox_post_seen_runs(s, account, mailbox, &run, 1);
}
