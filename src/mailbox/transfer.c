/* COPY and MOVE. A batch is one mutation: it reads its messages, takes them out of `from` when they
 * move, and puts them into `to`; so both may be the same mailbox. */
#include "base/budget.h"
#include "mailbox/arrive.h"
#include "mailbox/copy.h"
#include "mailbox/expunge.h"
#include "mailbox/journal.h"
#include "mailbox/keyword.h"
#include "mailbox/uids.h"
#include <stdlib.h>

#define PATIENCE (60 * CLOCK_SEC) /* for undoing; the caller's deadline may be over */

struct batch {
    struct mailbox_transfer *t;
    const uint32_t *uids;
    size_t n;
    uint32_t end; /* UIDs of `from` from here on came later; 0: the first batch sets it */
    int64_t now;
    uint64_t journal; /* 0: none is needed */
    bool last;
    uint32_t found_end; /* out: end */
    size_t found;       /* out: messages, and pairs */
    struct mailbox_message messages[MAILBOX_BATCH];
};

/* Both mailboxes; one and the same struct when they are one. */
struct places {
    struct mailbox_account account;
    struct mailbox rows[2], *from, *to;
};

static enum outcome refuse(struct mailbox_transfer *t, enum mailbox_refusal why)
{
    t->refusal = why;
    return OUTCOME_REFUSED;
}

static enum outcome load_places(struct store_txn *txn, struct mailbox_transfer *t, struct places *p)
{
    p->from = p->to = &p->rows[0];
    enum outcome o = row_load(txn, t->from, &p->account, p->from);
    if (o == OUTCOME_REFUSED)
        return refuse(t, MAILBOX_REFUSED_GONE);
    if (o != OUTCOME_DONE || t->from == t->to)
        return o;
    p->to = &p->rows[1];
    o = row_load(txn, t->to, &p->account, p->to);
    return o == OUTCOME_REFUSED ? refuse(t, MAILBOX_REFUSED_ABSENT) : o;
}

/* Reads the messages; their bytes and keywords. False: a broken row. */
static bool gather(struct store_txn *txn, struct batch *b, uint64_t *bytes, uint64_t *keywords)
{
    b->found = 0;
    *bytes = *keywords = 0;
    for (size_t i = 0; i < b->n && b->uids[i] < b->found_end; i++) {
        struct row_key k = row_key_uid(KEY_MESSAGE, b->t->from, b->uids[i]);
        struct mailbox_message *m = &b->messages[b->found];
        struct slice row;
        if (!store_get(store_txn_view(txn), row_key_slice(&k), &row))
            continue;
        if (!row_unpack_message(row, b->uids[i], m))
            return false;
        *bytes += m->size;
        *keywords |= m->keywords;
        b->found++;
    }
    return true;
}

static bool take_out(struct store_txn *txn, struct batch *b, struct places *p)
{
    struct expunge e;
    expunge_start(&e, txn, &p->account, p->from, b->now);
    e.moved = true;
    for (size_t i = 0; i < b->found; i++)
        if (!expunge_message(&e, &b->messages[i]))
            return false;
    if (!expunge_finish(&e))
        return false;
    if (e.n)
        b->t->modseq = p->from->highestmodseq;
    return true;
}

static void move_rendering(struct store_txn *txn, const struct batch *b, uint32_t was, uint32_t is)
{
    struct row_key from = row_key_uid(KEY_RENDERED, b->t->from, was);
    struct row_key to = row_key_uid(KEY_RENDERED, b->t->to, is);
    struct slice row;
    if (!store_get(store_txn_view(txn), row_key_slice(&from), &row))
        return;
    store_put(txn, row_key_slice(&to), row);
    store_del(txn, row_key_slice(&from));
}

static enum outcome put_in(
    struct store_txn *txn, struct batch *b, struct places *p, const signed char *keywords)
{
    struct mailbox_copied *pairs = b->t->pairs + b->t->copied;
    struct arrive a;
    arrive_start(&a, txn, &p->account, p->to);
    for (size_t i = 0; i < b->found; i++) {
        struct mailbox_message m = b->messages[i];
        m.keywords = keyword_apply(keywords, m.keywords);
        m.saved = b->now;
        enum outcome o = arrive_message(&a, &m);
        if (o != OUTCOME_DONE)
            return o == OUTCOME_REFUSED ? refuse(b->t, MAILBOX_REFUSED_LIMIT) : o;
        pairs[i] = (struct mailbox_copied){b->messages[i].uid, m.uid};
        if (b->t->move)
            move_rendering(txn, b, b->messages[i].uid, m.uid);
        else
            store_retain(txn, m.blob);
    }
    arrive_finish(&a);
    return OUTCOME_DONE;
}

