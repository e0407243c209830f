/* COPY, MOVE and their UID forms (RFC 3501 §6.4.7; RFC 6851; COPYUID: RFC 4315 §3). */
#include "mailbox/copy.h"
#include "base/budget.h"
#include "imap/arguments.h"
#include "imap/session_private.h"
#include "mailbox/uids.h"
#include <stdio.h>
#include <stdlib.h>

#define GONE_ROOM 500

/* The messages of one command: memory of the process budget, 12 bytes each. */
struct load {
    uint32_t *uids;
    struct mailbox_copied *pairs;
    size_t n;
};

static size_t bytes_of(size_t n)
{
    return n * (sizeof(uint32_t) + sizeof(struct mailbox_copied));
}

static void unload(struct load *l)
{
    if (l->uids || l->pairs)
        budget_give(bytes_of(l->n));
    free(l->uids);
    free(l->pairs);
}

static size_t count(const struct view *v, const struct imap_set *set, bool uids)
{
    struct view_pick p;
    struct mailbox_uids run;
    uint32_t number;
    size_t n = 0;
    view_pick_start(&p, v, set, uids);
    while (view_pick_next(&p, UINT32_MAX, &run, &number))
        n += run.last - run.first + 1;
    return n;
}

/* False: no memory. */
static bool load(struct load *l, const struct view *v, const struct imap_set *set, bool uids)
{
    struct view_pick p;
    struct mailbox_uids run;
    uint32_t number;
    size_t at = 0;
    *l = (struct load){.n = count(v, set, uids)};
    if (!budget_take(bytes_of(l->n)))
        return false;
    l->uids = malloc(l->n * sizeof *l->uids);
    l->pairs = malloc(l->n * sizeof *l->pairs);
    if (!l->uids || !l->pairs) {
        free(l->uids);
        free(l->pairs);
        budget_give(bytes_of(l->n));
        return false;
    }
    view_pick_start(&p, v, set, uids);
    while (view_pick_next(&p, UINT32_MAX, &run, &number))
        for (uint32_t uid = run.first; uid <= run.last; uid++)
            l->uids[at++] = uid;
    return true;
}

/* ---- is one of them gone? ---- */

struct gone {
    struct mailbox_vanished read;
    const struct load *load;
    bool ok, some;
    struct mailbox_uids known, ranges[GONE_ROOM];
};

static bool holds(const struct load *l, const struct mailbox_uids *range)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->uids[middle] < range->first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->n && l->uids[low] <= range->last;
}

static void read_gone(struct store_view *v, void *arg)
{
    struct gone *g = arg;
    g->some = false;
    g->ok = mailbox_read_vanished(v, &g->read);
    for (size_t i = 0; g->ok && i < g->read.n; i++)
        g->some = g->some || holds(g->load, &g->ranges[i]);
}

/* COPY is all or nothing, so a number whose message is gone refuses it before anything is copied,
 * as far as this can be known. */
TASK_FN
static enum outcome look_for_gone(
    struct imap_session *s, struct imap_command *c, const struct load *l, bool *some)
{
    struct gone *g = arena_new(c->arena, struct gone);
    if (!g)
        return OUTCOME_FAILED;
    g->load = l;
    g->known = (struct mailbox_uids){l->uids[0], l->uids[l->n - 1]};
    g->read = (struct mailbox_vanished){
        .mailbox = s->selected->mailbox,
        .since = s->selected->expunged,
        .known = &g->known,
        .known_n = 1,
        .ranges = g->ranges,
        .room = GONE_ROOM,
    };
    do {
        enum outcome o = store_read(
            imap_store(s), mailbox_partition(s->account), read_gone, g, NULL, imap_soon());
        if (o != OUTCOME_DONE || !g->ok)
            return o == OUTCOME_DONE ? OUTCOME_REFUSED : o;
        g->read.from = g->read.next;
    } while (g->read.more && !g->some);
    *some = g->some;
    return OUTCOME_DONE;
}

/* ---- COPYUID ---- */

static uint32_t side(const struct mailbox_copied *pair, bool to)
{
    return to ? pair->to : pair->from;
}

static void put_uids(struct buffer *out, const struct mailbox_copied *pairs, size_t n, bool to)
{
    for (size_t i = 0; i < n && !out->overflow;) {
        struct mailbox_uids run = {side(&pairs[i], to), side(&pairs[i], to)};
        buffer_add_char(out, i ? ',' : ' ');
        for (i++; i < n && side(&pairs[i], to) == run.last + 1; i++)
            run.last++;
        imap_out_uids(out, &run, 1);
    }
}

