/* DELETE: the mailbox is gone at once, its rows go in batches. */
#include "mailbox/journal.h"
#include "mailbox/row.h"
#include "mailbox/tree.h"

static enum outcome refuse(struct mailbox_remove *r, enum mailbox_refusal why)
{
    r->refusal = why;
    return OUTCOME_REFUSED;
}

enum outcome mailbox_remove(struct store_txn *t, struct mailbox_remove *r)
{
    struct mailbox_account a;
    struct mailbox m;
    char name[1 + MAILBOX_NAME_MAX], row[ROW_MAILBOX_MAX];
    struct row_key header = row_key_header();
    struct slice there;
    r->refusal = MAILBOX_REFUSED_NOT;
    if (slice_eq(r->name, S("INBOX")))
        return refuse(r, MAILBOX_REFUSED_INBOX);
    uint32_t id = mailbox_find(store_txn_view(t), r->name);
    if (store_get(store_txn_view(t), row_key_slice(&header), &there) &&
        row_unpack_account(there, &a) && a.removed)
        return refuse(r, MAILBOX_REFUSED_GONE);
    if (!id)
        return refuse(r, MAILBOX_REFUSED_ABSENT);
    if (row_load(t, id, &a, &m) != OUTCOME_DONE)
        return OUTCOME_FAILED; /* a name without its mailbox */
    struct row_key live = row_key_mailbox(KEY_MAILBOX, id);
    struct row_key removed = row_key_mailbox(KEY_REMOVED, id);
    store_del(t, row_key_name(KEY_NAME, r->name, name));
    store_del(t, row_key_slice(&live));
    row_put(t, &removed, row, row_pack_mailbox(&m, row));
    a.mailboxes--;
    a.messages -= m.messages;
    a.bytes -= m.bytes;
    if (m.special)
        a.special[m.special] = 0;
    row_put_account(t, &a);
    return OUTCOME_DONE;
}

/* ---- what is left ---- */

struct drain {
    uint32_t mailbox;
    bool more;
};

/* Deletes rows of one kind; so many that *n reaches MAILBOX_BATCH at most. */
static void drain_kind(struct store_txn *t, enum keyspace_account kind, uint32_t mailbox, size_t *n)
{
    struct row_key prefix = row_key_mailbox(kind, mailbox);
    struct store_cursor c;
    struct slice key, row;
    store_seek(store_txn_view(t), row_key_slice(&prefix), &c);
    while (*n < MAILBOX_BATCH && store_next_with(&c, row_key_slice(&prefix), &key, &row)) {
        struct mailbox_message m;
        char copy[STORE_KEY_MAX];
        size_t key_n = key.n;
        memcpy(copy, key.p, key.n);
        if (kind == KEY_MESSAGE && key.n == 9 && row_unpack_message(row, unpack_u32(key.p + 5), &m))
            store_release(t, m.blob);
        store_del(t, slice(copy, key_n));
        ++*n;
    }
}

static enum outcome drain_fn(struct store_txn *t, void *arg)
{
    struct drain *d = arg;
    struct row_key removed = row_key_mailbox(KEY_REMOVED, d->mailbox);
    struct slice row;
    size_t n = 0;
    d->more = false;
    if (!store_get(store_txn_view(t), row_key_slice(&removed), &row))
        return OUTCOME_REFUSED; /* somebody else was faster; never touch what may be alive */
    for (int kind = KEY_KEYWORDS + 1; kind <= KEY_EXPUNGED; kind++)
        drain_kind(t, (enum keyspace_account)kind, d->mailbox, &n);
    drain_kind(t, KEY_KEYWORDS, d->mailbox, &n); /* last: nobody reads messages without names */
    d->more = n == MAILBOX_BATCH;
    if (!d->more)
        store_del(t, row_key_slice(&removed));
    return OUTCOME_DONE;
}

TASK_FN
static enum outcome drain(struct store *s, uint64_t account, uint32_t mailbox, deadline until)
{
    struct drain d = {.mailbox = mailbox, .more = true};
    enum outcome o = OUTCOME_DONE;
    while (o == OUTCOME_DONE && d.more) {
        struct store_mutation m = {
            .partition = mailbox_partition(account), .fn = drain_fn, .arg = &d};
        o = store_mutate(s, &m, NULL, until);
    }
    return o == OUTCOME_REFUSED ? OUTCOME_DONE : o;
}

struct leftover {
    char from[9]; /* the first key looked at */
    bool found, copy;
    uint32_t mailbox;
    uint64_t journal;
};

static void leftover_fn(struct store_view *v, void *arg)
{
    struct leftover *l = arg;
    struct store_cursor c;
    struct slice key, row;
    store_seek(v, slice(l->from, sizeof l->from), &c);
    l->found = false;
    while (!l->found && store_next(&c, &key, &row) && key.p[0] <= KEY_COPYING) {
        l->copy = key.p[0] == KEY_COPYING;
        l->found = key.n == (l->copy ? 9 : 5);
        if (l->found && l->copy)
            l->journal = unpack_u64(key.p + 1);
        else if (l->found)
            l->mailbox = unpack_u32(key.p + 1);
    }
}

/* Behind what was found: {kind, mailbox} comes before {kind, mailbox, 0}. */
static bool step(struct leftover *l)
{
    l->from[0] = l->copy ? KEY_COPYING : KEY_REMOVED;
    pack_u64(l->from + 1, l->copy ? l->journal + 1 : (uint64_t)l->mailbox << 32);
    return !l->copy || l->journal != UINT64_MAX;
}

TASK_FN
enum outcome mailbox_sweep(struct store *s, uint64_t account, deadline until)
{
    struct leftover l = {.from = {KEY_REMOVED}};
    enum outcome worst = OUTCOME_DONE;
    do {
        enum outcome o = store_read(s, mailbox_partition(account), leftover_fn, &l, NULL, until);
        if (o != OUTCOME_DONE)
            return o;
        if (!l.found)
            break;
        if (!l.copy)
            o = drain(s, account, l.mailbox, until);
        else if (!journal_alive(l.journal))
            o = journal_undo(s, account, l.journal, until);
        if (o != OUTCOME_DONE)
            worst = o;
    } while (step(&l));
    return worst;
}