/* The journal grows with each batch and goes with the last one. */
static enum outcome note(struct store_txn *txn, struct batch *b, uint32_t first, uint32_t uidnext)
{
    if (!b->journal)
        return OUTCOME_DONE;
    if (b->last) {
        journal_remove(txn, b->journal);
        return OUTCOME_DONE;
    }
    if (first == uidnext)
        return OUTCOME_DONE;
    enum outcome o = journal_add(txn, b->journal, b->t->to, first, uidnext - 1);
    return o == OUTCOME_REFUSED ? refuse(b->t, MAILBOX_REFUSED_LIMIT) : o;
}

static enum outcome batch_fn(struct store_txn *txn, void *arg)
{
    struct batch *b = arg;
    struct mailbox_transfer *t = b->t;
    struct places p;
    signed char keywords[MAILBOX_KEYWORDS];
    uint64_t bytes, used;
    t->refusal = MAILBOX_REFUSED_NOT;
    enum outcome o = load_places(txn, t, &p);
    if (o != OUTCOME_DONE)
        return o;
    t->uidvalidity = p.to->uidvalidity;
    b->found_end = b->end ? b->end : p.from->uidnext;
    if (!gather(txn, b, &bytes, &used))
        return OUTCOME_FAILED;
    if (t->whole && b->found < b->n)
        return refuse(t, MAILBOX_REFUSED_MISSING);
    if (!t->move && t->quota && (bytes > t->quota || p.account.bytes > t->quota - bytes))
        return refuse(t, MAILBOX_REFUSED_QUOTA);
    if (!keyword_map(txn, t->from, t->to, used, keywords))
        return OUTCOME_FAILED;
    if (t->move && !take_out(txn, b, &p))
        return OUTCOME_FAILED;
    uint32_t first = p.to->uidnext;
    o = put_in(txn, b, &p, keywords);
    if (o == OUTCOME_DONE)
        o = note(txn, b, first, p.to->uidnext);
    if (o != OUTCOME_DONE || !b->found)
        return o;
    row_put_account(txn, &p.account);
    row_put_mailbox(txn, p.to);
    if (t->move && p.from != p.to)
        row_put_mailbox(txn, p.from);
    return OUTCOME_DONE;
}

TASK_FN
static enum outcome run(struct store *s, uint64_t account, struct batch *b, deadline until)
{
    struct mailbox_transfer *t = b->t;
    size_t at = 0;
    do {
        b->uids = t->uids + at;
        b->n = t->n - at < MAILBOX_BATCH ? t->n - at : MAILBOX_BATCH;
        at += b->n;
        b->last = at == t->n;
        b->now = clock_wall() / 1000000;
        struct store_mutation m = {
            .partition = mailbox_partition(account), .fn = batch_fn, .arg = b};
        enum outcome o = store_mutate(s, &m, NULL, until);
        if (o != OUTCOME_DONE)
            return o;
        t->copied += b->found;
        b->end = b->found_end;
    } while (at < t->n);
    return OUTCOME_DONE;
}

/* All or nothing, over several batches. */
TASK_FN
static enum outcome run_journaled(
    struct store *s, uint64_t account, struct batch *b, deadline until)
{
    struct journal journal;
    journal_start(&journal);
    b->journal = journal.id;
    enum outcome o = run(s, account, b, until);
    if (o != OUTCOME_DONE) {
        /* what cannot be undone now is left to mailbox_sweep */
        journal_undo(s, account, journal.id, deadline_in(PATIENCE));
        b->t->copied = 0;
    }
    journal_finish(&journal);
    return o;
}

TASK_FN
enum outcome mailbox_transfer(
    struct store *s, uint64_t account, struct mailbox_transfer *t, deadline until)
{
    t->copied = 0;
    t->modseq = 0;
    t->uidvalidity = 0;
    t->refusal = MAILBOX_REFUSED_NOT;
    if (!budget_take(sizeof(struct batch)))
        return OUTCOME_FAILED;
    struct batch *b = malloc(sizeof *b);
    enum outcome o = OUTCOME_FAILED;
    if (b) {
        b->t = t;
        b->end = 0;
        b->journal = 0;
        o = t->move || t->n <= MAILBOX_BATCH ? run(s, account, b, until)
                                             : run_journaled(s, account, b, until);
    }
    free(b);
    budget_give(sizeof(struct batch));
    return o;
}
