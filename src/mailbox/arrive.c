#include "mailbox/arrive.h"

void arrive_start(
    struct arrive *a, struct store_txn *t, struct mailbox_account *account, struct mailbox *mailbox)
{
    a->t = t;
    a->account = account;
    a->mailbox = mailbox;
    a->modseq = account->modseq + 1;
    a->n = 0;
    a->map.t = t;
    a->map.mailbox = mailbox->id;
    a->map.loaded = false;
}

enum outcome arrive_message(struct arrive *a, struct mailbox_message *message)
{
    struct mailbox *m = a->mailbox;
    if (m->uidnext == UINT32_MAX)
        return OUTCOME_REFUSED;
    struct uidmap *map = uidmap_edit(&a->map, m->uidnext);
    if (!map)
        return OUTCOME_FAILED;
    message->uid = m->uidnext++;
    message->modseq = a->modseq;
    bool unseen = !(message->flags & MAILBOX_SEEN);
    uidmap_set(map, message->uid, unseen);
    m->messages++;
    m->unseen += unseen;
    m->bytes += message->size;
    a->account->messages++;
    a->account->bytes += message->size;
    row_put_message(a->t, m->id, message);
    struct row_key changed = row_key_changed(m->id, message->modseq, message->uid);
    row_put(a->t, &changed, "\1", 1);
    a->n++;
    return OUTCOME_DONE;
}

void arrive_finish(struct arrive *a)
{
    if (!a->n)
        return;
    uidmap_edit_finish(&a->map);
    a->mailbox->highestmodseq = a->account->modseq = a->modseq;
}

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

enum outcome mailbox_append(struct store_txn *t, struct mailbox_append *which)
{
    struct arrive a;
    struct mailbox_account account;
    struct mailbox m;
    enum outcome o = load(t, which, &account, &m);
    if (o != OUTCOME_DONE)
        return o;
    struct mailbox_message message = {
        .flags = which->flags,
        .zone = which->zone,
        .keywords = which->keywords,
        .date = which->date,
        .saved = which->now,
        .size = which->size,
        .blob = which->blob,
        .thread = which->thread,
    };
    arrive_start(&a, t, &account, &m);
    o = arrive_message(&a, &message);
    if (o != OUTCOME_DONE)
        return o;
    arrive_finish(&a);
    row_put_account(t, &account);
    row_put_mailbox(t, &m);
    if (which->rendered.n && which->rendered.n <= MAILBOX_RENDERED_MAX) {
        struct row_key k = row_key_uid(KEY_RENDERED, m.id, message.uid);
        row_put(t, &k, which->rendered.p, which->rendered.n);
    }
    store_retain(t, which->blob);
    which->uid = message.uid;
    which->uidvalidity = m.uidvalidity;
    which->modseq = message.modseq;
    return OUTCOME_DONE;
}
