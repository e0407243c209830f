/* LIST and LSUB (RFC 3501 §6.3.8, RFC 5258, RFC 5819, RFC 6154): one walk over names and
 * subscriptions by name, in pages; memory does not grow with the number of mailboxes.
 *
 * All that lies below a name stands together in the walk. A level is open while the walk is below
 * it; when it is left, what was found below decides whether the level itself is told. */
#include "imap/arguments.h"
#include "imap/pattern.h"
#include "imap/session_private.h"

#define LEVELS_MAX  (MAILBOX_NAME_MAX / 2)
#define ROWS_MAX    500                 /* of a page */
#define LINES_PAGE  ((size_t)32 * 1024) /* a page ends behind the row that brings so many bytes */
#define LINES_MAX   ((size_t)1024 * 1024)
#define STATUS_MAX  64 /* a page ends behind the row that brings so many STATUS */
#define STATUS_ROOM (STATUS_MAX + LEVELS_MAX) /* a row may close all levels */
#define MATCH_WORK  (UINT64_C(20) << 20)      /* bytes of names times bytes of patterns in a page */

struct level {
    uint16_t n;           /* its name: so many bytes of `last` */
    bool selected_below;  /* a name below meets the selection options */
    bool unmatched_below; /* ... and matches no pattern, so that it is not told itself */
};

/* Where the walk is. */
struct place {
    bool started, ended;
    size_t last_n;
    char last[MAILBOX_NAME_MAX]; /* the last row */
    unsigned level_n;
    struct level levels[LEVELS_MAX];
};

struct listing {
    uint64_t account;
    bool lsub;
    unsigned options; /* enum of arguments.h */
    struct imap_pattern *patterns;
    uint32_t pattern_n;
    struct slice prefix; /* all names that can match begin so */
    unsigned rows_max;
    /* a page: begins at `begin`, leaves `place`, so that it can run again */
    struct place *begin, *place;
    struct store_view *view;
    struct mailbox_walk *walk, *probe; /* large: not on the stack */
    struct mailbox_account owner;
    struct buffer lines;
    struct mailbox *status; /* STATUS_ROOM, or NULL */
    size_t status_n;
};

/* ---- what a name is ---- */

static enum mailbox_special special_use(const struct listing *l, uint32_t id)
{
    for (unsigned i = 1; id && i < MAILBOX_SPECIALS; i++)
        if (l->owner.special[i] == id)
            return (enum mailbox_special)i;
    return MAILBOX_PLAIN;
}

/* Does the name meet the selection options? */
static bool is_selected(const struct listing *l, const struct mailbox_name_row *row)
{
    if (l->options & IMAP_LIST_SPECIAL && !special_use(l, row->id))
        return false;
    return l->options & IMAP_LIST_SUBSCRIBED ? row->subscribed : row->id != 0;
}

static bool is_visible(const struct listing *l, struct slice name)
{
    return mailbox_rights(l->view, l->account, l->account, name) & MAILBOX_RIGHT_LOOKUP;
}

/* levels: only patterns that match levels that are no mailboxes. */
static bool matches(const struct listing *l, struct slice name, bool levels)
{
    for (uint32_t i = 0; i < l->pattern_n; i++)
        if ((l->patterns[i].levels || !levels) && imap_pattern_match(&l->patterns[i], name))
            return true;
    return false;
}

/* The row of a level; of one that is neither mailbox nor subscription, an empty one. */
static void look_up(const struct listing *l, struct slice name, struct mailbox_name_row *row)
{
    mailbox_walk_start(l->view, name, l->probe);
    if (!mailbox_walk_next(l->probe, row) || !slice_eq(slice(row->name, row->name_n), name))
        *row = (struct mailbox_name_row){0};
}

/* Is there a mailbox or a subscription below? */
static bool has_rows_below(const struct listing *l, struct slice name)
{
    char below[MAILBOX_NAME_MAX];
    struct mailbox_name_row row;
    if (name.n >= sizeof below)
        return false;
    memcpy(below, name.p, name.n);
    below[name.n] = MAILBOX_SEPARATOR;
    struct slice prefix = slice(below, name.n + 1);
    mailbox_walk_start(l->view, prefix, l->probe);
    return mailbox_walk_next(l->probe, &row) && slice_starts(slice(row.name, row.name_n), prefix);
}

/* ---- telling ---- */

static void put_attribute(struct listing *l, const char *attribute, const char **space)
{
    buffer_add(&l->lines, slice_str(*space));
    buffer_add(&l->lines, slice_str(attribute));
    *space = " ";
}

