/* Rows of the queue inside a mutation: what belongs together is written together. */
#include "queue/row.h"

#define INDEX_ROW slice(&(const char){QUEUE_ROW_VERSION}, 1)

bool queue_row_get_header(struct store_view *v, struct queue_row_header *h)
{
    struct queue_row_key k = queue_row_key_header();
    struct slice row;
    if (store_get(v, queue_row_key_slice(&k), &row))
        return queue_row_unpack_header(row, h);
    *h = (struct queue_row_header){.entries_max = QUEUE_ENTRIES_MAX};
    return true;
}

bool queue_row_get_message(struct store_view *v, uint64_t id, struct queue_message *m)
{
    struct queue_row_key k = queue_row_key_message(id);
    struct slice row;
    return store_get(v, queue_row_key_slice(&k), &row) && queue_row_unpack_message(row, id, m);
}

bool queue_row_get_entry(
    struct store_view *v, uint64_t message, uint32_t index, struct queue_entry *e)
{
    struct queue_row_key k = queue_row_key_entry(message, index);
    struct slice row;
    return store_get(v, queue_row_key_slice(&k), &row) &&
           queue_row_unpack_entry(row, message, index, e);
}

void queue_row_put_header(struct store_txn *t, const struct queue_row_header *h)
{
    struct queue_row_key k = queue_row_key_header();
    char row[QUEUE_ROW_HEADER];
    store_put(t, queue_row_key_slice(&k), slice(row, queue_row_pack_header(h, row)));
}

bool queue_row_count_held(struct store_txn *t, int64_t more)
{
    struct queue_row_header h;
    if (!queue_row_get_header(store_txn_view(t), &h) || (more < 0 && h.held < (uint64_t)-more))
        return false;
    h.held += (uint64_t)more;
    queue_row_put_header(t, &h);
    return true;
}

static struct queue_row_key due_key(const struct queue_message *m, const struct queue_entry *e)
{
    const struct queue_row_due due = {
        .route = e->route,
        .account = m->account,
        .next = e->next,
        .message = m->id,
        .index = e->index,
    };
    return queue_row_key_due(&due);
}

void queue_row_put_entry(
    struct store_txn *t, const struct queue_message *m, const struct queue_entry *e)
{
    char row[QUEUE_ROW_ENTRY];
    size_t n = queue_row_pack_entry(e, row);
    struct queue_row_key due = due_key(m, e);
    struct queue_row_key at = queue_row_key_deadline(queue_row_deadline(m, e), m->id, e->index);
    struct queue_row_key entry = queue_row_key_entry(m->id, e->index);
    store_put(t, queue_row_key_slice(&entry), slice(row, n));
    if (e->state == QUEUE_WAITING)
        store_put(t, queue_row_key_slice(&due), INDEX_ROW);
    if (e->state != QUEUE_HELD)
        store_put(t, queue_row_key_slice(&at), INDEX_ROW);
}

void queue_row_unfile(
    struct store_txn *t, const struct queue_message *m, const struct queue_entry *e)
{
    struct queue_row_key due = due_key(m, e);
    struct queue_row_key at = queue_row_key_deadline(queue_row_deadline(m, e), m->id, e->index);
    if (e->state == QUEUE_WAITING)
        store_del(t, queue_row_key_slice(&due));
    if (e->state != QUEUE_HELD)
        store_del(t, queue_row_key_slice(&at));
}

void queue_row_del_entry(
    struct store_txn *t, const struct queue_message *m, const struct queue_entry *e)
{
    struct queue_row_key entry = queue_row_key_entry(m->id, e->index);
    queue_row_unfile(t, m, e);
    store_del(t, queue_row_key_slice(&entry));
}

bool queue_row_settle_message(
    struct store_txn *t, uint64_t message, uint32_t gone, struct queue_row_header *h)
{
    struct queue_message m;
    char row[QUEUE_ROW_MESSAGE];
    struct queue_row_key k = queue_row_key_message(message);
    if (!queue_row_get_message(store_txn_view(t), message, &m) || m.entries < gone ||
        h->entries < gone)
        return false;
    m.entries -= gone;
    h->entries -= gone;
    if (m.entries) {
        size_t n = queue_row_pack_message(&m, row);
        store_put(t, queue_row_key_slice(&k), slice(row, n));
        return true;
    }
    if (!h->messages || h->bytes < m.size)
        return false;
    h->messages--;
    h->bytes -= m.size;
    store_del(t, queue_row_key_slice(&k));
    store_release(t, m.blob);
    return true;
}
