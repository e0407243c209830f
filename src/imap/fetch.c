/* FETCH, UID FETCH (RFC 3501 §6.4.5; RFC 7162 §3.1.4, §3.2.6). Messages come in batches: one read
 * of the store for their rows, then a response each. */
#include "base/budget.h"
#include "imap/fetch_private.h"
#include <stdlib.h>

#define COST    (sizeof(struct fetch) + FETCH_PIECE)
#define OUT_MAX ((size_t)128 * 1024)

/* ---- arguments ---- */

static void look_at_sections(struct fetch *f)
{
    for (uint32_t i = 0; i < f->items.section_n; i++) {
        struct imap_section *section = &f->items.sections[i];
        section_prepare(section);
        f->cached[i] = section_cached(section);
        f->rendered |= f->cached[i];
        f->seen |= !section->peek && !f->session->selected->read_only;
    }
}

/* "*" is the last UID that is there; the one that was the client's last may be above it, and is the
 * very thing to tell. */
static bool copy_for_vanished(struct fetch *f)
{
    uint32_t last = f->session->selected->uidnext - 1;
    f->vanished = f->set;
    f->vanished.ranges = arena_array(f->command->arena, struct imap_range, f->set.n);
    if (!f->vanished.ranges)
        return false;
    memcpy(f->vanished.ranges, f->set.ranges, f->set.n * sizeof *f->set.ranges);
    imap_set_resolve(&f->vanished, last);
    return true;
}

/* False: c says why. */
static bool parse(struct fetch *f)
{
    struct imap_command *c = f->command;
    struct imap_lex *l = &c->lex;
    if (!imap_lex_space(l) || !imap_lex_set(l, &f->set) || !imap_items_parse(l, &f->items)) {
        imap_reply_syntax(c);
        return false;
    }
    if (f->items.vanished && (!c->uid || !f->session->qresync)) {
        imap_reply(
            c, IMAP_BAD_COMMAND, "", "VANISHED is for UID FETCH, when QRESYNC has been enabled");
        return false;
    }
    f->rendered = f->items.items & (IMAP_ITEM_ENVELOPE | IMAP_ITEM_BODYSTRUCTURE | IMAP_ITEM_BODY);
    look_at_sections(f);
    if (f->items.vanished && !copy_for_vanished(f)) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory now");
        return false;
    }
    return imap_sync_resolve(f->session, c, &f->set, c->uid);
}

/* ---- batches ---- */

static bool all_named(const struct fetch *f, uint64_t used)
{
    for (int bit = 0; bit < MAILBOX_KEYWORDS; bit++)
        if (used >> bit & 1 && !f->names[bit].n)
            return false;
    return true;
}

/* Names of the keywords that the batch has. There are none when the mailbox has been removed since
 * its rows were read: then so have its messages. */
TASK_FN
static bool learn_names(struct fetch *f)
{
    uint64_t used = 0;
    if (!(f->items.items & IMAP_ITEM_FLAGS) && !f->seen)
        return true;
    for (uint32_t i = 0; i < f->batch.n; i++)
        used |= f->batch.messages[i].row.keywords;
    if (!(used & ~f->named))
        return true;
    f->named |= used;
    if (!imap_sync_keywords(f->session, f->command->arena, f->names))
        return false;
    if (!all_named(f, used)) {
        f->batch.absent += f->batch.n;
        f->batch.n = 0;
        f->named = 0;
    }
    return true;
}

TASK_FN
static bool read_batch(struct fetch *f)
{
    struct imap_session *s = f->session;
    enum outcome o = store_read(imap_store(s), mailbox_partition(s->account), fetch_rows_read,
        &f->batch, NULL, imap_soon());
    if (o == OUTCOME_DONE && !learn_names(f))
        o = OUTCOME_FAILED;
    if (o != OUTCOME_DONE)
        imap_reply_outcome(f->command, o, MAILBOX_REFUSED_ABSENT);
    return o == OUTCOME_DONE;
}