/* Empty when there is nothing to say, or it became too long. */
static void put_code(struct buffer *out, const struct mailbox_transfer *t)
{
    if (!t->copied)
        return;
    buffer_printf(out, "COPYUID %u", t->uidvalidity);
    put_uids(out, t->pairs, t->copied, false);
    put_uids(out, t->pairs, t->copied, true);
    if (out->overflow)
        buffer_reset(out);
}

/* RFC 6851 §4.3: untagged, before the expunges. */
TASK_FN
static bool tell_moved(struct imap_session *s, struct imap_command *c)
{
    if (!c->long_code.n)
        return true;
    imap_put(&s->talk, S("* OK ["));
    bool alive = imap_send(&s->talk, buffer_slice(&c->long_code));
    imap_put(&s->talk, S("] Moved\r\n"));
    buffer_finish(&c->long_code);
    return alive;
}

/* ---- the commands ---- */

TASK_FN
static void reply(struct imap_session *s, struct imap_command *c, const struct mailbox_transfer *t,
    enum outcome o)
{
    if (t->move || o == OUTCOME_DONE)
        put_code(&c->long_code, t);
    if (t->move && !tell_moved(s, c))
        return;
    if (o == OUTCOME_REFUSED && t->refusal == MAILBOX_REFUSED_ABSENT)
        imap_reply(c, IMAP_NO, "TRYCREATE", "There is no such mailbox any more");
    else if (o == OUTCOME_REFUSED && t->refusal == MAILBOX_REFUSED_GONE)
        imap_reply(c, IMAP_NO, "NONEXISTENT", "The selected mailbox was removed");
    else if (o != OUTCOME_DONE)
        imap_reply_outcome(c, o, t->refusal);
    else if (t->copied < t->n && !c->uid)
        imap_reply(c, IMAP_NO, "EXPUNGEISSUED", "Some of the messages no longer exist");
    else
        imap_reply(c, IMAP_OK, "", "%zu messages are %s", t->copied, t->move ? "moved" : "copied");
    if (o == OUTCOME_DONE && t->move && t->modseq && s->condstore && c->reply.status == IMAP_OK)
        snprintf(c->reply.code, sizeof c->reply.code, "HIGHESTMODSEQ %llu",
            (unsigned long long)t->modseq);
}

TASK_FN
static void transfer(
    struct imap_session *s, struct imap_command *c, const struct load *l, uint32_t to, bool move)
{
    struct mailbox_transfer t = {
        .from = s->selected->mailbox,
        .to = to,
        .uids = l->uids,
        .n = l->n,
        .move = move,
        .whole = !move && !c->uid,
        .pairs = l->pairs,
    };
    bool gone = false;
    if (!move && !c->uid) {
        enum outcome o = look_for_gone(s, c, l, &gone);
        if (o != OUTCOME_DONE) {
            imap_reply_outcome(c, o, MAILBOX_REFUSED_ABSENT);
            return;
        }
    }
    if (gone) {
        imap_reply(c, IMAP_NO, "EXPUNGEISSUED", "Some of the messages no longer exist");
        return;
    }
    if (!move && !imap_names_quota(s, &t.quota)) {
        imap_reply_outcome(c, OUTCOME_FAILED, MAILBOX_REFUSED_NOT);
        return;
    }
    enum outcome o =
        mailbox_transfer(imap_store(s), s->account, &t, deadline_in(IMAP_COMMAND_TIME));
    reply(s, c, &t, o);
}

TASK_FN
static void run(struct imap_session *s, struct imap_command *c, bool move)
{
    struct imap_copy_arguments a;
    struct mailbox to;
    struct load l;
    if (!imap_arguments_copy(&c->lex, &a)) {
        imap_reply_syntax(c);
        return;
    }
    if (move && s->selected->read_only) {
        imap_reply(c, IMAP_NO, "READ-ONLY", "The mailbox was opened with EXAMINE");
        return;
    }
    if (!imap_sync_resolve(s, c, &a.set, c->uid) ||
        !imap_names_open(s, c, a.name, a.valid, MAILBOX_RIGHT_INSERT, true, &to))
        return;
    if (s->selected->gone) {
        imap_reply(c, IMAP_NO, "NONEXISTENT", "The selected mailbox was removed");
        return;
    }
    if (!count(&s->selected->view, &a.set, c->uid)) {
        imap_reply(c, IMAP_OK, "", "No message matches");
        return;
    }
    if (!load(&l, &s->selected->view, &a.set, c->uid)) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory for so many messages now");
        return;
    }
    transfer(s, c, &l, to.id, move);
    unload(&l);
}

void imap_copy(struct imap_session *s, struct imap_command *c)
{
    run(s, c, false);
}

void imap_move(struct imap_session *s, struct imap_command *c)
{
    run(s, c, true);
}
