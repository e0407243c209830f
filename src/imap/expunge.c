/* EXPUNGE, UID EXPUNGE (RFC 3501 §6.4.3; RFC 4315 §2.1; RFC 7162 §3.2.7, §3.2.9). */
#include "imap/expunge.h"
#include "base/clock.h"
#include <stdio.h>

/* Which have \Deleted: so many rows a call. */
struct scan {
    uint32_t mailbox, from;
    const struct imap_set *uids;
    bool found;
    uint32_t next; /* 0: that was all */
    uint32_t list[MAILBOX_BATCH];
    size_t n;
};

/* The first range of the set that ends at or behind the UID; set->n: none. */
static uint32_t range_of(const struct imap_set *set, uint32_t uid)
{
    uint32_t low = 0, high = set->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->ranges[middle].last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Rows of one range of the set. */
static void scan_range(struct store_view *v, struct scan *s, uint32_t last, unsigned *rows)
{
    struct store_cursor c;
    struct mailbox_message m;
    mailbox_seek_message(v, s->mailbox, s->next, &c);
    while (mailbox_next_message(&c, s->mailbox, &m)) {
        s->next = m.uid;
        if (m.uid > last || *rows == MAILBOX_BATCH)
            return;
        ++*rows;
        if (m.flags & MAILBOX_DELETED)
            s->list[s->n++] = m.uid;
        s->next = m.uid + 1;
    }
    s->next = 0;
}

static void scan(struct store_view *v, void *arg)
{
    struct scan *s = arg;
    struct mailbox m;
    unsigned rows = 0;
    s->n = 0;
    s->next = s->from;
    s->found = mailbox_read(v, s->mailbox, &m);
    if (!s->found || !s->uids) {
        scan_range(v, s, UINT32_MAX, &rows);
        return;
    }
    while (s->next && rows < MAILBOX_BATCH) {
        uint32_t i = range_of(s->uids, s->next);
        if (i == s->uids->n) {
            s->next = 0;
            return;
        }
        if (s->next < s->uids->ranges[i].first)
            s->next = s->uids->ranges[i].first;
        scan_range(v, s, s->uids->ranges[i].last, &rows);
        rows += rows < MAILBOX_BATCH; /* a range without messages counts too */
    }
}

static enum outcome expunge_fn(struct store_txn *t, void *arg)
{
    return mailbox_expunge(t, arg);
}

TASK_FN
static enum outcome expunge_list(
    struct imap_session *s, const struct scan *found, struct expunge_run *run)
{
    struct mailbox_expunge e = {
        .mailbox = found->mailbox,
        .uids = found->list,
        .n = found->n,
        .only_deleted = true,
        .now = clock_wall() / 1000000,
    };
    struct store_mutation m = {
        .partition = mailbox_partition(s->account),
        .fn = expunge_fn,
        .arg = &e,
    };
    enum outcome o = store_mutate(imap_store(s), &m, NULL, imap_soon());
    if (o == OUTCOME_DONE && e.expunged) {
        run->expunged += e.expunged;
        run->modseq = e.modseq;
    }
    return o;
}

void expunge_deleted(struct imap_session *s, struct imap_command *c, const struct imap_set *uids,
    struct expunge_run *run)
{
    struct scan *found = arena_new(c->arena, struct scan);
    enum outcome o = found ? OUTCOME_DONE : OUTCOME_FAILED;
    if (found)
        *found = (struct scan){.mailbox = s->selected->mailbox, .uids = uids, .next = 1};
    while (o == OUTCOME_DONE && found->next) {
        found->from = found->next;
        o = store_read(
            imap_store(s), mailbox_partition(s->account), scan, found, NULL, imap_soon());
        if (o == OUTCOME_DONE && !found->found)
            o = OUTCOME_REFUSED;
        if (o == OUTCOME_DONE && found->n)
            o = expunge_list(s, found, run);
        task_yield();
    }
    if (o != OUTCOME_DONE)
        imap_reply_outcome(c, o, MAILBOX_REFUSED_ABSENT);
}

void imap_expunge(struct imap_session *s, struct imap_command *c)
{
    struct expunge_run run = {0};
    struct imap_set uids;
    if (c->uid && (!imap_lex_space(&c->lex) || !imap_lex_set(&c->lex, &uids))) {
        imap_reply_syntax(c);
        return;
    }
    if (!imap_lex_end(&c->lex)) {
        imap_reply_syntax(c);
        return;
    }
    if (s->selected->read_only) {
        imap_reply(c, IMAP_NO, "READ-ONLY", "The mailbox was opened with EXAMINE");
        return;
    }
    if (c->uid && !imap_sync_resolve(s, c, &uids, true))
        return;
    expunge_deleted(s, c, c->uid ? &uids : NULL, &run);
    if (c->reply.status == IMAP_OK)
        imap_reply(c, IMAP_OK, "", "%u messages are expunged", run.expunged);
    if (c->reply.status == IMAP_OK && s->qresync && run.modseq)
        snprintf(c->reply.code, sizeof c->reply.code, "HIGHESTMODSEQ %llu",
            (unsigned long long)run.modseq);
}
