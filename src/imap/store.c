/* STORE, UID STORE (RFC 3501 §6.4.6; RFC 7162 §3.1.3). In chunks: each is a mutation, then one read
 * of what came out, then the FETCH responses. */
#include "imap/arguments.h"
#include "imap/changes.h"

#define OUT_LONG ((size_t)16 * 1024)
#define OUT_MAX  ((size_t)64 * 1024)

/* One chunk, and what goes from one to the next. */
struct store_run {
    uint32_t mailbox;
    const struct imap_store_arguments *arguments;
    struct mailbox_flags flags;
    /* When the mailbox has this MODSEQ and nothing waits, nobody else has changed anything that the
     * client does not know. */
    uint64_t known;
    bool delayed;
    uint64_t seen; /* changes up to here were told */
    /* out, of the mutation */
    uint64_t before;
    bool no_room;              /* for a keyword */
    uint32_t absent;           /* messages that are gone */
    bool stale[MAILBOX_BATCH]; /* somebody else's change of this message was not told */
    /* out, of the read */
    bool read;
    size_t n;
    struct imap_flags now[MAILBOX_BATCH];
    bool now_stale[MAILBOX_BATCH];
    struct changes_names names;

    uint32_t uids[MAILBOX_BATCH], modified[MAILBOX_BATCH];
};

/* ---- the mutation ---- */

/* The bits of the keywords; new ones are made, unless they are to be removed. */
static bool find_keywords(struct store_txn *t, struct store_run *r)
{
    const struct imap_flag_list *list = &r->arguments->list;
    bool make = r->arguments->how != IMAP_STORE_REMOVE;
    r->flags.keywords = 0;
    for (uint32_t i = 0; i < list->keyword_n; i++) {
        int bit = mailbox_keyword(t, r->mailbox, list->keywords[i], make);
        if (bit >= 0)
            r->flags.keywords |= UINT64_C(1) << bit;
        else if (make)
            return false;
    }
    return true;
}

static void look_for_others(struct store_view *v, struct store_run *r)
{
    struct mailbox_message m;
    for (size_t i = 0; i < r->flags.n; i++) {
        if (!mailbox_read_message(v, r->mailbox, r->uids[i], &m))
            r->absent++;
        else
            r->stale[i] = m.modseq > r->seen;
    }
}

static enum outcome change(struct store_txn *t, void *arg)
{
    struct store_run *r = arg;
    struct mailbox m;
    r->absent = 0;
    r->no_room = false;
    memset(r->stale, 0, sizeof r->stale);
    r->flags.modified_n = 0;
    if (!mailbox_read(store_txn_view(t), r->mailbox, &m))
        return OUTCOME_REFUSED;
    r->before = m.highestmodseq;
    if (r->delayed || m.highestmodseq != r->known)
        look_for_others(store_txn_view(t), r);
    r->no_room = !find_keywords(t, r);
    return r->no_room ? OUTCOME_REFUSED : mailbox_flags(t, &r->flags);
}

TASK_FN
static bool mutate(struct imap_session *s, struct imap_command *c, struct store_run *r)
{
    struct store_mutation m = {
        .partition = mailbox_partition(s->account),
        .fn = change,
        .arg = r,
    };
    enum outcome o = store_mutate(imap_store(s), &m, NULL, imap_soon());
    if (o == OUTCOME_DONE)
        return true;
    if (o == OUTCOME_REFUSED && r->no_room)
        imap_reply(c, IMAP_NO, "LIMIT",
            "A mailbox has at most %d keywords, each of at most 255 octets", MAILBOX_KEYWORDS);
    else
        imap_reply_outcome(c, o, MAILBOX_REFUSED_ABSENT);
    return false;
}

/* ---- what came out ---- */

static bool was_modified(const struct store_run *r, uint32_t uid, size_t *at)
{
    while (*at < r->flags.modified_n && r->modified[*at] < uid)
        ++*at;
    return *at < r->flags.modified_n && r->modified[*at] == uid;
}

static void read_back(struct store_view *v, void *arg)
{
    struct store_run *r = arg;
    struct mailbox_message m;
    size_t at = 0;
    r->n = 0;
    r->read = changes_names(v, r->mailbox, &r->names);
    for (size_t i = 0; i < r->flags.n; i++) {
        if (was_modified(r, r->uids[i], &at) ||
            !mailbox_read_message(v, r->mailbox, r->uids[i], &m))
            continue;
        r->now_stale[r->n] = r->stale[i];
        r->now[r->n++] = (struct imap_flags){m.uid, m.flags, m.keywords, m.modseq};
    }
}

/* Of .SILENT only what the client cannot know: the MODSEQ, and flags that others changed. */
TASK_FN
static bool tell(struct imap_session *s, struct imap_command *c, struct store_run *r)
{
    bool silent = r->arguments->silent, alive = true;
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    imap_flags_tell(s, r->names.used, r->names.name);
    for (size_t i = 0; i < r->n && alive; i++) {
        uint32_t number = view_number(&s->selected->view, r->now[i].uid);
        bool quiet = silent && !r->now_stale[i];
        if (number && (!quiet || s->condstore))
            imap_flags_line(s, &out, number, &r->now[i], r->names.name, c->uid, quiet);
        if (out.n < OUT_LONG && i + 1 < r->n)
            continue;
        alive = imap_send(&s->talk, buffer_slice(&out));
        buffer_reset(&out);
    }
    buffer_finish(&out);
    return alive;
}

