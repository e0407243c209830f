/* SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 §6.3.1, §6.3.2, §6.4.2; RFC 3691; RFC 7162 §3.1.8). */
#include "imap/changes.h"
#include "imap/expunge.h"
#include "imap/resync.h"
#include <stdlib.h>

#define RANGES 2000 /* of UIDs in one read */

/* Reads a mailbox as it is in the first read; later ones go on with the UIDs below its UIDNEXT.
 * What was expunged between them is not in the view, or leaves it at the next sync point. */
struct opening {
    uint32_t id;
    bool first;
    uint32_t from;
    /* out */
    bool found, ok;
    struct mailbox mailbox;
    uint32_t unseen; /* UID; 0: none */
    uint32_t next;   /* 0: that was all */
    size_t n;
    struct mailbox_uids ranges[RANGES];
    struct changes_names names;
};

static void read_opening(struct store_view *v, void *arg)
{
    struct opening *o = arg;
    struct mailbox_uid_read r = {
        .mailbox = o->id,
        .from = o->from,
        .ranges = o->ranges,
        .room = RANGES,
    };
    o->ok = false;
    if (o->first) {
        o->found = mailbox_read(v, o->id, &o->mailbox);
        if (!o->found || !mailbox_first_unseen(v, o->id, 1, o->mailbox.uidnext, &o->unseen) ||
            !changes_names(v, o->id, &o->names))
            return;
    }
    o->ok = mailbox_read_uids(v, &r);
    o->n = r.n;
    o->next = r.next;
}

/* False: out of memory. */
static bool add_ranges(struct view *view, const struct opening *o)
{
    uint32_t uidnext = o->mailbox.uidnext;
    for (size_t i = 0; i < o->n && o->ranges[i].first < uidnext; i++) {
        uint32_t last = o->ranges[i].last < uidnext ? o->ranges[i].last : uidnext - 1;
        if (!view_append(view, o->ranges[i].first, last))
            return false;
    }
    return true;
}

TASK_FN
static bool open_view(
    struct imap_session *s, struct imap_command *c, struct view *view, struct opening *o)
{
    o->first = true;
    for (o->from = 1; o->from; o->from = o->next) {
        store_partition p = mailbox_partition(s->account);
        enum outcome outcome = store_read(imap_store(s), p, read_opening, o, NULL, imap_soon());
        if (outcome == OUTCOME_DONE && !o->ok)
            outcome = o->found ? OUTCOME_FAILED : OUTCOME_REFUSED;
        if (outcome != OUTCOME_DONE) {
            imap_reply_outcome(c, outcome, MAILBOX_REFUSED_ABSENT);
            return false;
        }
        if (!add_ranges(view, o)) {
            imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory for this mailbox now");
            return false;
        }
        o->first = false;
        if (o->next >= o->mailbox.uidnext)
            break;
        if (o->next)
            task_yield();
    }
    return true;
}

static struct imap_selected *create(const struct opening *o, bool read_only)
{
    struct imap_selected *sel = calloc(1, sizeof *sel);
    if (!sel)
        return NULL;
    sel->mailbox = o->id;
    sel->read_only = read_only;
    view_init(&sel->view);
    return sel;
}

static void set_up(struct imap_selected *sel, const struct opening *o)
{
    const struct mailbox *m = &o->mailbox;
    sel->uidvalidity = m->uidvalidity;
    sel->uidnext = m->uidnext;
    sel->seen = sel->expunged = m->highestmodseq;
    sel->recent_from = sel->claimed = m->recent_from;
    sel->recent = sel->view.count - view_below(&sel->view, m->recent_from);
    sel->keywords = ~o->names.used; /* nothing was told yet */
}

