#include "imap/fetch_private.h"

/* False: the batch is full. */
static bool add(
    struct store_view *v, struct fetch_batch *b, const struct mailbox_message *m, uint32_t number)
{
    struct slice row = {NULL, 0};
    if (b->n == IMAP_BATCH)
        return false;
    if (b->rendered && mailbox_read_rendered(v, b->mailbox, m->uid, &row)) {
        if (row.n > sizeof b->rows)
            row = (struct slice){NULL, 0};
        if (row.n > sizeof b->rows - b->used)
            return false;
        if (row.n)
            memcpy(b->rows + b->used, row.p, row.n);
    }
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
    struct mailbox_message m;
    uint32_t expected = run->uids.first > b->from ? run->uids.first : b->from;
    if (expected > run->uids.last)
        return true;
    mailbox_seek_message(v, b->mailbox, expected, &c);
    while (mailbox_next_message(&c, b->mailbox, &m) && m.uid <= run->uids.last) {
        b->absent += m.uid - expected;
        expected = m.uid;
        if (!add(v, b, &m, run->number + (m.uid - run->uids.first))) {
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
    uint32_t number = view_number(b->view, uid);
    if (!number || !imap_set_has(b->set, b->uids ? uid : number))
        return true;
    return !mailbox_read_message(v, b->mailbox, uid, &m) || add(v, b, &m, number);
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