TASK_FN
static void tell_batch(struct fetch *f)
{
    for (uint32_t i = 0; i < f->batch.n && f->alive; i++) {
        fetch_line(f, &f->batch.messages[i]);
        fetch_live_keep(f, false);
        if (clock_now() - f->turn < FETCH_TURN)
            continue;
        task_yield();
        f->turn = clock_now();
    }
    f->absent += f->batch.absent;
    fetch_line_flush(f);
    fetch_line_seen(f);
}

/* What f->batch asks for. False: stop. */
TASK_FN
static bool run(struct fetch *f)
{
    do {
        if (!read_batch(f))
            return false;
        tell_batch(f);
        f->batch.from = f->batch.next;
        f->batch.mark = f->batch.mark_next;
    } while (f->batch.more && f->alive);
    return f->alive;
}

static bool next_runs(struct fetch *f, struct view_pick *pick)
{
    struct fetch_batch *b = &f->batch;
    uint32_t total = 0;
    b->run_n = 0;
    b->from = 0;
    while (total < IMAP_BATCH) {
        struct fetch_run *r = &b->runs[b->run_n];
        if (!view_pick_next(pick, IMAP_BATCH - total, &r->uids, &r->number))
            break;
        total += r->uids.last - r->uids.first + 1;
        b->run_n++;
    }
    return b->run_n > 0;
}

TASK_FN
static bool run_all(struct fetch *f)
{
    struct imap_selected *sel = f->session->selected;
    struct fetch_batch *b = &f->batch;
    struct view_pick pick;
    b->mailbox = sel->mailbox;
    b->rendered = f->rendered;
    b->since = f->items.since;
    b->uids = f->command->uid;
    b->view = &sel->view;
    b->set = &f->set;
    b->mark = (struct fetch_mark){f->items.changed_since, UINT32_MAX};
    if (b->since)
        return run(f);
    view_pick_start(&pick, &sel->view, &f->set, f->command->uid);
    while (next_runs(f, &pick))
        if (!run(f))
            return false;
    return true;
}

/* ---- the command ---- */

static void conclude(struct fetch *f)
{
    if (f->damaged)
        imap_reply(f->command, IMAP_NO, "SERVERBUG",
            "%u of the messages cannot be read at the moment and were left out; the log says why",
            f->damaged);
    else if (f->absent && !f->command->uid) /* RFC 5530 §3 */
        imap_reply(f->command, IMAP_NO, "EXPUNGEISSUED", "Some of the messages are gone");
}

TASK_FN
static void carry_out(struct fetch *f)
{
    struct imap_session *s = f->session;
    if (!parse(f))
        return;
    if (f->items.since || f->items.items & IMAP_ITEM_MODSEQ)
        imap_sync_condstore(s);
    if (f->items.vanished &&
        !imap_vanished_earlier(s, f->command, &f->vanished, f->items.changed_since, 0))
        return;
    if (run_all(f))
        conclude(f);
    if (f->alive)
        fetch_live_keep(f, true);
}

static void init(struct fetch *f, struct imap_session *s, struct imap_command *c)
{
    f->session = s;
    f->command = c;
    f->alive = true;
    f->turn = clock_now();
    f->source = (struct fetch_source){.session = s, .parsed = s->parsed};
    buffer_init(&f->source.header, RENDER_HEADER_MAX);
    buffer_init(&f->out, OUT_MAX);
    buffer_init(&f->body, RENDER_TEXT_MAX);
    buffer_init(&f->text, RENDER_TEXT_MAX);
    buffer_init(&f->fields, RENDER_HEADER_MAX + 2);
    buffer_init(&f->kept, FETCH_KEEP * MAILBOX_RENDERED_MAX);
}

static void finish(struct fetch *f)
{
    fetch_source_finish(&f->source);
    buffer_finish(&f->out);
    buffer_finish(&f->body);
    buffer_finish(&f->text);
    buffer_finish(&f->fields);
    buffer_finish(&f->kept);
}

void imap_fetch(struct imap_session *s, struct imap_command *c)
{
    struct fetch *f = NULL;
    bool taken = budget_take(COST);
    if (taken && (f = calloc(1, sizeof *f))) {
        init(f, s, c);
        carry_out(f);
        finish(f);
        free(f);
    } else {
        imap_reply(c, IMAP_NO, "LIMIT", "Out of memory, try again later");
    }
    if (taken)
        budget_give(COST);
}
