#include "mailbox/tree.h"
#include "base/buffer.h"
#include "mailbox/row.h"

enum outcome mailbox_subscribe(struct store_txn *t, struct slice name, bool on, int64_t now)
{
    struct mailbox_account a;
    char key[1 + MAILBOX_NAME_MAX];
    struct slice k, row;
    enum outcome o = mailbox_ensure(t, now, &a);
    if (o != OUTCOME_DONE)
        return o;
    if (!name.n || name.n > MAILBOX_NAME_MAX)
        return OUTCOME_REFUSED;
    k = row_key_name(KEY_SUBSCRIBED, name, key);
    if (store_get(store_txn_view(t), k, &row) == on)
        return OUTCOME_DONE;
    if (on && a.subscriptions >= MAILBOX_COUNT_MAX)
        return OUTCOME_REFUSED;
    if (on)
        store_put(t, k, S("\1"));
    else
        store_del(t, k);
    a.subscriptions += on ? 1 : UINT32_MAX;
    row_put_account(t, &a);
    return OUTCOME_DONE;
}

/* ---- rename ---- */

/* What moves is collected first, since new names may be old names of others that move too
 * (a/b to a, where a/b/b is). An entry: kind 1, mailbox 4, length of the suffix 2, suffix. */
#define ENTRY_HEAD 7

struct move {
    struct store_txn *t;
    struct mailbox_rename *r;
    struct mailbox_account account;
    struct buffer entries;
    size_t keys; /* of the write set */
};

static bool lies_below(struct slice name, struct slice parent)
{
    return name.n > parent.n && slice_starts(name, parent) && name.p[parent.n] == MAILBOX_SEPARATOR;
}

static enum outcome refuse(struct mailbox_rename *r, enum mailbox_refusal why)
{
    r->refusal = why;
    return OUTCOME_REFUSED;
}

static struct slice new_key(
    struct move *m, enum keyspace_account kind, struct slice suffix, char key[1 + MAILBOX_NAME_MAX])
{
    size_t n = row_key_name(kind, m->r->to, key).n;
    if (suffix.n)
        memcpy(key + n, suffix.p, suffix.n);
    return slice(key, n + suffix.n);
}

static enum outcome collect_one(
    struct move *m, enum keyspace_account kind, struct slice name, struct slice value)
{
    char head[ENTRY_HEAD] = {(char)kind}, key[1 + MAILBOX_NAME_MAX];
    struct slice suffix = slice_from(name, m->r->from.n), taken;
    if (m->r->to.n + suffix.n > MAILBOX_NAME_MAX)
        return refuse(m->r, MAILBOX_REFUSED_NAME);
    m->keys += kind == KEY_NAME ? 3 : 2;
    if (m->keys > STORE_WRITE_KEYS_MAX)
        return refuse(m->r, MAILBOX_REFUSED_LIMIT);
    if (kind == KEY_NAME) {
        if (value.n != 4)
            return OUTCOME_FAILED;
        memcpy(head + 1, value.p, 4);
    }
    pack_u16(head + 5, (uint16_t)suffix.n);
    buffer_add(&m->entries, slice(head, sizeof head));
    buffer_add(&m->entries, suffix);
    struct slice k = new_key(m, kind, suffix, key);
    if (kind == KEY_NAME && store_get(store_txn_view(m->t), k, &taken)) {
        struct slice there = slice_from(k, 1);
        if (!slice_eq(there, m->r->from) && !lies_below(there, m->r->from))
            return refuse(m->r, MAILBOX_REFUSED_EXISTS);
    }
    return OUTCOME_DONE;
}

/* Names or subscriptions: the one itself, then all below it. */
static enum outcome collect(struct move *m, enum keyspace_account kind)
{
    struct store_view *v = store_txn_view(m->t);
    char at[1 + MAILBOX_NAME_MAX];
    struct store_cursor c;
    struct slice prefix = row_key_name(kind, m->r->from, at), key, value;
    enum outcome o = OUTCOME_DONE;
    if (store_get(v, prefix, &value))
        o = collect_one(m, kind, m->r->from, value);
    if (prefix.n == sizeof at)
        return o;
    at[prefix.n++] = MAILBOX_SEPARATOR;
    store_seek(v, prefix, &c);
    while (o == OUTCOME_DONE && store_next_with(&c, prefix, &key, &value))
        o = collect_one(m, kind, slice_from(key, 1), value);
    return o;
}