static bool something_to_tell(const struct imap_session *s, const struct store_run *r)
{
    if (!r->arguments->silent || s->condstore)
        return true;
    for (size_t i = 0; i < r->flags.n; i++)
        if (r->stale[i])
            return true;
    return r->flags.keywords & ~s->selected->keywords;
}

/* False: stop; c says why, or the connection is ending. */
TASK_FN
static bool tell_chunk(struct imap_session *s, struct imap_command *c, struct store_run *r)
{
    if (something_to_tell(s, r)) {
        enum outcome o = store_read(
            imap_store(s), mailbox_partition(s->account), read_back, r, NULL, imap_soon());
        if (o != OUTCOME_DONE || !r->read)
            return true; /* it is told by a later sync */
        if (!tell(s, c, r))
            return false;
    }
    if (r->flags.changed)
        imap_sync_own(s, r->flags.modseq);
    return true;
}

/* ---- MODIFIED ---- */

struct modified {
    struct buffer *code;
    struct mailbox_uids run; /* first 0: none */
    bool any;
};

static void put_modified(struct modified *m)
{
    if (!m->run.first)
        return;
    buffer_add(m->code, m->any ? S(",") : S("MODIFIED "));
    imap_out_uids(m->code, &m->run, 1);
    m->any = true;
}

static void note_modified(
    struct imap_session *s, struct imap_command *c, const struct store_run *r, struct modified *m)
{
    for (size_t i = 0; i < r->flags.modified_n; i++) {
        uint32_t uid = r->modified[i];
        uint32_t name = c->uid ? uid : view_number(&s->selected->view, uid);
        if (m->run.first && m->run.last + 1 == name) {
            m->run.last = name;
            continue;
        }
        put_modified(m);
        m->run = (struct mailbox_uids){name, name};
    }
}

/* ---- all ---- */

static size_t fill(struct view_pick *p, uint32_t uids[MAILBOX_BATCH])
{
    struct mailbox_uids run;
    uint32_t number;
    size_t n = 0;
    while (n < MAILBOX_BATCH && view_pick_next(p, (uint32_t)(MAILBOX_BATCH - n), &run, &number))
        for (uint32_t uid = run.first; uid <= run.last; uid++)
            uids[n++] = uid;
    return n;
}

static void start(struct imap_session *s, struct store_run *r, const struct imap_store_arguments *a)
{
    static const enum mailbox_flag_change how[] = {
        [IMAP_STORE_REPLACE] = MAILBOX_FLAGS_REPLACE,
        [IMAP_STORE_ADD] = MAILBOX_FLAGS_ADD,
        [IMAP_STORE_REMOVE] = MAILBOX_FLAGS_REMOVE,
    };
    r->mailbox = s->selected->mailbox;
    r->arguments = a;
    r->delayed = s->selected->delayed;
    r->known = r->seen = s->selected->seen;
    r->flags = (struct mailbox_flags){
        .mailbox = r->mailbox,
        .uids = r->uids,
        .change = how[a->how],
        .flags = a->list.flags,
        .unchanged_since = a->conditional ? a->unchanged_since : UINT64_MAX,
        .modified = r->modified,
    };
}

TASK_FN
static void run(
    struct imap_session *s, struct imap_command *c, const struct imap_set *set, struct store_run *r)
{
    struct view_pick p;
    struct modified modified = {.code = &c->long_code};
    uint32_t absent = 0;
    view_pick_start(&p, &s->selected->view, set, c->uid);
    while ((r->flags.n = fill(&p, r->uids)) > 0) {
        if (!mutate(s, c, r))
            return;
        absent += r->absent;
        if (r->before == r->known)
            r->known = r->flags.modseq;
        note_modified(s, c, r, &modified);
        if (!tell_chunk(s, c, r))
            return;
        task_yield();
    }
    put_modified(&modified);
    if (absent && !c->uid)
        imap_reply(c, IMAP_NO, "EXPUNGEISSUED", "Some of the messages no longer exist");
    if (c->long_code.overflow) {
        buffer_finish(&c->long_code);
        imap_reply(c, IMAP_NO, "LIMIT", "Some messages were changed meanwhile; too many to list");
    }
}

void imap_store_flags(struct imap_session *s, struct imap_command *c)
{
    struct imap_store_arguments a;
    if (!imap_arguments_store(&c->lex, &a)) {
        imap_reply_syntax(c);
        return;
    }
    if (s->selected->read_only) {
        imap_reply(c, IMAP_NO, "READ-ONLY", "The mailbox was opened with EXAMINE");
        return;
    }
    if (a.list.unknown.p) {
        imap_reply(c, IMAP_NO, "CANNOT", "No flag of that name is known here");
        return;
    }
    if (!imap_sync_resolve(s, c, &a.set, c->uid))
        return;
    if (a.conditional)
        imap_sync_condstore(s);
    struct store_run *r = arena_new(c->arena, struct store_run);
    if (!r) {
        imap_reply(c, IMAP_NO, "LIMIT", "Not enough memory now");
        return;
    }
    start(s, r, &a);
    run(s, c, &a.set, r);
}
