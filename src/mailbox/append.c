#include "mailbox/row.h"
#include "mailbox/uidmap.h"

/* Reads what the append counts in; makes the default mailboxes of an account that nobody has used.
 */
static enum outcome load(struct store_txn *t, struct mailbox_append *a,
    struct mailbox_account *account, struct mailbox *m)
{
    enum outcome o = row_load(t, a->mailbox, account, m);
    if (o != OUTCOME_REFUSED)
        return o;
    o = mailbox_ensure(t, a->now, account);
    return o == OUTCOME_DONE ? row_load(t, a->mailbox, account, m) : o;
}

static void put_changed(struct store_txn *t, uint32_t mailbox, uint64_t modseq, uint32_t uid)
{
    struct row_key k = row_key_changed(mailbox, modseq, uid);
    row_put(t, &k, "\1", 1);
}

enum outcome mailbox_append(struct store_txn *t, struct mailbox_append *a)
{
    struct mailbox_account account;
    struct mailbox m;
    struct uidmap map;
    enum outcome o = load(t, a, &account, &m);
    if (o != OUTCOME_DONE)
        return o;
    if (m.uidnext == UINT32_MAX)
        return OUTCOME_REFUSED;
    uint32_t uid = m.uidnext++;
    if (!uidmap_load(store_txn_view(t), m.id, uidmap_group(uid), &map))
        return OUTCOME_FAILED;
    bool unseen = !(a->flags & MAILBOX_SEEN);
    uidmap_set(&map, uid, unseen);
    account.modseq++;
    account.messages++;
    account.bytes += a->size;
    m.highestmodseq = account.modseq;
    m.messages++;
    m.unseen += unseen;
    m.bytes += a->size;
    struct mailbox_message message = {
        .uid = uid,
        .flags = a->flags,
        .zone = a->zone,
        .keywords = a->keywords,
        .modseq = account.modseq,
        .date = a->date,
        .saved = a->now,
        .size = a->size,
        .blob = a->blob,
        .thread = a->thread,
    };
    row_put_account(t, &account);
    row_put_mailbox(t, &m);
    uidmap_save(t, m.id, uidmap_group(uid), &map);
    row_put_message(t, m.id, &message);
    put_changed(t, m.id, message.modseq, uid);
    if (a->rendered.n && a->rendered.n <= MAILBOX_RENDERED_MAX) {
        struct row_key k = row_key_uid(KEY_RENDERED, m.id, uid);
        row_put(t, &k, a->rendered.p, a->rendered.n);
    }
    store_retain(t, a->blob);
    a->uid = uid;
    a->uidvalidity = m.uidvalidity;
    a->modseq = message.modseq;
    return OUTCOME_DONE;
}
