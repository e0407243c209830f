/* What enters. */
#include "queue/row.h"

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
#define BASE    62
#define ID_SIZE 11 /* 62^11 > 2^64 */

store_partition queue_partition(const struct queue *q)
{
    return queue_row_partition();
}

/* As many letters for each, so that they sort as the numbers do. */
void queue_id_text(uint64_t id, char out[16])
{
    for (int i = ID_SIZE - 1; i >= 0; i--, id /= BASE)
        out[i] = letters[id % BASE];
    out[ID_SIZE] = '\0';
}

bool queue_id_parse(struct slice text, uint64_t *id)
{
    uint64_t value = 0;
    if (text.n != ID_SIZE)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = memchr(letters, text.p[i], BASE);
        if (!at || __builtin_mul_overflow(value, BASE, &value) ||
            __builtin_add_overflow(value, (uint64_t)(at - letters), &value))
            return false;
    }
    *id = value;
    return value != 0;
}

/* Above all before it, and near the time, so that ids sort by age and say little. */
static uint64_t next_id(const struct queue_row_header *h, int64_t created)
{
    uint64_t timed = ((uint64_t)(created < 0 ? 0 : created) & 0x3ffffffff) << 28;
    return h->last >= timed ? h->last + 1 : timed + 1;
}

static bool over_limits(const struct queue_new *new)
{
    if (new->n == 0 || new->n > QUEUE_PUT_MAX || new->message.sender.n > QUEUE_ADDRESS_MAX ||
        new->message.alias.n > QUEUE_ADDRESS_MAX)
        return true;
    for (size_t i = 0; i < new->n; i++) {
        const struct queue_recipient *r = &new->recipients[i];
        if (!r->address.n || r->address.n > QUEUE_ADDRESS_MAX || !r->route.n ||
            r->route.n > QUEUE_ROUTE_MAX || slice_find(r->route, '\0') != SLICE_NONE)
            return true;
    }
    return false;
}

static struct slice within(struct slice s, size_t max)
{
    return s.n <= max ? s : S("");
}

static void complete(struct queue_message *m, uint64_t id, size_t n)
{
    int64_t from = m->hold_until > m->created ? m->hold_until : m->created;
    m->id = id;
    m->entries = (uint32_t)n;
    m->envid = within(m->envid, QUEUE_ENVID_MAX);
    m->trace = within(m->trace, QUEUE_TRACE_MAX);
    if (!m->expires)
        m->expires = from + QUEUE_RETRY_FOR;
    if (m->flags & QUEUE_DELIVERBY_RETURN && m->deliver_by && m->deliver_by < m->expires)
        m->expires = m->deliver_by; /* RFC 2852 §4.1.4 */
}

/* When the sender is to hear of a delay; 0: never. */
static int64_t notice_of(const struct queue_new *new, const struct queue_recipient *r)
{
    const struct queue_message *m = &new->message;
    int64_t from = m->hold_until > m->created ? m->hold_until : m->created;
    int64_t notice = from + (new->notice_after ? new->notice_after : QUEUE_NOTICE_AFTER);
    if (!m->sender.n || m->flags & QUEUE_IS_REPORT ||
        (r->notify && !(r->notify & QUEUE_NOTIFY_DELAY)))
        return 0;
    if (m->deliver_by && !(m->flags & QUEUE_DELIVERBY_RETURN) && m->deliver_by < notice)
        notice = m->deliver_by;
    return notice;
}

/* A higher priority goes before what came up to so many minutes earlier (RFC 6710 §5.1). */
static int64_t first_try(const struct queue_message *m)
{
    if (m->hold_until > m->created)
        return m->hold_until;
    return m->priority > 0 ? m->created - 60 * m->priority : m->created;
}

static void put_entry(struct store_txn *t, const struct queue_new *new, uint32_t index)
{
    const struct queue_recipient *r = &new->recipients[index];
    const struct queue_message *m = &new->message;
    const struct queue_entry e = {
        .message = m->id,
        .index = index,
        .state = r->held ? QUEUE_HELD : QUEUE_WAITING,
        .next = first_try(m),
        .notice = notice_of(new, r),
        .notify = r->notify,
        .recipient = r->address,
        .route = r->route,
        .orcpt = within(r->orcpt, QUEUE_ORCPT_MAX),
    };
    queue_row_put_entry(t, m, &e);
}

enum outcome queue_put(struct store_txn *t, struct queue_new *new)
{
    struct queue_row_header h;
    struct queue_message *m = &new->message;
    char row[QUEUE_ROW_MESSAGE];
    if (!queue_row_get_header(store_txn_view(t), &h))
        return OUTCOME_FAILED;
    if (over_limits(new) || h.entries >= h.entries_max || new->n > h.entries_max - h.entries)
        return OUTCOME_REFUSED;
    /* The fn may run again: what it changed of the message, it changes to the same. */
    complete(m, next_id(&h, m->created), new->n);
    h.last = m->id;
    h.entries += new->n;
    h.messages++;
    h.bytes += m->size;
    struct queue_row_key k = queue_row_key_message(m->id);
    store_put(t, queue_row_key_slice(&k), slice(row, queue_row_pack_message(m, row)));
    for (uint32_t i = 0; i < new->n; i++) {
        h.held += new->recipients[i].held;
        put_entry(t, new, i);
    }
    queue_row_put_header(t, &h);
    store_retain(t, m->blob);
    return OUTCOME_DONE;
}
