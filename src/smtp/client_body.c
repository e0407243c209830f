/* The bytes of a message on their way out. Every CR and LF leaves as part of a CRLF, the last line
 * has its end; by DATA with dots stuffed (RFC 5321 §4.5.2), by BDAT as they are (RFC 3030 §2). */
#include "smtp/client_private.h"
#include "smtp/dot.h"
#include <stdlib.h>

#define CHUNKS_IN_FLIGHT 8

/* Gives out the next normalised bytes; an empty slice is the end. */
struct source {
    struct smtp_client_mail *m;
    struct smtp_dot dot;
    struct slice piece; /* as the caller gave it */
    size_t at;
    bool finished, line_start;
};

static void source_init(struct source *s, struct smtp_client_mail *m)
{
    *s = (struct source){.m = m, .line_start = true};
    smtp_dot_init(&s->dot, SMTP_NEWLINE_NORMALISE, false);
}

static bool give(struct source *s, struct slice out)
{
    if (out.n)
        s->line_start = out.p[out.n - 1] == '\n';
    return out.n > 0;
}

/* False: the caller cannot read on. */
static bool source_next(struct source *s, struct slice *out)
{
    const struct smtp_send *message = s->m->message;
    *out = slice(NULL, 0);
    while (!s->finished) {
        while (s->at < s->piece.n) {
            smtp_dot_next(&s->dot, s->piece, &s->at, out);
            if (give(s, *out))
                return true;
        }
        s->at = 0;
        if (!message->read(message->arg, &s->piece, s->m->until))
            return false;
        if (s->piece.n)
            continue;
        s->finished = true;
        smtp_dot_finish(&s->dot, out);
        if (give(s, *out))
            return true;
    }
    if (!s->line_start) {
        *out = S("\r\n");
        s->line_start = true;
    }
    return true;
}

static enum answer stopped(struct smtp_client_mail *m)
{
    return smtp_client_fail(m->c, ANSWER_LOCAL, SMTP_AT_BODY, NULL, "the message cannot be read");
}

/* ---- the end of a message ---- */

/* Behind the last byte a lost reply leaves open whether the message was taken. */
static enum answer read_end(struct smtp_client_mail *m, struct smtp_outcome *o)
{
    struct smtp_client *c = m->c;
    enum answer a = smtp_client_reply(c, SMTP_AT_END, &o->reply, NULL, NULL, m->until);
    if (a == ANSWER_OK)
        a = smtp_client_judge(c, SMTP_AT_END, &o->reply, 2);
    if (a == ANSWER_OK) {
        o->answer = a;
        o->stage = SMTP_AT_END;
        return a;
    }
    if (a != ANSWER_TEMPORARY && a != ANSWER_PERMANENT)
        c->outcome.answer = ANSWER_UNKNOWN;
    *o = c->outcome;
    return o->answer;
}

/* One reply for all; LMTP: one for each that was accepted (RFC 2033 §4.2). */
static enum answer read_ends(struct smtp_client_mail *m)
{
    struct smtp_outcome o;
    enum answer a = ANSWER_OK, best = ANSWER_UNKNOWN;
    bool have = false;
    m->c->dirty = false;
    for (size_t i = 0; i < m->n; i++) {
        struct smtp_send_recipient *r = &m->recipients[i];
        if (!smtp_client_accepted(r))
            continue;
        if (!have || (m->c->options.lmtp && !m->c->dead))
            a = read_end(m, &o);
        have = true;
        if (a == ANSWER_OK || best == ANSWER_UNKNOWN)
            best = a;
        r->outcome = o;
        if (m->c->options.lmtp && m->c->dead && a != ANSWER_UNKNOWN)
            return smtp_client_spread(m, best);
    }
    return best;
}

/* ---- DATA ---- */

/* A dot before each dot that begins a line. `start`: is this the start of one? */
static enum channel_result write_stuffed(struct smtp_client_mail *m, struct slice out, bool *start)
{
    struct channel *c = m->c->channel;
    enum channel_result r = CHANNEL_OK;
    deadline until = smtp_client_soon(m->c, SMTP_AT_BODY, m->until);
    while (out.n && r == CHANNEL_OK) {
        if (*start && out.p[0] == '.')
            r = channel_write(c, S("."), until);
        size_t dot = slice_find_slice(out, S("\n."));
        struct slice run = dot == SLICE_NONE ? out : slice_sub(out, 0, dot + 1);
        if (r == CHANNEL_OK)
            r = channel_write(c, run, until);
        *start = run.p[run.n - 1] == '\n';
        out = slice_from(out, run.n);
    }
    return r;
}

/* The server has spoken, or gone, before the end: a refusal counts, anything else does not. */
static enum answer interrupted(struct smtp_client_mail *m, enum channel_result r)
{
    struct smtp_client *c = m->c;
    struct smtp_reply reply;
    struct smtp_outcome lost;
    smtp_client_broken(c, r == CHANNEL_INPUT ? CHANNEL_BROKEN : r, SMTP_AT_BODY);
    lost = c->outcome;
    if (r == CHANNEL_TIMEOUT || r == CHANNEL_CANCELLED)
        return lost.answer;
    enum answer a = smtp_client_reply(
        c, SMTP_AT_BODY, &reply, NULL, NULL, deadline_min(m->until, deadline_in(CLOCK_SEC)));
    if (a != ANSWER_OK && r == CHANNEL_BROKEN) {
        c->outcome = lost;
        return lost.answer;
    }
    if (a == ANSWER_OK)
        a = smtp_client_judge(c, SMTP_AT_BODY, &reply, 0);
    c->dead = true;
    return a;
}

