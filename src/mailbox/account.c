/* The life of an account's partition: made at first use, emptied after removal. */
#include "mailbox/row.h"

static const struct {
    struct slice name;
    enum mailbox_special special;
} defaults[] = {
    {{"INBOX", 5}, MAILBOX_PLAIN},
    {{"Drafts", 6}, MAILBOX_DRAFTS},
    {{"Sent", 4}, MAILBOX_SENT},
    {{"Junk", 4}, MAILBOX_JUNK},
    {{"Trash", 5}, MAILBOX_TRASH},
    {{"Archive", 7}, MAILBOX_ARCHIVE},
};

/* Fills a and m, counts in a; the caller writes a. */
static void make(struct store_txn *t, struct slice name, enum mailbox_special special, int64_t now,
    struct mailbox_account *a)
{
    struct mailbox m = {
        .id = a->next_mailbox++,
        .uidnext = 1,
        .recent_from = 1,
        .created = now,
        .special = special,
        .name_n = (uint16_t)name.n,
    };
    uint32_t wall = now > 0 && now < UINT32_MAX ? (uint32_t)now : 1;
    a->uidvalidity = wall > a->uidvalidity ? wall : a->uidvalidity + 1;
    m.uidvalidity = a->uidvalidity;
    m.highestmodseq = ++a->modseq;
    memcpy(m.name, name.p, name.n);
    row_put_mailbox(t, &m);
    char key[1 + MAILBOX_NAME_MAX], id[4];
    pack_u32(id, m.id);
    store_put(t, row_key_name(name, key), slice(id, sizeof id));
}

enum outcome mailbox_ensure(struct store_txn *t, int64_t now, struct mailbox_account *a)
{
    struct row_key k = row_key_header();
    struct slice row;
    if (store_get(store_txn_view(t), row_key_slice(&k), &row)) {
        if (!row_unpack_account(row, a))
            return OUTCOME_FAILED;
        return a->removed ? OUTCOME_REFUSED : OUTCOME_DONE;
    }
    *a = (struct mailbox_account){.next_mailbox = MAILBOX_INBOX};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        make(t, defaults[i].name, defaults[i].special, now, a);
    row_put_account(t, a);
    return OUTCOME_DONE;
}

enum outcome mailbox_create(
    struct store_txn *t, struct slice name, enum mailbox_special special, int64_t now, uint32_t *id)
{
    struct mailbox_account a;
    enum outcome o = mailbox_ensure(t, now, &a);
    if (o != OUTCOME_DONE)
        return o;
    if (mailbox_find(store_txn_view(t), name) || a.next_mailbox > MAILBOX_COUNT_MAX)
        return OUTCOME_REFUSED;
    *id = a.next_mailbox;
    make(t, name, special, now, &a);
    row_put_account(t, &a);
    return OUTCOME_DONE;
}

static enum outcome ensure_fn(struct store_txn *t, void *arg)
{
    struct mailbox_account a;
    return mailbox_ensure(t, *(int64_t *)arg, &a);
}

static void used_fn(struct store_view *v, void *arg)
{
    struct mailbox_account a;
    *(bool *)arg = mailbox_read_account(v, &a) && !a.removed;
}

TASK_FN
enum outcome mailbox_open_account(struct store *s, uint64_t account, deadline until)
{
    bool used = false;
    enum outcome o = store_read(s, mailbox_partition(account), used_fn, &used, NULL, until);
    if (o != OUTCOME_DONE || used)
        return o;
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
