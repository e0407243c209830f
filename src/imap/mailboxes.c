/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE (RFC 3501 §6.3.3 to §6.3.7, RFC 2342,
 * RFC 6154 §5.2). */
#include "imap/arguments.h"
#include "imap/session_private.h"
#include "mailbox/copy.h"
#include "mailbox/uids.h"

struct name {
    size_t n;
    char bytes[MAILBOX_NAME_MAX];
};

static struct slice name_slice(const struct name *n)
{
    return slice(n->bytes, n->n);
}

static bool take_name(struct imap_command *c, struct slice text, bool valid, struct name *out)
{
    return imap_names_only(c, text, valid, out->bytes, &out->n);
}

static int64_t now(void)
{
    return clock_wall() / 1000000;
}

static bool may(struct store_txn *t, uint64_t account, struct slice name, unsigned rights)
{
    return (mailbox_rights(store_txn_view(t), account, account, name) & rights) == rights;
}

/* A change of the tree: the arguments of its mutation and what came of it. */
struct change {
    uint64_t account;
    struct slice name, to;
    enum mailbox_special special;
    bool on; /* subscribe */
    int64_t now;
    enum mailbox_refusal refusal;
    bool forbidden;
    uint32_t id; /* of what was made */
};

static enum outcome refuse(struct change *x, enum mailbox_refusal why)
{
    x->refusal = why;
    return OUTCOME_REFUSED;
}

static enum outcome forbid(struct change *x)
{
    x->forbidden = true;
    return OUTCOME_REFUSED;
}

/* Carries it out; anything but DONE was told. */
TASK_FN
static bool mutate(
    struct imap_session *s, struct imap_command *c, store_mutate_fn fn, struct change *x)
{
    struct store_mutation m = {.partition = mailbox_partition(s->account), .fn = fn, .arg = x};
    x->account = s->account;
    x->now = now();
    enum outcome o = store_mutate(imap_store(s), &m, NULL, imap_soon());
    if (o == OUTCOME_REFUSED && x->forbidden)
        imap_reply(c, IMAP_NO, "NOPERM", "You may not do that with this mailbox");
    else
        imap_reply_outcome(c, o, x->refusal);
    return o == OUTCOME_DONE;
}

/* ---- CREATE ---- */

static enum outcome make(
    struct store_txn *t, struct change *x, struct slice name, enum mailbox_special special)
{
    struct mailbox_account a;
    enum outcome o = mailbox_ensure(t, x->now, &a);
    if (o != OUTCOME_DONE)
        return o == OUTCOME_REFUSED ? refuse(x, MAILBOX_REFUSED_GONE) : o;
    if (!may(t, x->account, name, MAILBOX_RIGHT_CREATE))
        return forbid(x);
    o = mailbox_create(t, name, special, x->now, &x->id);
    return o == OUTCOME_REFUSED ? refuse(x, MAILBOX_REFUSED_LIMIT) : o;
}

/* The superior names that are missing (RFC 3501 §6.3.3). */
static enum outcome make_parents(struct store_txn *t, struct change *x, struct slice name)
{
    enum outcome o = OUTCOME_DONE;
    for (size_t i = 1; i < name.n && o == OUTCOME_DONE; i++) {
        struct slice parent = slice_sub(name, 0, i);
        if (name.p[i] == MAILBOX_SEPARATOR && !mailbox_find(store_txn_view(t), parent))
            o = make(t, x, parent, MAILBOX_PLAIN);
    }
    return o;
}

static enum outcome create_fn(struct store_txn *t, void *arg)
{
    struct change *x = arg;
    x->refusal = MAILBOX_REFUSED_NOT;
    x->forbidden = false;
    if (mailbox_find(store_txn_view(t), x->name))
        return refuse(x, MAILBOX_REFUSED_EXISTS);
    enum outcome o = make_parents(t, x, x->name);
    return o == OUTCOME_DONE ? make(t, x, x->name, x->special) : o;
}

