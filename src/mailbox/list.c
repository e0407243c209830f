/* What needs more than one read or mutation: awaited by a task. */
#include "base/budget.h"
#include "mailbox/row.h"
#include <stdlib.h>

struct batch {
    uint32_t mailbox, from, end; /* UIDs [from, end) */
    struct mailbox_entry *entries;
    size_t room, n;
    bool first, missing, broken;
    struct mailbox row;
};

static void head_fn(struct store_view *v, void *arg)
{
    struct batch *b = arg;
    struct row_key k = row_key_mailbox(KEY_MAILBOX, b->mailbox);
    struct slice row;
    b->missing = !store_get(v, row_key_slice(&k), &row);
    b->broken = !b->missing && !row_unpack_mailbox(row, b->mailbox, &b->row);
}

static void batch_fn(struct store_view *v, void *arg)
{
    struct batch *b = arg;
    struct row_key from = row_key_uid(KEY_MESSAGE, b->mailbox, b->from);
    struct row_key prefix = row_key_mailbox(KEY_MESSAGE, b->mailbox);
    struct store_cursor c;
    struct slice key, row;
    b->n = 0;
    b->broken = false;
    store_seek(v, row_key_slice(&from), &c);
    while (b->n < b->room && store_next_with(&c, row_key_slice(&prefix), &key, &row)) {
        struct mailbox_message m;
        if (key.n != 9 || !row_unpack_message(row, unpack_u32(key.p + 5), &m)) {
            b->broken = true;
            return;
        }
        if (m.uid >= b->end)
            return;
        b->entries[b->n++] =
            (struct mailbox_entry){.uid = m.uid, .flags = m.flags, .size = m.size, .blob = m.blob};
    }
}

static enum outcome list_all(
    struct store *s, store_partition p, struct mailbox_listing *l, size_t room, deadline until)
{
    struct batch b = {.mailbox = l->mailbox.id, .from = 1, .end = l->mailbox.uidnext};
    while (l->n < room) {
        b.entries = l->entries + l->n;
        b.room = room - l->n < MAILBOX_BATCH ? room - l->n : MAILBOX_BATCH;
        enum outcome o = store_read(s, p, batch_fn, &b, NULL, until);
        if (o != OUTCOME_DONE || b.broken)
            return OUTCOME_FAILED;
        l->n += b.n;
        if (b.n < b.room)
            return OUTCOME_DONE;
        b.from = l->entries[l->n - 1].uid + 1;
        task_yield();
    }
    return OUTCOME_DONE;
}

TASK_FN
enum outcome mailbox_list_messages(
    struct store *s, uint64_t account, uint32_t mailbox, struct mailbox_listing *l, deadline until)
{
    store_partition p = mailbox_partition(account);
    struct batch b = {.mailbox = mailbox};
    *l = (struct mailbox_listing){0};
    enum outcome o = store_read(s, p, head_fn, &b, NULL, until);
    if (o != OUTCOME_DONE || b.broken)
        return OUTCOME_FAILED;
    if (b.missing)
        return OUTCOME_REFUSED;
    l->mailbox = b.row;
    size_t room = b.row.messages;
    if (!room)
        return OUTCOME_DONE;
    if (!budget_take(room * sizeof *l->entries))
        return OUTCOME_FAILED;
    l->entries = malloc(room * sizeof *l->entries);
    if (!l->entries) {
        budget_give(room * sizeof *l->entries);
        return OUTCOME_FAILED;
    }
    o = list_all(s, p, l, room, until);
    if (o != OUTCOME_DONE)
        mailbox_listing_finish(l);
    return o;
}

void mailbox_listing_finish(struct mailbox_listing *l)
{
    if (l->entries)
        budget_give(l->mailbox.messages * sizeof *l->entries);
    free(l->entries);
    l->entries = NULL;
    l->n = 0;
}

static enum outcome expunge_fn(struct store_txn *t, void *arg)
{
    return mailbox_expunge(t, arg);
}

TASK_FN
enum outcome mailbox_expunge_all(struct store *s, uint64_t account, uint32_t mailbox,
    const uint32_t *uids, size_t n, deadline until)
{
    for (size_t at = 0; at < n; at += MAILBOX_BATCH) {
        struct mailbox_expunge e = {
            .mailbox = mailbox,
            .uids = uids + at,
            .n = n - at < MAILBOX_BATCH ? n - at : MAILBOX_BATCH,
            .now = clock_wall() / 1000000,
        };
        struct store_mutation m = {
            .partition = mailbox_partition(account), .fn = expunge_fn, .arg = &e};
        enum outcome o = store_mutate(s, &m, NULL, until);
        if (o != OUTCOME_DONE)
            return o;
    }
    return OUTCOME_DONE;
}