static void put_line(struct listing *l, struct slice name, const struct mailbox_name_row *row,
    const char *attribute, bool childinfo)
{
    const char *space = "";
    enum mailbox_special use = special_use(l, row->id);
    unsigned subscribed = IMAP_LIST_SUBSCRIBED | IMAP_LIST_RETURN_SUBSCRIBED;
    buffer_add(&l->lines, l->lsub ? S("* LSUB (") : S("* LIST ("));
    if (attribute)
        put_attribute(l, attribute, &space);
    if (!l->lsub) {
        bool children = mailbox_has_children(l->view, name);
        put_attribute(l, children ? "\\HasChildren" : "\\HasNoChildren", &space);
        if (row->subscribed && l->options & subscribed)
            put_attribute(l, "\\Subscribed", &space);
        if (use)
            put_attribute(l, mailbox_special_name(use), &space);
    }
    buffer_add(&l->lines, S(") \"/\" "));
    imap_out_mailbox(&l->lines, name);
    if (childinfo)
        buffer_add(&l->lines, S(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
    buffer_add(&l->lines, S("\r\n"));
}

/* A name that is selected and matches. */
static void put_own(
    struct listing *l, struct slice name, const struct mailbox_name_row *row, bool childinfo)
{
    bool absent = !row->id && !l->lsub;
    put_line(l, name, row, absent ? "\\NonExistent" : NULL, childinfo);
    if (l->status && row->id && l->status_n < STATUS_ROOM)
        l->status_n += mailbox_read(l->view, row->id, &l->status[l->status_n]);
}

/* RFC 5258 §3.5 */
static void close_recursive(struct listing *l, struct slice name, const struct level *level)
{
    struct mailbox_name_row row;
    if (!matches(l, name, false))
        return;
    look_up(l, name, &row);
    if (is_selected(l, &row))
        put_own(l, name, &row, level->selected_below);
    else if (level->unmatched_below)
        put_line(l, name, &row, row.id ? NULL : "\\NonExistent", true);
}

/* A level that is itself no answer, but has answers below: `%` shows it (RFC 3501 §6.3.8, §6.3.9).
 */
static void close_plain(struct listing *l, struct slice name, const struct level *level)
{
    struct mailbox_name_row row;
    if (!level->selected_below || !matches(l, name, true))
        return;
    look_up(l, name, &row);
    if (l->lsub && !row.subscribed)
        put_line(l, name, &row, "\\Noselect", false);
    else if (!l->lsub && !row.id && !is_selected(l, &row))
        put_line(
            l, name, &row, l->options & IMAP_LIST_EXTENDED ? "\\NonExistent" : "\\Noselect", false);
}

/* ---- the walk ---- */

/* Leaves the levels that `name` is not below. */
static void close_levels(struct listing *l, struct slice name)
{
    struct place *p = l->place;
    while (p->level_n) {
        struct level level = p->levels[p->level_n - 1];
        struct slice closed = slice(p->last, level.n);
        if (slice_starts(name, closed) && name.n > level.n && name.p[level.n] == MAILBOX_SEPARATOR)
            return;
        p->level_n--;
        if (p->level_n) {
            struct level *parent = &p->levels[p->level_n - 1];
            parent->selected_below |= level.selected_below;
            parent->unmatched_below |= level.unmatched_below;
        }
        if (!is_visible(l, closed))
            continue;
        if (l->options & IMAP_LIST_RECURSIVE)
            close_recursive(l, closed, &level);
        else
            close_plain(l, closed, &level);
    }
}

/* The levels above the row that are not open yet. */
static void open_levels(struct place *p)
{
    size_t at = p->level_n ? p->levels[p->level_n - 1].n + 1U : 0;
    for (; at < p->last_n && p->level_n < LEVELS_MAX; at++)
        if (p->last[at] == MAILBOX_SEPARATOR)
            p->levels[p->level_n++] = (struct level){.n = (uint16_t)at};
}

static void take_row(struct listing *l, const struct mailbox_name_row *row)
{
    struct place *p = l->place;
    struct slice name = slice(row->name, row->name_n);
    close_levels(l, name);
    memcpy(p->last, name.p, name.n);
    p->last_n = name.n;
    p->started = true;
    open_levels(p);
    if (!is_selected(l, row) || !is_visible(l, name))
        return;
    bool matched = matches(l, name, false);
    if (p->level_n) {
        p->levels[p->level_n - 1].selected_below = true;
        p->levels[p->level_n - 1].unmatched_below |= !matched;
    }
    /* with CHILDINFO it is told when all below it was seen */
    if (matched && !(l->options & IMAP_LIST_RECURSIVE && has_rows_below(l, name)))
        put_own(l, name, row, false);
}

static void page_fn(struct store_view *v, void *arg)
{
    struct listing *l = arg;
    struct place *p = l->place;
    struct mailbox_name_row row;
    unsigned rows = 0;
    *p = *l->begin;
    l->view = v;
    l->status_n = 0;
    buffer_reset(&l->lines);
    if (!mailbox_read_account(v, &l->owner))
        l->owner = (struct mailbox_account){0};
    mailbox_walk_start(v, p->started ? slice(p->last, p->last_n) : l->prefix, l->walk);
    while (mailbox_walk_next(l->walk, &row)) {
        struct slice name = slice(row.name, row.name_n);
        if (!slice_starts(name, l->prefix))
            break;
        if (p->started && slice_eq(name, slice(p->last, p->last_n)))
            continue;
        take_row(l, &row);
        bool full = l->lines.n >= LINES_PAGE || l->status_n >= STATUS_MAX;
        if (++rows == l->rows_max || full)
            return;
    }
    close_levels(l, S(""));
    p->ended = true;
}

TASK_FN
static bool tell_page(struct imap_session *s, struct listing *l, unsigned items)
{
    if (l->lines.n && !imap_send(&s->talk, buffer_slice(&l->lines)))
        return false;
    for (size_t i = 0; i < l->status_n; i++)
        if (!imap_status_tell(s, &l->status[i], items))
            return false;
    return true;
}

TASK_FN
static void walk(struct imap_session *s, struct imap_command *c, struct listing *l, unsigned items)
{
    enum outcome o = OUTCOME_DONE;
    bool alive = true;
    while (alive && o == OUTCOME_DONE && !l->begin->ended) {
        o = store_read(imap_store(s), mailbox_partition(s->account), page_fn, l, NULL, imap_soon());
        if (o == OUTCOME_DONE && l->lines.overflow)
            o = OUTCOME_FAILED;
        if (o != OUTCOME_DONE)
            break;
        *l->begin = *l->place;
        alive = tell_page(s, l, items);
        task_yield();
    }
    /* What was not told must not look as if it were not there: a STATUS that could not be read. */
    if (!alive || o != OUTCOME_DONE)
        imap_reply_outcome(c, alive ? o : OUTCOME_FAILED, MAILBOX_REFUSED_NOT);
}

/* ---- from arguments to a walk ---- */

static struct slice common(struct slice a, struct slice b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return slice_sub(a, 0, n);
}

/* False: out of memory. */
static bool prepare(struct listing *l, const struct imap_list_arguments *a, struct arena *arena)
{
    uint64_t work = 1;
    l->patterns = arena_array(arena, struct imap_pattern, a->pattern_n);
    l->begin = arena_new(arena, struct place);
    l->place = arena_new(arena, struct place);
    l->walk = arena_new(arena, struct mailbox_walk);
    l->probe = arena_new(arena, struct mailbox_walk);
    if (a->options & IMAP_LIST_RETURN_STATUS)
        l->status = arena_array(arena, struct mailbox, STATUS_ROOM);
    if (!l->patterns || !l->begin || !l->place || !l->walk || !l->probe ||
        (a->options & IMAP_LIST_RETURN_STATUS && !l->status))
        return false;
    for (uint32_t i = 0; i < a->pattern_n; i++) {
        struct imap_pattern *p = &l->patterns[l->pattern_n];
        if (!a->reference_valid || !a->valid[i] || !a->patterns[i].n ||
            !imap_pattern_make(a->reference, a->patterns[i], arena, p))
            continue;
        l->prefix = l->pattern_n ? common(l->prefix, p->literal) : p->literal;
        work += p->text.n * MAILBOX_NAME_MAX;
        l->pattern_n++;
    }
    if (l->prefix.n > MAILBOX_NAME_MAX)
        l->pattern_n = 0;
    uint64_t rows = MATCH_WORK / work + 1;
    l->rows_max = rows < ROWS_MAX ? (unsigned)rows : ROWS_MAX;
    return true;
}

TASK_FN
static void run(
    struct imap_session *s, struct imap_command *c, const struct imap_list_arguments *a, bool lsub)
{
    struct listing l = {.account = s->account, .lsub = lsub, .options = a->options};
    bool root = a->pattern_n == 1 && a->valid[0] && !a->patterns[0].n;
    if (root && !(a->options & IMAP_LIST_EXTENDED)) {
        imap_untagged(&s->talk, "%s (\\Noselect) \"/\" \"\"", lsub ? "LSUB" : "LIST");
        return;
    }
    if (lsub)
        l.options |= IMAP_LIST_SUBSCRIBED;
    if (!prepare(&l, a, c->arena)) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory");
        return;
    }
    if (!l.pattern_n)
        return;
    buffer_init(&l.lines, LINES_MAX);
    walk(s, c, &l, a->status);
    buffer_finish(&l.lines);
}

void imap_list(struct imap_session *s, struct imap_command *c)
{
    struct imap_list_arguments a;
    if (imap_arguments_list(&c->lex, &a))
        run(s, c, &a, false);
    else
        imap_reply_syntax(c);
}

void imap_lsub(struct imap_session *s, struct imap_command *c)
{
    struct imap_list_arguments a;
    if (imap_arguments_lsub(&c->lex, &a))
        run(s, c, &a, true);
    else
        imap_reply_syntax(c);
}
