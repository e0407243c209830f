#include "mailbox/row.h"

#define ROW_VERSION 1

struct row_key row_key_header(void)
{
    return (struct row_key){.bytes = {KEY_HEADER}, .n = 1};
}

struct slice row_key_name(
    enum keyspace_account kind, struct slice name, char out[1 + MAILBOX_NAME_MAX])
{
    size_t n = name.n < MAILBOX_NAME_MAX ? name.n : MAILBOX_NAME_MAX;
    out[0] = (char)kind;
    memcpy(out + 1, name.p, n);
    return slice(out, 1 + n);
}

static void begin(struct row_key *k, enum keyspace_account kind, uint32_t mailbox)
{
    k->bytes[0] = (char)kind;
    pack_u32(k->bytes + 1, mailbox);
    k->n = 5;
}

struct row_key row_key_mailbox(enum keyspace_account kind, uint32_t mailbox)
{
    struct row_key k;
    begin(&k, kind, mailbox);
    return k;
}

struct row_key row_key_uid(enum keyspace_account kind, uint32_t mailbox, uint32_t number)
{
    struct row_key k;
    begin(&k, kind, mailbox);
    pack_u32(k.bytes + 5, number);
    k.n = 9;
    return k;
}

struct row_key row_key_modseq(enum keyspace_account kind, uint32_t mailbox, uint64_t modseq)
{
    struct row_key k;
    begin(&k, kind, mailbox);
    pack_u64(k.bytes + 5, modseq);
    k.n = 13;
    return k;
}

struct row_key row_key_changed(uint32_t mailbox, uint64_t modseq, uint32_t uid)
{
    struct row_key k = row_key_modseq(KEY_CHANGED, mailbox, modseq);
    pack_u32(k.bytes + 13, uid);
    k.n = 17;
    return k;
}

struct row_key row_key_copy(uint64_t copy)
{
    struct row_key k = {.bytes = {KEY_COPYING}, .n = 9};
    pack_u64(k.bytes + 1, copy);
    return k;
}

/* version 1, removed 1, modseq 8, uidvalidity 4, next mailbox 4, bytes 8, messages 8, mailboxes 4,
 * subscriptions 4, then for each special use its mailbox 4 */
size_t row_pack_account(const struct mailbox_account *a, char out[ROW_ACCOUNT_SIZE])
{
    out[0] = ROW_VERSION;
    out[1] = (char)a->removed;
    pack_u64(out + 2, a->modseq);
    pack_u32(out + 10, a->uidvalidity);
    pack_u32(out + 14, a->next_mailbox);
    pack_u64(out + 18, a->bytes);
    pack_u64(out + 26, a->messages);
    pack_u32(out + 34, a->mailboxes);
    pack_u32(out + 38, a->subscriptions);
    for (int i = 1; i < MAILBOX_SPECIALS; i++)
        pack_u32(out + 38 + 4 * i, a->special[i]);
    return ROW_ACCOUNT_SIZE;
}

bool row_unpack_account(struct slice row, struct mailbox_account *a)
{
    if (row.n != ROW_ACCOUNT_SIZE || row.p[0] != ROW_VERSION)
        return false;
    *a = (struct mailbox_account){
        .removed = row.p[1] != 0,
        .modseq = unpack_u64(row.p + 2),
        .uidvalidity = unpack_u32(row.p + 10),
        .next_mailbox = unpack_u32(row.p + 14),
        .bytes = unpack_u64(row.p + 18),
        .messages = unpack_u64(row.p + 26),
        .mailboxes = unpack_u32(row.p + 34),
        .subscriptions = unpack_u32(row.p + 38),
    };
    for (int i = 1; i < MAILBOX_SPECIALS; i++)
        a->special[i] = unpack_u32(row.p + 38 + 4 * i);
    return true;
}

/* version 1, special 1, reserved 2, uidvalidity 4, uidnext 4, highestmodseq 8, recent_from 4,
 * messages 4, unseen 4, bytes 8, created 8, log_from 8, log_ranges 4, name */
#define MAILBOX_FIXED 60

size_t row_pack_mailbox(const struct mailbox *m, char out[ROW_MAILBOX_MAX])
{
    out[0] = ROW_VERSION;
    out[1] = (char)m->special;
    out[2] = out[3] = 0;
    pack_u32(out + 4, m->uidvalidity);
    pack_u32(out + 8, m->uidnext);
    pack_u64(out + 12, m->highestmodseq);
    pack_u32(out + 20, m->recent_from);
    pack_u32(out + 24, m->messages);
    pack_u32(out + 28, m->unseen);
    pack_u64(out + 32, m->bytes);
    pack_u64(out + 40, (uint64_t)m->created);
    pack_u64(out + 48, m->log_from);
    pack_u32(out + 56, m->log_ranges);
    memcpy(out + MAILBOX_FIXED, m->name, m->name_n);
    return MAILBOX_FIXED + m->name_n;
}

bool row_unpack_mailbox(struct slice row, uint32_t id, struct mailbox *m)
{
    if (row.n <= MAILBOX_FIXED || row.n > MAILBOX_FIXED + MAILBOX_NAME_MAX ||
        row.p[0] != ROW_VERSION || (unsigned char)row.p[1] >= MAILBOX_SPECIALS)
        return false;
    m->id = id;
    m->special = (enum mailbox_special)row.p[1];
    m->uidvalidity = unpack_u32(row.p + 4);
    m->uidnext = unpack_u32(row.p + 8);
    m->highestmodseq = unpack_u64(row.p + 12);
    m->recent_from = unpack_u32(row.p + 20);
    m->messages = unpack_u32(row.p + 24);
    m->unseen = unpack_u32(row.p + 28);
    m->bytes = unpack_u64(row.p + 32);
    m->created = (int64_t)unpack_u64(row.p + 40);
    m->log_from = unpack_u64(row.p + 48);
    m->log_ranges = unpack_u32(row.p + 56);
    m->name_n = (uint16_t)(row.n - MAILBOX_FIXED);
    memcpy(m->name, row.p + MAILBOX_FIXED, m->name_n);
    return m->uidnext > 0 && m->uidvalidity > 0;
}

