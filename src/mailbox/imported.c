#include "mailbox/imported.h"
#include "mailbox/row.h"
#include <stdlib.h>

#define ROW_VERSION 1
#define PRUNE_READ  1000

struct key {
    char bytes[1 + IMPORTED_ID];
};

static struct key key_of(const uint8_t id[IMPORTED_ID])
{
    struct key k = {.bytes = {KEY_IMPORTED}};
    memcpy(k.bytes + 1, id, IMPORTED_ID);
    return k;
}

/* version 1, when 4 (wall, s), mailbox 4, uid 4 */
static void put_row(struct store_txn *t, const struct imported_message *m, int64_t now)
{
    char row[IMPORTED_ROW] = {ROW_VERSION};
    struct key k = key_of(m->id);
    pack_u32(row + 1, now > 0 && now < UINT32_MAX ? (uint32_t)now : UINT32_MAX);
    pack_u32(row + 5, m->mailbox);
    pack_u32(row + 9, m->uid);
    store_put(t, slice(k.bytes, sizeof k.bytes), slice(row, sizeof row));
}

bool imported_row_valid(struct slice key, struct slice row)
{
    return key.n == 1 + IMPORTED_ID && row.n == IMPORTED_ROW && row.p[0] == ROW_VERSION;
}

bool imported_keyword_valid(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
            return false;
    return name.n && name.n <= 255 && !slice_has_any(name, "(){%*\"\\]");
}

/* ---- adding ---- */

struct add {
    struct imported_message *message;
    const struct store_new_blob *blob;
    int64_t now;
    enum imported result; /* when refused */
};

static bool over_quota(struct store_txn *t, const struct add *a)
{
    struct mailbox_account account;
    uint64_t quota = a->message->quota;
    if (!quota || !mailbox_read_account(store_txn_view(t), &account))
        return false;
    return account.bytes >= quota || a->blob->size > quota - account.bytes;
}

static uint64_t keyword_bits(struct store_txn *t, struct imported_message *m)
{
    uint64_t bits = 0;
    m->keywords_lost = false;
    for (size_t i = 0; i < m->keyword_n && i < IMPORTED_WORDS; i++) {
        int bit = mailbox_keyword(t, m->mailbox, m->keywords[i], true);
        m->keywords_lost |= bit < 0;
        bits |= bit < 0 ? 0 : UINT64_C(1) << bit;
    }
    return bits;
}

static enum outcome add_fn(struct store_txn *t, void *arg)
{
    struct add *a = arg;
    struct imported_message *m = a->message;
    struct key k = key_of(m->id);
    struct slice row;
    struct mailbox box;
    bool known = store_get(store_txn_view(t), slice(k.bytes, sizeof k.bytes), &row);
    bool full = !known && over_quota(t, a);
    a->result = known ? IMPORTED_ALREADY : full ? IMPORTED_OVER_QUOTA : IMPORTED_GONE;
    if (known || full || !mailbox_read(store_txn_view(t), m->mailbox, &box))
        return OUTCOME_REFUSED;
    struct mailbox_append append = {
        .mailbox = m->mailbox,
        .blob = a->blob->id,
        .size = a->blob->size,
        .flags = m->flags,
        .keywords = keyword_bits(t, m),
        .date = m->date,
        .zone = m->zone,
        .now = a->now,
        .rendered = m->rendered,
    };
    enum outcome o = mailbox_append(t, &append);
    m->uid = append.uid;
    if (o == OUTCOME_DONE)
        put_row(t, m, a->now);
    return o;
}

TASK_FN
enum imported imported_add(struct store *s, struct imported_message *m, deadline until)
{
    static const enum imported results[] = {
        [OUTCOME_DONE] = IMPORTED_KEPT_NOW,
        [OUTCOME_FAILED] = IMPORTED_FAILED,
        [OUTCOME_UNKNOWN] = IMPORTED_UNKNOWN,
    };
    struct store_blob_owner owner = {.account = m->account, .mailbox = m->mailbox};
    struct store_new_blob blob = {
        .body = m->body, .date = clock_wall(), .owners = &owner, .owner_count = 1};
    struct add a = {.message = m, .blob = &blob, .now = clock_wall() / 1000000};
    struct store_mutation mutation = {
        .partition = mailbox_partition(m->account), .fn = add_fn, .arg = &a};
    enum outcome o = store_mutate(s, &mutation, &blob, until);
    return o == OUTCOME_REFUSED ? a.result : results[o];
}

