/* Mailboxes come into being: the default ones at first use, others by CREATE; and their special
 * uses. */
#include "mailbox/row.h"
#include "mailbox/tree.h"

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

/* Counts in a; the caller writes a. */
static uint32_t make(struct store_txn *t, struct slice name, enum mailbox_special special,
    int64_t now, struct mailbox_account *a)
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
    a->mailboxes++;
    if (special)
        a->special[special] = m.id;
    m.uidvalidity = a->uidvalidity;
    m.highestmodseq = ++a->modseq;
    memcpy(m.name, name.p, name.n);
    row_put_mailbox(t, &m);
    char key[1 + MAILBOX_NAME_MAX], id[4];
    pack_u32(id, m.id);
    store_put(t, row_key_name(KEY_NAME, name, key), slice(id, sizeof id));
    return m.id;
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
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        char key[1 + MAILBOX_NAME_MAX];
        make(t, defaults[i].name, defaults[i].special, now, a);
        store_put(t, row_key_name(KEY_SUBSCRIBED, defaults[i].name, key), S("\1"));
        a->subscriptions++;
    }
    row_put_account(t, a);
    return OUTCOME_DONE;
}

/* The mailbox that has this use becomes a plain one. */
static bool take_special(
    struct store_txn *t, struct mailbox_account *a, enum mailbox_special special)
{
    struct mailbox m;
    if (!special || !a->special[special])
        return true;
    if (!mailbox_read(store_txn_view(t), a->special[special], &m))
        return false;
    m.special = MAILBOX_PLAIN;
    a->special[special] = 0;
    row_put_mailbox(t, &m);
    return true;
}

enum outcome mailbox_create(
    struct store_txn *t, struct slice name, enum mailbox_special special, int64_t now, uint32_t *id)
{
    struct mailbox_account a;
    enum outcome o = mailbox_ensure(t, now, &a);
    if (o != OUTCOME_DONE)
        return o;
    if (mailbox_find(store_txn_view(t), name) || a.mailboxes >= MAILBOX_COUNT_MAX ||
        a.next_mailbox == UINT32_MAX)
        return OUTCOME_REFUSED;
    if (!take_special(t, &a, special))
        return OUTCOME_FAILED;
    *id = make(t, name, special, now, &a);
    row_put_account(t, &a);
    return OUTCOME_DONE;
}

enum outcome mailbox_set_special(
    struct store_txn *t, uint32_t mailbox, enum mailbox_special special)
{
    struct mailbox_account a;
    struct mailbox m;
    enum outcome o = row_load(t, mailbox, &a, &m);
    if (o != OUTCOME_DONE || m.special == special)
        return o;
    if (!take_special(t, &a, special))
        return OUTCOME_FAILED;
    if (m.special)
        a.special[m.special] = 0;
    if (special)
        a.special[special] = m.id;
    m.special = special;
    row_put_mailbox(t, &m);
    row_put_account(t, &a);
    return OUTCOME_DONE;
}

uint32_t mailbox_find_special(struct store_view *v, enum mailbox_special special)
{
    struct mailbox_account a;
    return special && mailbox_read_account(v, &a) ? a.special[special] : 0;
}
