#include "imap/fetch_private.h"

/* Renderings in order of UID beside the messages; not every message has one. */
struct renderings {
    struct store_cursor cursor;
    bool more;
    uint32_t uid;
    struct slice row; /* of this UID */
};

static void renderings_seek(
    struct renderings *r, struct store_view *v, const struct fetch_batch *b, uint32_t uid)
{
    r->more = b->rendered;
    if (!r->more)
        return;
    mailbox_seek_rendered(v, b->mailbox, uid, &r->cursor);
    r->more = mailbox_next_rendered(&r->cursor, b->mailbox, &r->uid, &r->row);
}

/* Of UIDs that grow. Empty: none. */
static struct slice renderings_of(struct renderings *r, const struct fetch_batch *b, uint32_t uid)
{
    while (r->more && r->uid < uid)
        r->more = mailbox_next_rendered(&r->cursor, b->mailbox, &r->uid, &r->row);
    return r->more && r->uid == uid && r->row.n <= sizeof b->rows ? r->row : S("");
}

/* False: the batch is full. */
static bool add(
    struct fetch_batch *b, const struct mailbox_message *m, uint32_t number, struct slice row)
{
    if (b->n == IMAP_BATCH || row.n > sizeof b->rows - b->used)
        return false;
    if (row.n)
        memcpy(b->rows + b->used, row.p, row.n);
    b->messages[b->n++] = (struct fetch_message){
        .row = *m,
        .number = number,
        .rendered = {row.n ? b->rows + b->used : NULL, row.n},
    };
    b->used += row.n;
    return true;
}

/* False: stop here and go on with b->next. */
static bool read_run(struct store_view *v, struct fetch_batch *b, const struct fetch_run *run)
{
    struct store_cursor c;
    struct renderings r;
    struct mailbox_message m;
    uint32_t expected = run->uids.first > b->from ? run->uids.first : b->from;
    if (expected > run->uids.last)
        return true;
    mailbox_seek_message(v, b->mailbox, expected, &c);
    renderings_seek(&r, v, b, expected);
    while (mailbox_next_message(&c, b->mailbox, &m) && m.uid <= run->uids.last) {
        b->absent += m.uid - expected;
        expected = m.uid;
        struct slice row = renderings_of(&r, b, m.uid);
        if (!add(b, &m, run->number + (m.uid - run->uids.first), row)) {
            b->more = true;
            b->next = m.uid;
            return false;
        }
        expected++;
    }
    b->absent += run->uids.last + 1 - expected;
    return true;
}

static void read_runs(struct store_view *v, struct fetch_batch *b)
{
    for (uint32_t i = 0; i < b->run_n; i++)
        if (!read_run(v, b, &b->runs[i]))
            return;
}

/* False: full. */
static bool take_changed(struct store_view *v, struct fetch_batch *b, uint32_t uid)
{
    struct mailbox_message m;
    struct slice row = S("");
    uint32_t number = view_number(b->view, uid);
    if (!number || !imap_set_has(b->set, b->uids ? uid : number) ||
        !mailbox_read_message(v, b->mailbox, uid, &m))
        return true;
    if (b->rendered && (!mailbox_read_rendered(v, b->mailbox, uid, &row) || row.n > sizeof b->rows))
        row = S("");
    return add(b, &m, number, row);
}

/* From the log of changes: what did not change is not looked at. */
static void read_changed(struct store_view *v, struct fetch_batch *b)
{
    struct store_cursor c;
    uint64_t modseq;
    uint32_t uid, looked = 0;
    mailbox_seek_changed(v, b->mailbox, b->mark.modseq - (b->mark.modseq > 0), &c);
    while (mailbox_next_changed(&c, b->mailbox, &modseq, &uid)) {
        if (modseq < b->mark.modseq || (modseq == b->mark.modseq && uid <= b->mark.uid))
            continue;
        if (looked++ == MAILBOX_BATCH || !take_changed(v, b, uid)) {
            b->more = true;
            return;
        }
        b->mark_next = (struct fetch_mark){modseq, uid};
    }
}

void fetch_rows_read(struct store_view *v, void *arg)
{
    struct fetch_batch *b = arg;
    b->n = b->absent = 0;
    b->used = 0;
    b->more = false;
    b->mark_next = b->mark;
    if (b->since)
        read_changed(v, b);
    else
        read_runs(v, b);
}