/* version 1, flags 1, zone 2, keywords 8, modseq 8, date 8, saved 8, size 8, blob 8, thread 8 */
size_t row_pack_message(const struct mailbox_message *m, char out[ROW_MESSAGE_SIZE])
{
    out[0] = ROW_VERSION;
    out[1] = (char)m->flags;
    pack_u16(out + 2, (uint16_t)m->zone);
    pack_u64(out + 4, m->keywords);
    pack_u64(out + 12, m->modseq);
    pack_u64(out + 20, (uint64_t)m->date);
    pack_u64(out + 28, (uint64_t)m->saved);
    pack_u64(out + 36, m->size);
    pack_u64(out + 44, m->blob);
    pack_u64(out + 52, m->thread);
    return ROW_MESSAGE_SIZE;
}

bool row_unpack_message(struct slice row, uint32_t uid, struct mailbox_message *m)
{
    if (row.n != ROW_MESSAGE_SIZE || row.p[0] != ROW_VERSION)
        return false;
    *m = (struct mailbox_message){
        .uid = uid,
        .flags = (uint8_t)row.p[1],
        .zone = (int16_t)unpack_u16(row.p + 2),
        .keywords = unpack_u64(row.p + 4),
        .modseq = unpack_u64(row.p + 12),
        .date = (int64_t)unpack_u64(row.p + 20),
        .saved = (int64_t)unpack_u64(row.p + 28),
        .size = unpack_u64(row.p + 36),
        .blob = unpack_u64(row.p + 44),
        .thread = unpack_u64(row.p + 52),
    };
    return m->blob != 0 && m->modseq != 0;
}

/* version 1, time 8, count 4, then first 4 last 4 each */
void row_expunged_start(struct row_expunged *row, int64_t now)
{
    row->n = 0;
    row->bytes[0] = ROW_VERSION;
    pack_u64(row->bytes + 1, (uint64_t)now);
    pack_u32(row->bytes + 9, 0);
}

bool row_expunged_add(struct row_expunged *row, uint32_t uid)
{
    char *end = row->bytes + 13 + row->n * 8;
    if (row->n && unpack_u32(end - 4) + 1 == uid) {
        pack_u32(end - 4, uid);
        return true;
    }
    if (row->n == MAILBOX_EXPUNGED_RANGES)
        return false;
    pack_u32(end, uid);
    pack_u32(end + 4, uid);
    pack_u32(row->bytes + 9, ++row->n);
    return true;
}

struct slice row_expunged_slice(const struct row_expunged *row)
{
    return slice(row->bytes, 13 + (size_t)row->n * 8);
}

bool row_unpack_expunged(
    struct slice row, int64_t *when, struct mailbox_uids ranges[MAILBOX_EXPUNGED_RANGES], size_t *n)
{
    if (row.n < 13 || row.p[0] != ROW_VERSION)
        return false;
    *when = (int64_t)unpack_u64(row.p + 1);
    *n = unpack_u32(row.p + 9);
    if (*n > MAILBOX_EXPUNGED_RANGES || row.n != 13 + *n * 8)
        return false;
    for (size_t i = 0; i < *n; i++) {
        ranges[i].first = unpack_u32(row.p + 13 + i * 8);
        ranges[i].last = unpack_u32(row.p + 17 + i * 8);
        if (ranges[i].first > ranges[i].last)
            return false;
    }
    return true;
}

void row_put(struct store_txn *t, const struct row_key *k, const void *bytes, size_t n)
{
    store_put(t, row_key_slice(k), slice(bytes, n));
}

void row_put_account(struct store_txn *t, const struct mailbox_account *a)
{
    char row[ROW_ACCOUNT_SIZE];
    struct row_key k = row_key_header();
    row_put(t, &k, row, row_pack_account(a, row));
}

void row_put_mailbox(struct store_txn *t, const struct mailbox *m)
{
    char row[ROW_MAILBOX_MAX];
    struct row_key k = row_key_mailbox(KEY_MAILBOX, m->id);
    row_put(t, &k, row, row_pack_mailbox(m, row));
}

void row_put_message(struct store_txn *t, uint32_t mailbox, const struct mailbox_message *m)
{
    char row[ROW_MESSAGE_SIZE];
    struct row_key k = row_key_uid(KEY_MESSAGE, mailbox, m->uid);
    row_put(t, &k, row, row_pack_message(m, row));
}

enum outcome row_load(
    struct store_txn *t, uint32_t mailbox, struct mailbox_account *a, struct mailbox *m)
{
    struct store_view *v = store_txn_view(t);
    struct row_key header = row_key_header();
    struct row_key key = row_key_mailbox(KEY_MAILBOX, mailbox);
    struct slice row;
    if (!store_get(v, row_key_slice(&header), &row))
        return OUTCOME_REFUSED;
    if (!row_unpack_account(row, a))
        return OUTCOME_FAILED;
    if (a->removed || !store_get(v, row_key_slice(&key), &row))
        return OUTCOME_REFUSED;
    return row_unpack_mailbox(row, mailbox, m) ? OUTCOME_DONE : OUTCOME_FAILED;
}
