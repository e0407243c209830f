#include "imap/changes.h"

void changes_look(struct store_view *v, void *arg)
{
    struct changes_look *l = arg;
    struct mailbox m;
    l->found = mailbox_read(v, l->mailbox, &m) && m.uidvalidity == l->uidvalidity;
    l->modseq = l->found ? m.highestmodseq : 0;
}

bool changes_names(struct store_view *v, uint32_t mailbox, struct changes_names *names)
{
    struct slice found[MAILBOX_KEYWORDS];
    size_t at = 0;
    names->used = 0;
    memset(names->name, 0, sizeof names->name);
    if (!mailbox_read_keywords(v, mailbox, found))
        return false;
    for (int i = 0; i < MAILBOX_KEYWORDS; i++) {
        if (!found[i].p || found[i].n > CHANGES_NAMES - at)
            continue;
        memcpy(names->text + at, found[i].p, found[i].n);
        names->name[i] = slice(names->text + at, found[i].n);
        names->used |= UINT64_C(1) << i;
        at += found[i].n;
    }
    return true;
}

/* What the view may still hold of what is gone; holes where the log does not reach back. */
static bool read_gone(struct store_view *v, struct changes *c)
{
    struct mailbox_uids known = {1, c->uidnext - 1};
    struct mailbox_vanished r = {
        .mailbox = c->mailbox,
        .since = c->expunged,
        .known = &known,
        .known_n = c->uidnext > 1,
        .from = c->vanished,
        .ranges = c->gone,
        .room = c->expunges ? CHANGES_RANGES : 1,
    };
    if (!mailbox_read_vanished(v, &r))
        return false;
    c->waiting = !c->expunges && (r.n || r.more);
    c->gone_n = c->expunges ? r.n : 0;
    c->gone_more = c->expunges && r.more;
    if (c->expunges) /* otherwise all of it still waits */
        c->vanished_next = r.next;
    return true;
}

static bool read_came(struct store_view *v, struct changes *c, uint32_t uidnext)
{
    struct mailbox_uid_read r = {
        .mailbox = c->mailbox,
        .from = c->uidnext,
        .ranges = c->came,
        .room = CHANGES_RANGES,
    };
    c->uidnext_next = uidnext;
    if (!c->arrivals || c->uidnext >= uidnext)
        return true;
    if (!mailbox_read_uids(v, &r))
        return false;
    c->came_n = r.n;
    c->came_more = r.next != 0;
    if (r.next)
        c->uidnext_next = r.next;
    return true;
}

static bool is_own(const struct changes *c, uint64_t modseq)
{
    for (uint32_t i = 0; i < c->own_n; i++)
        if (c->own[i] == modseq)
            return true;
    return false;
}

static bool read_flags(struct store_view *v, struct changes *c)
{
    struct store_cursor cursor;
    struct mailbox_message m;
    struct changes_mark at = c->flagged;
    uint64_t modseq;
    uint32_t uid;
    mailbox_seek_changed(v, c->mailbox, at.modseq - (at.uid != UINT32_MAX), &cursor);
    for (size_t rows = 0; mailbox_next_changed(&cursor, c->mailbox, &modseq, &uid);) {
        if (modseq > c->until)
            break;
        if (modseq == at.modseq && uid <= at.uid)
            continue;
        if (rows++ == CHANGES_FLAGS) {
            c->flags_more = true;
            return true;
        }
        c->flagged_next = (struct changes_mark){modseq, uid};
        if (uid >= c->new_from || is_own(c, modseq))
            continue;
        if (!mailbox_read_message(v, c->mailbox, uid, &m))
            return false;
        c->flags[c->flag_n++] = (struct imap_flags){uid, m.flags, m.keywords, m.modseq};
    }
    c->flagged_next =
        (struct changes_mark){c->modseq > at.modseq ? c->modseq : at.modseq, UINT32_MAX};
    return true;
}

void changes_read(struct store_view *v, void *arg)
{
    struct changes *c = arg;
    struct mailbox m;
    c->gone_n = c->came_n = c->flag_n = 0;
    c->gone_more = c->came_more = c->flags_more = c->waiting = false;
    c->vanished_next = c->vanished;
    c->uidnext_next = c->uidnext;
    c->flagged_next = c->flagged;
    c->found = CHANGES_GONE;
    if (!mailbox_read(v, c->mailbox, &m) || m.uidvalidity != c->uidvalidity)
        return;
    c->modseq = m.highestmodseq;
    c->found = CHANGES_BROKEN;
    if (!read_gone(v, c) || !changes_names(v, c->mailbox, &c->names))
        return;
    if (!c->gone_more && !read_came(v, c, m.uidnext))
        return;
    if (!c->gone_more && !c->came_more && !read_flags(v, c))
        return;
    c->found = CHANGES_FOUND;
}
