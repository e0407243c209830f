#include "mailbox/journal.h"
#include "base/buffer.h"
#include "base/random.h"
#include "mailbox/row.h"
#include <pthread.h>

#define ROW_VERSION 1
#define HEAD        5 /* version 1, mailbox 4 */
#define RANGE       8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list alive = LIST_INIT(alive);

void journal_start(struct journal *j)
{
    j->id = random_u64();
    pthread_mutex_lock(&lock);
    list_push_back(&alive, &j->node);
    pthread_mutex_unlock(&lock);
}

void journal_finish(struct journal *j)
{
    pthread_mutex_lock(&lock);
    list_remove(&j->node);
    pthread_mutex_unlock(&lock);
}

bool journal_alive(uint64_t id)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (struct list *n = alive.next; n != &alive && !found; n = n->next)
        found = list_entry(n, struct journal, node)->id == id;
    pthread_mutex_unlock(&lock);
    return found;
}

bool journal_unpack(struct slice row, struct journal_row *j)
{
    if (row.n <= HEAD || row.p[0] != ROW_VERSION || (row.n - HEAD) % RANGE)
        return false;
    j->mailbox = unpack_u32(row.p + 1);
    j->ranges = slice_from(row, HEAD);
    for (size_t at = 0; at < j->ranges.n; at += RANGE)
        if (!unpack_u32(j->ranges.p + at) ||
            unpack_u32(j->ranges.p + at) > unpack_u32(j->ranges.p + at + 4))
            return false;
    return true;
}

/* Writes the row of these ranges and, when last is not 0, of one more, joined where it touches. */
static bool put(struct store_txn *t, const struct row_key *k, const struct journal_row *j,
    uint32_t first, uint32_t last)
{
    struct buffer row;
    char head[HEAD] = {ROW_VERSION}, more[RANGE];
    struct slice ranges = j->ranges;
    buffer_init(&row, HEAD + RANGE * JOURNAL_RANGES_MAX);
    if (last && ranges.n && unpack_u32(ranges.p + ranges.n - 4) + 1 == first) {
        first = unpack_u32(ranges.p + ranges.n - RANGE);
        ranges.n -= RANGE;
    }
    pack_u32(head + 1, j->mailbox);
    pack_u32(more, first);
    pack_u32(more + 4, last);
    buffer_add(&row, slice(head, sizeof head));
    buffer_add(&row, ranges);
    if (last)
        buffer_add(&row, slice(more, sizeof more));
    bool fits = !row.overflow;
    if (fits)
        store_put(t, row_key_slice(k), buffer_slice(&row));
    buffer_finish(&row);
    return fits;
}

enum outcome journal_add(
    struct store_txn *t, uint64_t id, uint32_t mailbox, uint32_t first, uint32_t last)
{
    struct row_key k = row_key_copy(id);
    struct journal_row j = {.mailbox = mailbox};
    struct slice row;
    if (store_get(store_txn_view(t), row_key_slice(&k), &row) &&
        (!journal_unpack(row, &j) || j.mailbox != mailbox))
        return OUTCOME_FAILED;
    return put(t, &k, &j, first, last) ? OUTCOME_DONE : OUTCOME_REFUSED;
}

void journal_remove(struct store_txn *t, uint64_t id)
{
    struct row_key k = row_key_copy(id);
    store_del(t, row_key_slice(&k));
}

struct undo {
    uint64_t id;
    int64_t now;
    bool more;
};

/* The last range, or the end of it, in one mutation: the row shrinks as it is worked off. */
static enum outcome undo_fn(struct store_txn *t, void *arg)
{
    struct undo *u = arg;
    struct row_key k = row_key_copy(u->id);
    struct journal_row j;
    struct slice row;
    uint32_t uids[MAILBOX_BATCH / 4];
    u->more = false;
    if (!store_get(store_txn_view(t), row_key_slice(&k), &row))
        return OUTCOME_REFUSED;
    if (!journal_unpack(row, &j))
        return OUTCOME_FAILED;
    uint32_t first = unpack_u32(j.ranges.p + j.ranges.n - RANGE);
    uint32_t last = unpack_u32(j.ranges.p + j.ranges.n - 4);
    uint32_t n = last - first < MAILBOX_BATCH / 4 ? last - first + 1 : MAILBOX_BATCH / 4;
    for (uint32_t i = 0; i < n; i++)
        uids[i] = last - n + 1 + i;
    j.ranges.n -= RANGE;
    last -= n;
    u->more = last >= first || j.ranges.n;
    if (!u->more)
        store_del(t, row_key_slice(&k));
    else if (!put(t, &k, &j, first, last >= first ? last : 0))
        return OUTCOME_FAILED;
    struct mailbox_expunge e = {.mailbox = j.mailbox, .uids = uids, .n = n, .now = u->now};
    enum outcome o = mailbox_expunge(t, &e);
    return o == OUTCOME_REFUSED ? OUTCOME_DONE : o; /* the mailbox is gone: nothing to undo */
}

TASK_FN
enum outcome journal_undo(struct store *s, uint64_t account, uint64_t id, deadline until)
{
    struct undo u = {.id = id, .now = clock_wall() / 1000000, .more = true};
    enum outcome o = OUTCOME_DONE;
    while (o == OUTCOME_DONE && u.more) {
        struct store_mutation m = {
            .partition = mailbox_partition(account), .fn = undo_fn, .arg = &u};
        o = store_mutate(s, &m, NULL, until);
    }
    return o == OUTCOME_REFUSED ? OUTCOME_DONE : o;
}