/* One special use a mailbox is what we have. */
static bool take_use(
    struct imap_command *c, const struct imap_create_arguments *a, enum mailbox_special *use)
{
    *use = MAILBOX_PLAIN;
    for (unsigned i = 1; i < MAILBOX_SPECIALS; i++)
        if (a->uses == 1U << i)
            *use = (enum mailbox_special)i;
    if (!a->unknown_use && (!a->uses || *use))
        return true;
    imap_reply(
        c, IMAP_NO, "USEATTR", "A mailbox has one of \\Archive \\Drafts \\Junk \\Sent \\Trash");
    return false;
}

void imap_create(struct imap_session *s, struct imap_command *c)
{
    struct imap_create_arguments a;
    struct change x = {0};
    struct name name;
    if (!imap_arguments_create(&c->lex, &a)) {
        imap_reply_syntax(c);
        return;
    }
    /* RFC 3501 §6.3.3: the separator at the end only says that there will be names below */
    if (a.name.n > 1 && a.name.p[a.name.n - 1] == MAILBOX_SEPARATOR)
        a.name.n--;
    if (!take_name(c, a.name, a.valid, &name) || !take_use(c, &a, &x.special))
        return;
    x.name = name_slice(&name);
    mutate(s, c, create_fn, &x);
}

/* ---- DELETE ---- */

static enum outcome delete_fn(struct store_txn *t, void *arg)
{
    struct change *x = arg;
    struct mailbox_remove r = {.name = x->name};
    x->forbidden = false;
    if (!may(t, x->account, x->name, MAILBOX_RIGHT_DELETE))
        return forbid(x);
    enum outcome o = mailbox_remove(t, &r);
    x->refusal = r.refusal;
    return o;
}

void imap_delete(struct imap_session *s, struct imap_command *c)
{
    struct change x = {0};
    struct slice text;
    struct name name;
    bool valid;
    if (!imap_arguments_mailbox(&c->lex, &text, &valid)) {
        imap_reply_syntax(c);
        return;
    }
    if (!take_name(c, text, valid, &name))
        return;
    x.name = name_slice(&name);
    /* What the sweep does not reach now it reaches when the account is opened next. */
    if (mutate(s, c, delete_fn, &x))
        mailbox_sweep(imap_store(s), s->account, deadline_in(IMAP_COMMAND_TIME));
}

/* ---- RENAME ---- */

static enum outcome rename_fn(struct store_txn *t, void *arg)
{
    struct change *x = arg;
    struct mailbox_rename r = {.from = x->name, .to = x->to, .now = x->now};
    x->refusal = MAILBOX_REFUSED_NOT;
    x->forbidden = false;
    if (!may(t, x->account, x->name, MAILBOX_RIGHT_DELETE) ||
        !may(t, x->account, x->to, MAILBOX_RIGHT_CREATE))
        return forbid(x);
    enum outcome o = mailbox_rename(t, &r);
    x->refusal = r.refusal;
    /* behind it: a parent that is made may have the name that went away */
    return o == OUTCOME_DONE ? make_parents(t, x, x->to) : o;
}

#define MOVE_BATCH MAILBOX_BATCH

struct inbox {
    uint32_t from, *uids; /* MOVE_BATCH */
    size_t n;
    bool broken;
};

/* The first messages of the INBOX from a UID on. */
static void inbox_fn(struct store_view *v, void *arg)
{
    struct inbox *b = arg;
    struct mailbox_uids ranges[64];
    struct mailbox_uid_read r = {
        .mailbox = MAILBOX_INBOX, .from = b->from, .ranges = ranges, .room = 64};
    b->n = 0;
    do {
        b->broken = !mailbox_read_uids(v, &r);
        for (size_t i = 0; i < r.n && !b->broken; i++)
            for (uint32_t uid = ranges[i].first; b->n < MOVE_BATCH; uid++) {
                b->uids[b->n++] = uid;
                if (uid == ranges[i].last)
                    break;
            }
        r.from = r.next;
    } while (!b->broken && r.next && b->n < MOVE_BATCH);
}

