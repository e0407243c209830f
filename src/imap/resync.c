#include "imap/resync.h"
#include "imap/changes.h"
#include "mailbox/uids.h"
#include <stdlib.h>

#define OUT_LONG ((size_t)16 * 1024)
#define OUT_MAX  ((size_t)64 * 1024)

/* How many of n pairs, from number and uid on, fit. In a run UIDs of the view only get ahead of the
 * client's, so what fits is at the beginning. */
static uint32_t fitting(const struct view *v, uint32_t number, uint32_t uid, uint32_t n)
{
    uint32_t low = 0, high = n;
    if (view_uid(v, number) != uid)
        return 0;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (view_uid(v, number + middle) == uid + middle)
            low = middle;
        else
            high = middle;
    }
    return low + 1;
}

uint32_t resync_match(
    const struct view *v, const struct imap_set *numbers, const struct imap_set *uids)
{
    uint32_t i = 0, j = 0, skip_i = 0, skip_j = 0, matched = 0;
    while (i < numbers->n && j < uids->n) {
        const struct imap_range *a = &numbers->ranges[i], *b = &uids->ranges[j];
        uint32_t number = a->first + skip_i, uid = b->first + skip_j;
        uint32_t left_a = a->last - number, left_b = b->last - uid;
        uint32_t more = left_a < left_b ? left_a : left_b; /* pairs behind the first */
        if (more == UINT32_MAX)
            return matched;
        uint32_t fit = fitting(v, number, uid, more + 1);
        if (fit)
            matched = uid + fit - 1;
        if (fit <= more)
            return matched;
        skip_i = left_a == more ? (i++, 0) : skip_i + more + 1;
        skip_j = left_b == more ? (j++, 0) : skip_j + more + 1;
    }
    return matched;
}

/* ---- changed flags ---- */

static struct changes *start(const struct imap_selected *sel, uint64_t since)
{
    struct changes *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    c->mailbox = sel->mailbox;
    c->uidvalidity = sel->uidvalidity;
    c->expunges = c->arrivals = false;
    c->expunged = sel->expunged;
    c->vanished = (struct mailbox_vanished_at){0};
    c->uidnext = c->new_from = sel->uidnext;
    c->until = sel->seen;
    c->own = NULL;
    c->own_n = 0;
    c->flagged = (struct changes_mark){since, UINT32_MAX};
    return c;
}

TASK_FN
static bool tell_batch(struct imap_session *s, const struct changes *c,
    const struct imap_set *known, struct buffer *out)
{
    bool alive = true;
    if (c->flag_n)
        imap_flags_tell(s, c->names.used, c->names.name);
    for (size_t i = 0; i < c->flag_n && alive; i++) {
        const struct imap_flags *m = &c->flags[i];
        uint32_t number = imap_set_has(known, m->uid) ? view_number(&s->selected->view, m->uid) : 0;
        if (number)
            imap_flags_line(s, out, number, m, c->names.name, true, false);
        if (out->n < OUT_LONG && i + 1 < c->flag_n)
            continue;
        alive = imap_send(&s->talk, buffer_slice(out));
        buffer_reset(out);
    }
    return alive;
}

TASK_FN
static bool tell_changed(
    struct imap_session *s, struct imap_command *c, const struct imap_set *known, uint64_t since)
{
    struct changes *changes = start(s->selected, since);
    enum outcome o = changes ? OUTCOME_DONE : OUTCOME_FAILED;
    bool alive = true, more = changes != NULL;
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    while (more && alive && o == OUTCOME_DONE) {
        store_partition p = mailbox_partition(s->account);
        o = store_read(imap_store(s), p, changes_read, changes, NULL, imap_soon());
        if (o == OUTCOME_DONE && changes->found == CHANGES_BROKEN)
            o = OUTCOME_FAILED;
        if (o != OUTCOME_DONE || changes->found == CHANGES_GONE)
            break;
        alive = tell_batch(s, changes, known, &out);
        changes->flagged = changes->flagged_next;
        more = changes->flags_more;
        task_yield();
    }
    buffer_finish(&out);
    free(changes);
    if (o != OUTCOME_DONE)
        imap_reply_outcome(c, o, MAILBOX_REFUSED_ABSENT);
    return alive && o == OUTCOME_DONE;
}

