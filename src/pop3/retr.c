/* RETR and TOP (RFC 1939 §5, §7): a message streamed out of the store in pieces. */
#include "base/blame.h"
#include "base/budget.h"
#include "pop3/dot.h"
#include "pop3/session_private.h"
#include <stdlib.h>

#define PIECE ((size_t)64 * 1024) /* what the store checks at once */

struct transfer {
    struct pop3_session *s;
    const struct mailbox_entry *entry;
    struct store_blob *blob;
    char *piece;
    size_t n;    /* bytes in piece */
    uint64_t at; /* where the next piece begins */
    struct pop3_dot dot;
    struct pop3_top *top; /* NULL: the whole message */
};

/* ---- is it still there? ---- */

struct look {
    const struct mailbox_entry *entry;
    bool found, seen;
    int64_t date;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    struct mailbox_message m;
    l->found =
        mailbox_read_message(v, MAILBOX_INBOX, l->entry->uid, &m) && m.blob == l->entry->blob;
    l->seen = l->found && (m.flags & MAILBOX_SEEN);
    l->date = m.date;
}

static void broken(struct transfer *t, const char *event)
{
    pop3_journal_fault(t->s, event, t->entry->uid);
    pop3_talk_error(&t->s->talk, POP3_CODE_SYS_TEMP, "Cannot read the message, try again later");
}

static void gone(struct transfer *t)
{
    pop3_talk_error(
        &t->s->talk, POP3_CODE_NONE, "The message was removed by another client meanwhile");
}

struct found {
    bool seen;
    int64_t date;
};

/* Another device may have removed it since the list was read. False: the reply is given. */
TASK_FN
static bool find(struct transfer *t, struct found *found)
{
    struct look look = {.entry = t->entry};
    struct store *store = t->s->talk.service->store;
    store_partition p = mailbox_partition(t->s->account);
    if (store_read(store, p, look_fn, &look, NULL, pop3_soon()) != OUTCOME_DONE) {
        broken(t, "message row cannot be read");
        return false;
    }
    if (!look.found)
        gone(t);
    found->seen = look.seen;
    found->date = look.date;
    return look.found;
}

/* ---- pieces ---- */

TASK_FN
static bool read_piece(struct transfer *t)
{
    enum outcome o = store_blob_read(t->blob, t->at, t->piece, PIECE, &t->n, pop3_soon());
    if (o == OUTCOME_DONE)
        t->at += t->n;
    return o == OUTCOME_DONE;
}

/* Opens the message and reads its first piece, so that a fault can still be told. */
TASK_FN
static bool begin(struct transfer *t)
{
    struct store *store = t->s->talk.service->store;
    if (blame_work_listed(t->entry->blob)) {
        broken(t, "message is kept from readers: it ended the server twice");
        return false;
    }
    blame_now.work = t->entry->blob;
    enum outcome o = store_blob_open(store, t->entry->blob, &t->blob, pop3_soon());
    if (o == OUTCOME_REFUSED) {
        gone(t);
        return false;
    }
    if (o != OUTCOME_DONE || !read_piece(t)) {
        broken(t, "message cannot be read");
        return false;
    }
    return true;
}

TASK_FN
static bool send_piece(struct transfer *t)
{
    struct slice in = slice(t->piece, t->n), out;
    if (t->top)
        in.n = pop3_top_take(t->top, in);
    while (pop3_dot_next(&t->dot, &in, &out))
        if (out.n && !conn_send(t->s->talk.conn, out))
            return false;
    return true;
}

/* False: the connection is ending. Half a message never gets its final dot. */
TASK_FN
static bool send_all(struct transfer *t)
{
    uint64_t size = store_blob_size(t->blob);
    for (;;) {
        if (!send_piece(t))
            return false;
        if (t->at >= size || (t->top && t->top->done))
            return conn_send(t->s->talk.conn, pop3_dot_end(&t->dot));
        if (!read_piece(t) || !t->n) {
            pop3_journal_fault(t->s, "message breaks off", t->entry->uid);
            conn_close(t->s->talk.conn);
            return false;
        }
        task_yield();
    }
}

/* ---- commands ---- */

TASK_FN
static bool transfer(struct transfer *t)
{
    bool sent = false;
    if (begin(t)) {
        if (t->top)
            pop3_talk_ok(&t->s->talk, "Top of the message follows");
        else
            pop3_talk_ok(&t->s->talk, "%llu octets", (unsigned long long)store_blob_size(t->blob));
        sent = send_all(t);
    }
    store_blob_close(t->blob);
    return sent;
}

/* True: the message, or its top, has gone out whole. */
TASK_FN
static bool retrieve(
    struct pop3_session *s, const struct pop3_command *c, struct pop3_top *top, struct found *found)
{
    struct transfer t = {.s = s, .entry = pop3_maildrop_find(s, c), .top = top};
    bool sent = false;
    if (!t.entry || !find(&t, found))
        return false;
    if (!budget_take(PIECE)) {
        pop3_talk_error(&s->talk, POP3_CODE_SYS_TEMP, "Out of memory, try again later");
        return false;
    }
    t.piece = malloc(PIECE);
    if (t.piece)
        sent = transfer(&t);
    else
        pop3_talk_error(&s->talk, POP3_CODE_SYS_TEMP, "Out of memory, try again later");
    free(t.piece);
    budget_give(PIECE);
    if (sent && !top)
        pop3_journal_retrieved(s, t.at, t.entry->blob, found->date);
    return sent;
}

void pop3_retr_all(struct pop3_session *s, const struct pop3_command *c)
{
    struct found found = {.seen = true};
    if (!retrieve(s, c, NULL, &found) || found.seen)
        return;
    uint32_t uid = s->list.entries[c->message - 1].uid;
    mailbox_post_seen(s->talk.service->store, s->account, MAILBOX_INBOX, uid);
}

void pop3_retr_top(struct pop3_session *s, const struct pop3_command *c)
{
    struct pop3_top top = {.lines = c->lines};
    struct found found;
    retrieve(s, c, &top, &found);
}

void pop3_retr_offer_top(const struct pop3_talk *t, bool mail, struct buffer *lines)
{
    buffer_add(lines, S("TOP\r\n"));
}