static void forget(struct move *m, enum keyspace_account kind, struct slice suffix)
{
    char key[1 + MAILBOX_NAME_MAX];
    size_t n = row_key_name(kind, m->r->from, key).n;
    if (suffix.n)
        memcpy(key + n, suffix.p, suffix.n);
    store_del(m->t, slice(key, n + suffix.n));
    if (kind == KEY_SUBSCRIBED)
        m->account.subscriptions--;
}

static bool remember(
    struct move *m, enum keyspace_account kind, struct slice id, struct slice suffix)
{
    struct store_view *v = store_txn_view(m->t);
    char key[1 + MAILBOX_NAME_MAX];
    struct slice k = new_key(m, kind, suffix, key), there;
    struct mailbox mailbox;
    if (kind == KEY_SUBSCRIBED) {
        m->account.subscriptions += !store_get(v, k, &there);
        store_put(m->t, k, S("\1"));
        return true;
    }
    if (!mailbox_read(v, unpack_u32(id.p), &mailbox))
        return false;
    mailbox.name_n = (uint16_t)(k.n - 1);
    memcpy(mailbox.name, k.p + 1, k.n - 1);
    row_put_mailbox(m->t, &mailbox);
    store_put(m->t, k, id);
    m->r->renamed++;
    return true;
}

static enum outcome apply(struct move *m)
{
    for (int old = 1; old >= 0; old--) {
        struct slice rest = buffer_slice(&m->entries);
        while (rest.n) {
            enum keyspace_account kind = (enum keyspace_account)rest.p[0];
            struct slice id = slice_sub(rest, 1, 4);
            struct slice suffix = slice_sub(rest, ENTRY_HEAD, unpack_u16(rest.p + 5));
            if (old)
                forget(m, kind, suffix);
            else if (!remember(m, kind, id, suffix))
                return OUTCOME_FAILED;
            rest = slice_from(rest, ENTRY_HEAD + suffix.n);
        }
    }
    row_put_account(m->t, &m->account);
    return OUTCOME_DONE;
}

enum outcome mailbox_rename(struct store_txn *t, struct mailbox_rename *r)
{
    struct move m = {.t = t, .r = r, .keys = 1};
    r->refusal = MAILBOX_REFUSED_NOT;
    r->renamed = 0;
    enum outcome o = mailbox_ensure(t, r->now, &m.account);
    if (o != OUTCOME_DONE)
        return o == OUTCOME_REFUSED ? refuse(r, MAILBOX_REFUSED_GONE) : o;
    if (slice_eq(r->from, S("INBOX")))
        return refuse(r, MAILBOX_REFUSED_INBOX);
    if (slice_eq(r->to, S("INBOX")))
        return refuse(r, MAILBOX_REFUSED_EXISTS);
    if (!mailbox_find(store_txn_view(t), r->from) &&
        !mailbox_has_children(store_txn_view(t), r->from))
        return refuse(r, MAILBOX_REFUSED_ABSENT);
    if (mailbox_find(store_txn_view(t), r->to))
        return refuse(r, MAILBOX_REFUSED_EXISTS);
    if (slice_eq(r->from, r->to) || lies_below(r->to, r->from))
        return refuse(r, MAILBOX_REFUSED_NAME);
    buffer_init(&m.entries, (ENTRY_HEAD + MAILBOX_NAME_MAX) * (STORE_WRITE_KEYS_MAX / 2));
    o = collect(&m, KEY_NAME);
    if (o == OUTCOME_DONE)
        o = collect(&m, KEY_SUBSCRIBED);
    if (o == OUTCOME_DONE)
        o = m.entries.overflow ? OUTCOME_FAILED : apply(&m);
    buffer_finish(&m.entries);
    return o;
}
