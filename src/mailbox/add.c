/* APPEND: a message from a client, durable when it is done. */
#include "mailbox/copy.h"
#include "mailbox/quota.h"
#include "mailbox/row.h"

struct add {
    struct mailbox_new *new;
    const struct store_new_blob *blob;
    int64_t now; /* s */
};

static enum outcome refuse(struct mailbox_new *m, enum mailbox_refusal why)
{
    m->refusal = why;
    return OUTCOME_REFUSED;
}

static uint64_t keyword_bits(struct store_txn *t, const struct mailbox_new *m)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < m->keyword_n && i < MAILBOX_KEYWORDS; i++) {
        int bit = mailbox_keyword(t, m->mailbox, m->keywords[i], true);
        if (bit >= 0)
            bits |= UINT64_C(1) << bit;
    }
    return bits;
}

static enum outcome add_fn(struct store_txn *t, void *arg)
{
    struct add *add = arg;
    struct mailbox_new *m = add->new;
    struct mailbox_account account;
    struct mailbox mailbox;
    m->refusal = MAILBOX_REFUSED_NOT;
    enum outcome o = mailbox_ensure(t, add->now, &account);
    if (o != OUTCOME_DONE)
        return o == OUTCOME_REFUSED ? refuse(m, MAILBOX_REFUSED_GONE) : o;
    o = row_load(t, m->mailbox, &account, &mailbox);
    if (o != OUTCOME_DONE)
        return o == OUTCOME_REFUSED ? refuse(m, MAILBOX_REFUSED_ABSENT) : o;
    uint64_t size = add->blob->size;
    if (m->quota && (size > m->quota || account.bytes > m->quota - size))
        return refuse(m, MAILBOX_REFUSED_QUOTA);
    struct mailbox_append append = {
        .mailbox = m->mailbox,
        .blob = add->blob->id,
        .size = size,
        .flags = m->flags,
        .keywords = keyword_bits(t, m),
        .date = m->date,
        .zone = m->zone,
        .now = add->now,
        .rendered = m->rendered,
    };
    o = mailbox_append(t, &append);
    m->uid = append.uid;
    m->uidvalidity = append.uidvalidity;
    m->modseq = append.modseq;
    return o == OUTCOME_REFUSED ? refuse(m, MAILBOX_REFUSED_LIMIT) : o; /* no UID is left */
}

TASK_FN
enum outcome mailbox_add(struct store *s, uint64_t account, struct mailbox_new *m, deadline until)
{
    struct store_blob_owner owner = {.account = account, .mailbox = m->mailbox};
    struct store_new_blob blob = {.head = m->head,
        .body = m->body,
        .date = m->date * 1000000,
        .owners = &owner,
        .owner_count = 1};
    struct add add = {.new = m, .blob = &blob, .now = clock_wall() / 1000000};
    struct store_mutation mutation = {
        .partition = mailbox_partition(account), .fn = add_fn, .arg = &add};
    struct quota_hold hold;
    uint64_t size = m->head.n + spool_size(m->body);
    m->refusal = MAILBOX_REFUSED_NOT;
    switch (quota_take(s, account, m->quota, size, &hold, until)) {
    case QUOTA_OK:
        break;
    case QUOTA_NEVER:
    case QUOTA_FULL:
        return refuse(m, MAILBOX_REFUSED_QUOTA);
    case QUOTA_BUSY:
        return OUTCOME_FAILED;
    }
    enum outcome o = store_mutate(s, &mutation, &blob, until);
    quota_drop(&hold);
    return o;
}