/* Moves what is in the INBOX; each message is in exactly one of the two mailboxes at any time. */
TASK_FN
static enum outcome empty_inbox(
    struct imap_session *s, struct arena *arena, struct mailbox_transfer *t)
{
    struct inbox b = {.from = 1, .uids = arena_array(arena, uint32_t, MOVE_BATCH)};
    t->pairs = arena_array(arena, struct mailbox_copied, MOVE_BATCH);
    t->uids = b.uids;
    if (!b.uids || !t->pairs)
        return OUTCOME_FAILED;
    for (;;) {
        enum outcome o = store_read(
            imap_store(s), mailbox_partition(s->account), inbox_fn, &b, NULL, imap_soon());
        if (o == OUTCOME_DONE && b.broken)
            o = OUTCOME_FAILED;
        if (o != OUTCOME_DONE || !b.n)
            return o;
        t->n = b.n;
        o = mailbox_transfer(imap_store(s), s->account, t, imap_soon());
        if (o != OUTCOME_DONE)
            return o;
        if (b.uids[b.n - 1] == UINT32_MAX)
            return o;
        b.from = b.uids[b.n - 1] + 1; /* what others expunge meanwhile is no reason to look again */
        task_yield();
    }
}

/* RFC 3501 §6.3.5: a new mailbox gets the messages, the INBOX and what is below it stay. */
TASK_FN
static void rename_inbox(struct imap_session *s, struct imap_command *c, struct slice to)
{
    struct change x = {.name = to};
    if (!mutate(s, c, create_fn, &x))
        return;
    struct mailbox_transfer t = {.from = MAILBOX_INBOX, .to = x.id, .move = true};
    enum outcome o = empty_inbox(s, c->arena, &t);
    imap_reply_outcome(c, o, t.refusal);
}

void imap_rename(struct imap_session *s, struct imap_command *c)
{
    struct imap_rename_arguments a;
    struct change x = {0};
    struct name from, to;
    if (!imap_arguments_rename(&c->lex, &a)) {
        imap_reply_syntax(c);
        return;
    }
    if (a.to.n > 1 && a.to.p[a.to.n - 1] == MAILBOX_SEPARATOR)
        a.to.n--;
    if (!take_name(c, a.from, a.from_valid, &from) || !take_name(c, a.to, a.to_valid, &to))
        return;
    x.name = name_slice(&from);
    x.to = name_slice(&to);
    if (slice_eq(x.name, S("INBOX")))
        rename_inbox(s, c, x.to);
    else
        mutate(s, c, rename_fn, &x);
}

/* ---- subscriptions ---- */

static enum outcome subscribe_fn(struct store_txn *t, void *arg)
{
    struct change *x = arg;
    struct mailbox_account a;
    x->forbidden = false;
    if (!may(t, x->account, x->name, MAILBOX_RIGHT_LOOKUP))
        return forbid(x);
    enum outcome o = mailbox_subscribe(t, x->name, x->on, x->now);
    if (o == OUTCOME_REFUSED)
        x->refusal = mailbox_read_account(store_txn_view(t), &a) && a.removed
                         ? MAILBOX_REFUSED_GONE
                         : MAILBOX_REFUSED_LIMIT;
    return o;
}

TASK_FN
static void subscribe(struct imap_session *s, struct imap_command *c, bool on)
{
    struct change x = {.on = on};
    struct slice text;
    struct name name;
    bool valid;
    if (!imap_arguments_mailbox(&c->lex, &text, &valid)) {
        imap_reply_syntax(c);
        return;
    }
    if (!take_name(c, text, valid, &name))
        return;
    x.name = name_slice(&name);
    mutate(s, c, subscribe_fn, &x);
}

void imap_subscribe(struct imap_session *s, struct imap_command *c)
{
    subscribe(s, c, true);
}

void imap_unsubscribe(struct imap_session *s, struct imap_command *c)
{
    subscribe(s, c, false);
}

void imap_namespace(struct imap_session *s, struct imap_command *c)
{
    if (!imap_lex_finish(&c->lex))
        imap_reply_syntax(c);
    else
        imap_untagged(&s->talk, "NAMESPACE ((\"\" \"/\")) NIL NIL");
}