/* ---- asking ---- */

struct ask {
    const uint8_t (*ids)[IMPORTED_ID];
    size_t n;
    bool *found;
};

static void ask_fn(struct store_view *v, void *arg)
{
    struct ask *a = arg;
    for (size_t i = 0; i < a->n; i++) {
        struct key k = key_of(a->ids[i]);
        struct slice row;
        a->found[i] = store_get(v, slice(k.bytes, sizeof k.bytes), &row);
    }
}

TASK_FN
enum outcome imported_ask(struct store *s, uint64_t account, const uint8_t (*ids)[IMPORTED_ID],
    size_t n, bool *found, deadline until)
{
    struct ask a = {.ids = ids, .n = n, .found = found};
    return n > IMPORTED_ASK ? OUTCOME_FAILED
                            : store_read(s, mailbox_partition(account), ask_fn, &a, NULL, until);
}

/* ---- mailboxes ---- */

struct make {
    struct slice name;
    int64_t now;
    uint32_t id;
};

static enum outcome make_fn(struct store_txn *t, void *arg)
{
    struct make *m = arg;
    struct mailbox_account account;
    enum outcome o = mailbox_ensure(t, m->now, &account);
    for (size_t at = 0; o == OUTCOME_DONE && at <= m->name.n; at++) {
        if (at < m->name.n && m->name.p[at] != MAILBOX_SEPARATOR)
            continue;
        struct slice level = slice_sub(m->name, 0, at);
        m->id = mailbox_find(store_txn_view(t), level);
        if (!m->id)
            o = mailbox_create(t, level, MAILBOX_PLAIN, m->now, &m->id);
    }
    return o;
}

TASK_FN
enum outcome imported_mailbox(
    struct store *s, uint64_t account, struct slice name, uint32_t *id, deadline until)
{
    struct make m = {.name = name, .now = clock_wall() / 1000000};
    struct store_mutation mutation = {
        .partition = mailbox_partition(account), .fn = make_fn, .arg = &m};
    enum outcome o = store_mutate(s, &mutation, NULL, until);
    *id = m.id;
    return o;
}

/* ---- forgetting ---- */

struct prune {
    struct key from;
    int64_t before;
    bool more;
    size_t n;
    struct key old[PRUNE_READ];
};

static void old_fn(struct store_view *v, void *arg)
{
    struct prune *p = arg;
    const char prefix = KEY_IMPORTED;
    struct key at = p->from;
    struct store_cursor c;
    struct slice key, row;
    p->n = 0;
    p->more = false;
    store_seek(v, slice(at.bytes, sizeof at.bytes), &c);
    for (int i = 0; i < PRUNE_READ; i++) {
        if (!store_next_with(&c, slice(&prefix, 1), &key, &row) || !imported_row_valid(key, row))
            return;
        if (unpack_u32(row.p + 1) < p->before)
            memcpy(p->old[p->n++].bytes, key.p, key.n);
        memcpy(at.bytes, key.p, key.n);
    }
    p->more = true;
    /* Seen again at the head of the next batch, which harms nothing. */
    p->from = at;
}

static enum outcome drop_fn(struct store_txn *t, void *arg)
{
    const struct prune *p = arg;
    for (size_t i = 0; i < p->n; i++)
        store_del(t, slice(p->old[i].bytes, sizeof p->old[i].bytes));
    return OUTCOME_DONE;
}

TASK_FN
enum outcome imported_prune(struct store *s, uint64_t account, int64_t before, deadline until)
{
    store_partition partition = mailbox_partition(account);
    struct prune *p = calloc(1, sizeof *p);
    enum outcome o = p ? OUTCOME_DONE : OUTCOME_FAILED;
    if (p) {
        p->from.bytes[0] = KEY_IMPORTED;
        p->before = before;
        p->more = true;
    }
    while (o == OUTCOME_DONE && p->more) {
        struct store_mutation m = {.partition = partition, .fn = drop_fn, .arg = p};
        o = store_read(s, partition, old_fn, p, NULL, until);
        if (o == OUTCOME_DONE && p->n)
            o = store_mutate(s, &m, NULL, until);
        task_yield();
    }
    free(p);
    return o;
}
