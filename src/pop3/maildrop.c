/* STAT, LIST, UIDL, DELE, RSET, NOOP: all from the frozen list. */
#include "pop3/session_private.h"

#define LINE_MAX_OCTETS 64   /* "1000000 4294967295.4294967295" and CRLF */
#define TURN            8192 /* lines until others have their turn: well under 5 ms */

static unsigned long long octets(const struct pop3_session *s)
{
    return s->octets;
}

struct mailbox_entry *pop3_maildrop_find(struct pop3_session *s, const struct pop3_command *c)
{
    if (c->message == 0 || c->message > s->list.n) {
        pop3_talk_error(
            &s->talk, POP3_CODE_NONE, "No such message, only %zu in the maildrop", s->list.n);
        return NULL;
    }
    struct mailbox_entry *e = &s->list.entries[c->message - 1];
    if (!(e->flags & POP3_MARKED))
        return e;
    pop3_talk_error(
        &s->talk, POP3_CODE_NONE, "Message %llu is deleted", (unsigned long long)c->message);
    return NULL;
}

void pop3_maildrop_stat(struct pop3_session *s, const struct pop3_command *c)
{
    pop3_talk_ok(&s->talk, "%zu %llu", s->left, octets(s));
}

/* ---- listings: a million lines, so no printf ---- */

static size_t put_number(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    for (size_t i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

typedef size_t (*line_fn)(
    const struct pop3_session *s, size_t index, char to[LINE_MAX_OCTETS]); /* without CRLF */

static size_t size_line(const struct pop3_session *s, size_t index, char to[LINE_MAX_OCTETS])
{
    size_t n = put_number(to, index + 1);
    to[n++] = ' ';
    return n + put_number(to + n, s->list.entries[index].size);
}

static size_t uid_line(const struct pop3_session *s, size_t index, char to[LINE_MAX_OCTETS])
{
    size_t n = put_number(to, index + 1);
    to[n++] = ' ';
    n += put_number(to + n, s->list.mailbox.uidvalidity);
    to[n++] = '.';
    return n + put_number(to + n, s->list.entries[index].uid);
}

TASK_FN
static void list_all(struct pop3_session *s, line_fn line)
{
    char piece[2048];
    size_t n = 0;
    for (size_t i = 0; i < s->list.n; i++) {
        if (i % TURN == TURN - 1)
            task_yield();
        if (s->list.entries[i].flags & POP3_MARKED)
            continue;
        n += line(s, i, piece + n);
        piece[n++] = '\r';
        piece[n++] = '\n';
        if (n <= sizeof piece - LINE_MAX_OCTETS - 2)
            continue;
        if (!conn_send(s->talk.conn, slice(piece, n)))
            return;
        n = 0;
    }
    if (conn_send(s->talk.conn, slice(piece, n)))
        conn_send(s->talk.conn, S(".\r\n"));
}

static void list_one(struct pop3_session *s, const struct pop3_command *c, line_fn line)
{
    char text[LINE_MAX_OCTETS];
    if (!pop3_maildrop_find(s, c))
        return;
    size_t n = line(s, (size_t)c->message - 1, text);
    pop3_talk_ok(&s->talk, "%.*s", (int)n, text);
}

void pop3_maildrop_list(struct pop3_session *s, const struct pop3_command *c)
{
    if (c->has_message) {
        list_one(s, c, size_line);
        return;
    }
    pop3_talk_ok(&s->talk, "%zu messages (%llu octets)", s->left, octets(s));
    list_all(s, size_line);
}

void pop3_maildrop_uidl(struct pop3_session *s, const struct pop3_command *c)
{
    if (c->has_message) {
        list_one(s, c, uid_line);
        return;
    }
    pop3_talk_ok(&s->talk, "Unique-ids follow");
    list_all(s, uid_line);
}

void pop3_maildrop_offer_uidl(const struct pop3_talk *t, bool mail, struct buffer *lines)
{
    buffer_add(lines, S("UIDL\r\n"));
}

/* ---- marks ---- */

void pop3_maildrop_dele(struct pop3_session *s, const struct pop3_command *c)
{
    struct mailbox_entry *e = pop3_maildrop_find(s, c);
    if (!e)
        return;
    e->flags |= POP3_MARKED;
    s->left--;
    s->octets -= e->size;
    pop3_talk_ok(&s->talk, "Message %llu is deleted at QUIT", (unsigned long long)c->message);
}

void pop3_maildrop_rset(struct pop3_session *s, const struct pop3_command *c)
{
    for (size_t i = 0; i < s->list.n; i++) {
        struct mailbox_entry *e = &s->list.entries[i];
        if (e->flags & POP3_MARKED)
            s->octets += e->size;
        e->flags &= (uint8_t)~POP3_MARKED;
        if (i % TURN == TURN - 1)
            task_yield();
    }
    s->left = s->list.n;
    pop3_talk_ok(&s->talk, "Maildrop has %zu messages (%llu octets)", s->left, octets(s));
}

void pop3_maildrop_noop(struct pop3_session *s, const struct pop3_command *c)
{
    pop3_talk_ok(&s->talk, "Nothing done");
}