static void tell(struct imap_session *s, const struct opening *o)
{
    struct imap_talk *t = &s->talk;
    struct imap_selected *sel = s->selected;
    uint32_t unseen = o->unseen ? view_number(&sel->view, o->unseen) : 0;
    imap_flags_tell(s, o->names.used, o->names.name);
    imap_untagged(t, "%u EXISTS", sel->view.count);
    imap_untagged(t, "%u RECENT", sel->recent);
    if (unseen)
        imap_untagged(t, "OK [UNSEEN %u] The first unseen message", unseen);
    imap_untagged(t, "OK [UIDVALIDITY %u] UIDs are valid", sel->uidvalidity);
    imap_untagged(t, "OK [UIDNEXT %u] The next UID", sel->uidnext);
    imap_untagged(t, "OK [HIGHESTMODSEQ %llu] The highest MODSEQ", (unsigned long long)sel->seen);
}

/* What is \Recent here is not so for who selects it later (RFC 3501 §2.3.2). */
static void claim(struct imap_session *s)
{
    struct imap_selected *sel = s->selected;
    if (sel->read_only || sel->gone || sel->uidnext <= sel->claimed)
        return;
    mailbox_post_recent(imap_store(s), s->account, sel->mailbox, sel->uidnext);
    sel->claimed = sel->uidnext;
}

TASK_FN
static bool open_mailbox(struct imap_session *s, struct imap_command *c, uint32_t id,
    bool read_only, struct imap_select_arguments *a)
{
    struct opening *o = arena_new(c->arena, struct opening);
    if (o)
        o->id = id;
    s->selected = o ? create(o, read_only) : NULL;
    if (!s->selected) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory now");
        return false;
    }
    if (!open_view(s, c, &s->selected->view, o))
        return false;
    set_up(s->selected, o);
    tell(s, o);
    claim(s);
    return !a->qresync || resync_tell(s, c, a);
}

TASK_FN
static void select_mailbox(struct imap_session *s, struct imap_command *c, bool read_only)
{
    struct imap_select_arguments a;
    struct mailbox m;
    if (!imap_arguments_select(&c->lex, &a)) {
        imap_reply_syntax(c);
        return;
    }
    if (a.qresync && !s->qresync) {
        imap_reply(c, IMAP_BAD_COMMAND, "", "QRESYNC comes after ENABLE QRESYNC");
        return;
    }
    if (s->selected) {
        imap_select_leave(s);
        imap_untagged(&s->talk, "OK [CLOSED] The mailbox is no longer selected");
    }
    if (!imap_names_open(s, c, a.name, a.valid, MAILBOX_RIGHT_READ, false, &m))
        return;
    if (a.condstore)
        imap_sync_condstore(s);
    if (open_mailbox(s, c, m.id, read_only, &a))
        imap_reply(c, IMAP_OK, read_only ? "READ-ONLY" : "READ-WRITE", "%s",
            a.qresync && a.uidvalidity != s->selected->uidvalidity
                ? "Selected; UIDVALIDITY is another one"
                : "Selected");
    else
        imap_select_leave(s);
}

void imap_select(struct imap_session *s, struct imap_command *c)
{
    select_mailbox(s, c, false);
}

void imap_examine(struct imap_session *s, struct imap_command *c)
{
    select_mailbox(s, c, true);
}

void imap_select_leave(struct imap_session *s)
{
    if (!s->selected)
        return;
    claim(s);
    view_finish(&s->selected->view);
    free(s->selected);
    s->selected = NULL;
}

void imap_close(struct imap_session *s, struct imap_command *c)
{
    struct imap_selected *sel = s->selected;
    struct expunge_run run = {0};
    if (!imap_lex_end(&c->lex)) {
        imap_reply_syntax(c);
        return;
    }
    if (!sel->read_only && !sel->gone)
        expunge_deleted(s, c, NULL, &run);
    if (c->reply.status == IMAP_NO) {
        /* After NO the mailbox is still selected, as the client believes; of one that was removed
         * nothing is left to expunge. */
        imap_sync(s, false);
        if (!sel->gone)
            return;
        imap_reply(c, IMAP_OK, "", "Done");
    }
    imap_select_leave(s);
}

void imap_unselect(struct imap_session *s, struct imap_command *c)
{
    if (!imap_lex_end(&c->lex)) {
        imap_reply_syntax(c);
        return;
    }
    imap_select_leave(s);
}
