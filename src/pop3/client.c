#include "base/cursor.h"
#include "pop3/client_private.h"
#include <stdio.h>
#include <stdlib.h>

struct pop3_client *pop3_client_create(struct channel *channel, int64_t idle)
{
    struct pop3_client *c = calloc(1, sizeof *c);
    if (!c) {
        channel_destroy(channel);
        return NULL;
    }
    c->channel = channel;
    c->idle = idle;
    return c;
}

void pop3_client_destroy(struct pop3_client *c)
{
    if (!c)
        return;
    channel_destroy(c->channel);
    free(c);
}

const char *pop3_client_text(const struct pop3_client *c)
{
    return c->text;
}

const char *pop3_client_code(const struct pop3_client *c)
{
    return c->code;
}

const struct pop3_offer *pop3_client_offer(const struct pop3_client *c)
{
    return &c->offer;
}

struct channel *pop3_client_channel(const struct pop3_client *c)
{
    return c->channel;
}

bool pop3_client_alive(const struct pop3_client *c)
{
    return !c->dead;
}

/* ---- CAPA and STLS ---- */

static bool hear_capa(void *arg, struct slice line)
{
    struct pop3_offer *o = arg;
    struct slice rest = line;
    struct slice word = slice_cut(&rest, ' ');
    o->stls = o->stls || slice_eq_nocase(word, S("STLS"));
    o->user = o->user || slice_eq_nocase(word, S("USER"));
    o->uidl = o->uidl || slice_eq_nocase(word, S("UIDL"));
    o->top = o->top || slice_eq_nocase(word, S("TOP"));
    o->pipelining = o->pipelining || slice_eq_nocase(word, S("PIPELINING"));
    if (slice_eq_nocase(word, S("SASL")))
        answer_clean(rest, o->sasl, sizeof o->sasl);
    return true;
}

enum answer pop3_client_capa(struct pop3_client *c, deadline until)
{
    c->offer = (struct pop3_offer){0};
    enum answer a = pop3_client_say(c, S("CAPA"), until);
    if (a == ANSWER_OK)
        return pop3_client_lines(c, hear_capa, &c->offer, until);
    c->offer.user = true;
    return a == ANSWER_PERMANENT || a == ANSWER_TEMPORARY ? ANSWER_OK : a;
}

enum answer pop3_client_greet(struct pop3_client *c, deadline until)
{
    enum answer a = pop3_client_ask(c, NULL, NULL, until);
    return a == ANSWER_OK ? pop3_client_capa(c, until) : a;
}

enum answer pop3_client_start_tls(struct pop3_client *c, const struct dial_tls *tls, deadline until)
{
    char why[DIAL_WHY];
    if (!c->dead && !c->offer.stls)
        return pop3_client_fail(c, ANSWER_UNSUPPORTED, "STLS is not offered");
    enum answer a = pop3_client_say(c, S("STLS"), until);
    if (a != ANSWER_OK)
        return a;
    a = answer_of_dial(dial_start_tls(c->channel, tls, why, pop3_client_soon(c, until)));
    return a == ANSWER_OK ? pop3_client_capa(c, until) : pop3_client_fail(c, a, why);
}

/* ---- the maildrop ---- */

enum answer pop3_client_stat(
    struct pop3_client *c, uint32_t *messages, uint64_t *bytes, deadline until)
{
    struct slice more;
    uint64_t count;
    enum answer a = pop3_client_ready(c);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, S("STAT\r\n"));
    a = pop3_client_ask(c, &more, NULL, until);
    if (a != ANSWER_OK)
        return a;
    struct cursor at = cursor(more);
    if (!cursor_take_number(&at, UINT32_MAX, &count) || !cursor_take_char(&at, ' ') ||
        !cursor_take_number(&at, UINT64_MAX, bytes))
        return pop3_client_fail(c, ANSWER_PROTOCOL, "a reply to STAT without its numbers");
    *messages = (uint32_t)count;
    return ANSWER_OK;
}

struct listing {
    pop3_client_listed listed;
    void *arg;
    bool odd;
};

static bool hear_listed(void *arg, struct slice line)
{
    struct listing *l = arg;
    uint64_t number;
    struct cursor at = cursor(line);
    l->odd =
        !cursor_take_number(&at, UINT32_MAX, &number) || number == 0 || !cursor_take_char(&at, ' ');
    return !l->odd && l->listed(l->arg, (uint32_t)number, slice_trim(cursor_rest(&at)));
}

static enum answer list(struct pop3_client *c, struct slice command, pop3_client_listed listed,
    void *arg, deadline until)
{
    struct listing l = {listed, arg, false};
    enum answer a = pop3_client_say(c, command, until);
    if (a == ANSWER_OK)
        a = pop3_client_lines(c, hear_listed, &l, until);
    return l.odd ? pop3_client_fail(c, ANSWER_PROTOCOL, "a list with a line that is none") : a;
}

enum answer pop3_client_list(
    struct pop3_client *c, pop3_client_listed listed, void *arg, deadline until)
{
    return list(c, S("LIST"), listed, arg, until);
}

enum answer pop3_client_uidl(
    struct pop3_client *c, pop3_client_listed listed, void *arg, deadline until)
{
    return list(c, S("UIDL"), listed, arg, until);
}

/* ---- messages ---- */

enum answer pop3_client_retr(struct pop3_client *c, uint32_t number, uint64_t max,
    pop3_client_sink sink, void *arg, deadline until)
{
    char command[32];
    snprintf(command, sizeof command, "RETR %u", number);
    enum answer a = pop3_client_say(c, slice_str(command), until);
    return a == ANSWER_OK ? pop3_client_bytes(c, max, sink, arg, until) : a;
}

enum answer pop3_client_top(struct pop3_client *c, uint32_t number, uint32_t lines, uint64_t max,
    pop3_client_sink sink, void *arg, deadline until)
{
    char command[48];
    snprintf(command, sizeof command, "TOP %u %u", number, lines);
    enum answer a = pop3_client_say(c, slice_str(command), until);
    return a == ANSWER_OK ? pop3_client_bytes(c, max, sink, arg, until) : a;
}

enum answer pop3_client_dele(struct pop3_client *c, uint32_t number, deadline until)
{
    char command[32];
    snprintf(command, sizeof command, "DELE %u", number);
    return pop3_client_say(c, slice_str(command), until);
}

enum answer pop3_client_reset(struct pop3_client *c, deadline until)
{
    return pop3_client_say(c, S("RSET"), until);
}

enum answer pop3_client_noop(struct pop3_client *c, deadline until)
{
    return pop3_client_say(c, S("NOOP"), until);
}

enum answer pop3_client_quit(struct pop3_client *c, deadline until)
{
    enum answer a = pop3_client_ready(c);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, S("QUIT\r\n"));
    a = pop3_client_ask(c, NULL, NULL, until);
    c->dead = true;
    return a == ANSWER_LOST || a == ANSWER_PROTOCOL || a == ANSWER_CANCELLED ? ANSWER_UNKNOWN : a;
}
