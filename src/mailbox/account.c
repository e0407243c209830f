/* The life of an account's partition: made at first use, emptied after removal. */
#include "mailbox/row.h"
#include "mailbox/tree.h"

static enum outcome ensure_fn(struct store_txn *t, void *arg)
{
    struct mailbox_account a;
    return mailbox_ensure(t, *(int64_t *)arg, &a);
}

struct look {
    bool used, leftovers;
};

/* Removed mailboxes and copies under way follow each other. */
static void look_fn(struct store_view *v, void *arg)
{
    static const char removed[] = {KEY_REMOVED};
    struct look *look = arg;
    struct mailbox_account a;
    struct store_cursor c;
    struct slice key, row;
    look->used = mailbox_read_account(v, &a) && !a.removed;
    store_seek(v, slice(removed, 1), &c);
    look->leftovers = store_next(&c, &key, &row) && key.p[0] <= KEY_COPYING;
}

TASK_FN
enum outcome mailbox_open_account(struct store *s, uint64_t account, deadline until)
{
    struct look look = {0};
    enum outcome o = store_read(s, mailbox_partition(account), look_fn, &look, NULL, until);
    if (o != OUTCOME_DONE)
        return o;
    if (look.used && look.leftovers)
        mailbox_sweep(s, account, until); /* what it cannot do now it does another time */
    if (look.used)
        return OUTCOME_DONE;
    int64_t now = clock_wall() / 1000000;
    struct store_mutation m = {
        .partition = mailbox_partition(account), .fn = ensure_fn, .arg = &now};
    return store_mutate(s, &m, NULL, until);
}

struct purge {
    bool more;
};

/* Deletes up to MAILBOX_BATCH rows behind the header, which becomes a tombstone first. */
static enum outcome purge_fn(struct store_txn *t, void *arg)
{
    struct purge *p = arg;
    struct mailbox_account gone = {.removed = true};
    struct store_view *v = store_txn_view(t);
    struct mailbox_account a;
    if (!mailbox_read_account(v, &a) || !a.removed)
        row_put_account(t, &gone);
    char first[] = {KEY_HEADER + 1};
    struct store_cursor c;
    struct slice key, row;
    size_t n = 0;
    store_seek(v, slice(first, 1), &c);
    while (n < MAILBOX_BATCH && store_next(&c, &key, &row)) {
        char copy[STORE_KEY_MAX];
        struct mailbox_message m;
        size_t key_n = key.n;
        memcpy(copy, key.p, key.n);
        if (key.n == 9 && key.p[0] == KEY_MESSAGE &&
            row_unpack_message(row, unpack_u32(key.p + 5), &m))
            store_release(t, m.blob);
        store_del(t, slice(copy, key_n));
        n++;
    }
    p->more = n == MAILBOX_BATCH;
    return OUTCOME_DONE;
}

TASK_FN
enum outcome mailbox_purge(struct store *s, uint64_t account, deadline until)
{
    struct purge p = {.more = true};
    while (p.more) {
        struct store_mutation m = {
            .partition = mailbox_partition(account), .fn = purge_fn, .arg = &p};
        enum outcome o = store_mutate(s, &m, NULL, until);
        if (o != OUTCOME_DONE)
            return o;
    }
    return OUTCOME_DONE;
}