static enum answer write_message(struct smtp_client_mail *m)
{
    struct channel *c = m->c->channel;
    struct source s;
    struct slice out;
    bool start = true;
    enum channel_result r = CHANNEL_OK;
    source_init(&s, m);
    do {
        if (!source_next(&s, &out))
            return stopped(m);
        r = write_stuffed(m, out, &start);
        if (r == CHANNEL_OK && channel_unread(c).n)
            r = CHANNEL_INPUT;
    } while (r == CHANNEL_OK && out.n);
    deadline until = smtp_client_soon(m->c, SMTP_AT_BODY, m->until);
    if (r == CHANNEL_OK)
        r = channel_poll(c);
    if (r == CHANNEL_OK && channel_unread(c).n)
        r = CHANNEL_INPUT;
    if (r == CHANNEL_OK)
        r = channel_write(c, S(".\r\n"), until);
    if (r == CHANNEL_OK)
        r = channel_flush(c, until);
    return r == CHANNEL_OK ? ANSWER_OK : interrupted(m, r);
}

enum answer smtp_client_data(struct smtp_client_mail *m)
{
    struct channel *c = m->c->channel;
    channel_set_interrupt(c, true);
    enum answer a = write_message(m);
    channel_set_interrupt(c, false);
    return a == ANSWER_OK ? read_ends(m) : a;
}

/* ---- BDAT ---- */

struct chunks {
    struct smtp_client_mail *m;
    char *bytes;
    size_t n;
    unsigned in_flight;
    enum answer refused; /* the first refusal; OK: none */
    struct smtp_outcome outcome;
};

/* False: the connection is over. */
static bool read_chunk(struct chunks *k)
{
    struct smtp_client *c = k->m->c;
    struct smtp_reply reply;
    enum answer a = smtp_client_reply(c, SMTP_AT_BODY, &reply, NULL, NULL, k->m->until);
    if (a == ANSWER_OK)
        a = smtp_client_judge(c, SMTP_AT_BODY, &reply, 2);
    k->in_flight--;
    if (a != ANSWER_OK && k->refused == ANSWER_OK) {
        k->refused = a;
        k->outcome = c->outcome;
    }
    return !c->dead;
}

/* Replies that are here, and those over what may be in flight. */
static bool read_chunks(struct chunks *k, unsigned most)
{
    while (k->in_flight > most || (k->in_flight && channel_unread(k->m->c->channel).n))
        if (!read_chunk(k))
            return false;
    return true;
}

/* False: the connection is over, or the server wants no more. */
static bool send_chunk(struct chunks *k, bool last)
{
    struct smtp_client *c = k->m->c;
    deadline until = smtp_client_soon(c, SMTP_AT_BODY, k->m->until);
    channel_printf(c->channel, "BDAT %zu%s\r\n", k->n, last ? " LAST" : "");
    enum channel_result r = channel_write(c->channel, slice(k->bytes, k->n), until);
    if (r == CHANNEL_OK)
        r = channel_flush(c->channel, until);
    k->n = 0;
    if (r != CHANNEL_OK) {
        k->refused = smtp_client_broken(c, r, SMTP_AT_BODY);
        k->outcome = c->outcome;
        return false;
    }
    if (last)
        return true;
    k->in_flight++;
    return read_chunks(k, c->offer.pipelining ? CHUNKS_IN_FLIGHT : 0) && k->refused == ANSWER_OK;
}

static enum answer send_chunks(struct chunks *k)
{
    struct source s;
    struct slice out;
    source_init(&s, k->m);
    do {
        if (!source_next(&s, &out))
            return stopped(k->m);
        for (struct slice rest = out; rest.n;) {
            struct slice piece = slice_sub(rest, 0, SMTP_CLIENT_CHUNK - k->n);
            memcpy(k->bytes + k->n, piece.p, piece.n);
            k->n += piece.n;
            rest = slice_from(rest, piece.n);
            if (k->n == SMTP_CLIENT_CHUNK && !send_chunk(k, false))
                return k->refused;
        }
    } while (out.n);
    return send_chunk(k, true) ? ANSWER_OK : k->refused;
}

enum answer smtp_client_bdat(struct smtp_client_mail *m)
{
    struct chunks k = {.m = m, .bytes = malloc(SMTP_CLIENT_CHUNK)};
    if (!k.bytes)
        return smtp_client_fail(m->c, ANSWER_LOCAL, SMTP_AT_BODY, NULL, "out of memory");
    enum answer a = send_chunks(&k);
    bool ended = a == ANSWER_OK;
    free(k.bytes);
    while (!m->c->dead && k.in_flight)
        read_chunk(&k);
    if (ended && !m->c->dead && k.refused == ANSWER_OK)
        return read_ends(m);
    if (k.refused != ANSWER_OK)
        m->c->outcome = k.outcome;
    a = m->c->outcome.answer;
    if (ended && a != ANSWER_TEMPORARY && a != ANSWER_PERMANENT)
        m->c->outcome.answer = ANSWER_UNKNOWN;
    /* A chunk was refused with LAST on its way: what is said to that does not count. */
    m->c->dead = m->c->dead || ended;
    return m->c->outcome.answer;
}