/* ---- what was lost meanwhile ---- */

struct lost {
    struct mailbox_vanished read;
    struct mailbox_uids all, ranges[64];
    bool found, ok;
};

static void read_lost(struct store_view *v, void *arg)
{
    struct lost *l = arg;
    struct mailbox m;
    l->found = mailbox_read(v, l->read.mailbox, &m);
    l->ok = l->found && mailbox_read_vanished(v, &l->read);
}

TASK_FN
static bool put_lost(struct imap_session *s, const struct imap_set *known, struct mailbox_uids gone,
    struct buffer *out)
{
    struct imap_range range = {gone.first, gone.last};
    struct imap_set set = {.ranges = &range, .n = 1};
    struct view_pick p;
    struct mailbox_uids held;
    uint32_t number;
    bool alive = true;
    view_pick_start(&p, &s->selected->view, &set, true);
    while (alive && view_pick_next(&p, UINT32_MAX, &held, &number))
        for (uint32_t uid = held.first; alive && uid <= held.last; uid++) {
            if (imap_set_has(known, uid))
                buffer_printf(out, "* %u FETCH (UID %u)\r\n", number + (uid - held.first), uid);
            if (out->n < OUT_LONG && uid < held.last)
                continue;
            alive = imap_send(&s->talk, buffer_slice(out));
            buffer_reset(out);
        }
    return alive;
}

/* What was expunged since the view was opened has no row any more, and the client may never have
 * heard of it: it hears the UID, so that it knows all of EXISTS (RFC 7162 §3.2.5), as what changed
 * since then came with imap_sync. That it is gone comes with the next command. Only when
 * imap_sync saw such: what goes behind it was told. */
TASK_FN
static bool tell_lost(struct imap_session *s, struct imap_command *c, const struct imap_set *known)
{
    struct imap_selected *sel = s->selected;
    if (!sel->delayed)
        return true;
    struct lost *l = arena_new(c->arena, struct lost);
    enum outcome o = l ? OUTCOME_DONE : OUTCOME_FAILED;
    bool alive = true, more = l != NULL;
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    if (l) {
        l->all = (struct mailbox_uids){1, sel->uidnext - 1};
        l->read = (struct mailbox_vanished){.mailbox = sel->mailbox,
            .since = sel->expunged,
            .known = &l->all,
            .known_n = 1,
            .ranges = l->ranges,
            .room = sizeof l->ranges / sizeof *l->ranges};
    }
    while (more && alive && o == OUTCOME_DONE) {
        o = store_read(
            imap_store(s), mailbox_partition(s->account), read_lost, l, NULL, imap_soon());
        if (o == OUTCOME_DONE && !l->ok)
            o = l->found ? OUTCOME_FAILED : OUTCOME_REFUSED;
        for (size_t i = 0; alive && o == OUTCOME_DONE && i < l->read.n; i++)
            alive = put_lost(s, known, l->ranges[i], &out);
        l->read.from = l->read.next;
        more = l->read.more;
        task_yield();
    }
    buffer_finish(&out);
    if (o != OUTCOME_DONE)
        imap_reply_outcome(c, o, MAILBOX_REFUSED_ABSENT);
    return alive && o == OUTCOME_DONE;
}

bool resync_tell(struct imap_session *s, struct imap_command *c, struct imap_select_arguments *a)
{
    struct imap_selected *sel = s->selected;
    struct imap_range all = {1, sel->uidnext - 1};
    struct imap_set known = {.ranges = &all, .n = sel->uidnext > 1};
    uint32_t matched = 0;
    if (a->uidvalidity != sel->uidvalidity)
        return true;
    if (a->has_known) {
        known = a->known;
        imap_set_resolve(&known, sel->uidnext - 1);
    }
    if (a->has_match) {
        imap_set_resolve(&a->match_numbers, sel->view.count);
        imap_set_resolve(&a->match_uids, view_last(&sel->view));
        matched = resync_match(&sel->view, &a->match_numbers, &a->match_uids);
    }
    return imap_vanished_earlier(s, c, &known, a->modseq, matched) &&
           tell_changed(s, c, &known, a->modseq) && imap_sync(s, false) && tell_lost(s, c, &known);
}
