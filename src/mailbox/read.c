#include "mailbox/row.h"

store_partition mailbox_partition(uint64_t account)
{
    return keyspace_partition(KEYSPACE_ACCOUNT, account);
}

bool mailbox_read_account(struct store_view *v, struct mailbox_account *a)
{
    struct row_key k = row_key_header();
    struct slice row;
    return store_get(v, row_key_slice(&k), &row) && row_unpack_account(row, a);
}

bool mailbox_read(struct store_view *v, uint32_t id, struct mailbox *m)
{
    struct row_key k = row_key_mailbox(KEY_MAILBOX, id);
    struct slice row;
    return store_get(v, row_key_slice(&k), &row) && row_unpack_mailbox(row, id, m);
}

uint32_t mailbox_find(struct store_view *v, struct slice name)
{
    char key[1 + MAILBOX_NAME_MAX];
    struct slice row;
    if (!name.n || name.n > MAILBOX_NAME_MAX ||
        !store_get(v, row_key_name(KEY_NAME, name, key), &row))
        return 0;
    return row.n == 4 ? unpack_u32(row.p) : 0;
}

bool mailbox_read_message(
    struct store_view *v, uint32_t mailbox, uint32_t uid, struct mailbox_message *m)
{
    struct row_key k = row_key_uid(KEY_MESSAGE, mailbox, uid);
    struct slice row;
    return store_get(v, row_key_slice(&k), &row) && row_unpack_message(row, uid, m);
}

bool mailbox_read_rendered(
    struct store_view *v, uint32_t mailbox, uint32_t uid, struct slice *rendered)
{
    struct row_key k = row_key_uid(KEY_RENDERED, mailbox, uid);
    return store_get(v, row_key_slice(&k), rendered);
}

void mailbox_seek(struct store_view *v, uint32_t from, struct store_cursor *c)
{
    struct row_key k = row_key_mailbox(KEY_MAILBOX, from);
    store_seek(v, row_key_slice(&k), c);
}

bool mailbox_next(struct store_cursor *c, struct mailbox *m)
{
    static const char prefix[] = {KEY_MAILBOX};
    struct slice key, row;
    return store_next_with(c, slice(prefix, 1), &key, &row) && key.n == 5 &&
           row_unpack_mailbox(row, unpack_u32(key.p + 1), m);
}

void mailbox_seek_message(
    struct store_view *v, uint32_t mailbox, uint32_t from, struct store_cursor *c)
{
    struct row_key k = row_key_uid(KEY_MESSAGE, mailbox, from);
    store_seek(v, row_key_slice(&k), c);
}

bool mailbox_next_message(struct store_cursor *c, uint32_t mailbox, struct mailbox_message *m)
{
    struct row_key prefix = row_key_mailbox(KEY_MESSAGE, mailbox);
    struct slice key, row;
    return store_next_with(c, row_key_slice(&prefix), &key, &row) && key.n == 9 &&
           row_unpack_message(row, unpack_u32(key.p + 5), m);
}

void mailbox_seek_rendered(
    struct store_view *v, uint32_t mailbox, uint32_t from, struct store_cursor *c)
{
    struct row_key k = row_key_uid(KEY_RENDERED, mailbox, from);
    store_seek(v, row_key_slice(&k), c);
}

bool mailbox_next_rendered(
    struct store_cursor *c, uint32_t mailbox, uint32_t *uid, struct slice *rendered)
{
    struct row_key prefix = row_key_mailbox(KEY_RENDERED, mailbox);
    struct slice key;
    if (!store_next_with(c, row_key_slice(&prefix), &key, rendered) || key.n != 9)
        return false;
    *uid = unpack_u32(key.p + 5);
    return true;
}

void mailbox_seek_changed(
    struct store_view *v, uint32_t mailbox, uint64_t since, struct store_cursor *c)
{
    struct row_key k = row_key_modseq(KEY_CHANGED, mailbox, since + 1);
    store_seek(v, row_key_slice(&k), c);
}

bool mailbox_next_changed(struct store_cursor *c, uint32_t mailbox, uint64_t *modseq, uint32_t *uid)
{
    struct row_key prefix = row_key_mailbox(KEY_CHANGED, mailbox);
    struct slice key, row;
    if (!store_next_with(c, row_key_slice(&prefix), &key, &row) || key.n != 17)
        return false;
    *modseq = unpack_u64(key.p + 5);
    *uid = unpack_u32(key.p + 13);
    return true;
}

void mailbox_seek_expunged(
    struct store_view *v, uint32_t mailbox, uint64_t since, struct store_cursor *c)
{
    struct row_key k = row_key_modseq(KEY_EXPUNGED, mailbox, since + 1);
    store_seek(v, row_key_slice(&k), c);
}

bool mailbox_next_expunged(struct store_cursor *c, uint32_t mailbox, uint64_t *modseq,
    struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES], size_t *n)
{
    struct row_key prefix = row_key_mailbox(KEY_EXPUNGED, mailbox);
    struct slice key, row;
    int64_t when;
    if (!store_next_with(c, row_key_slice(&prefix), &key, &row) || key.n != 13)
        return false;
    *modseq = unpack_u64(key.p + 5);
    return row_unpack_expunged(row, &when, ranges, n);
}
