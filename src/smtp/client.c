#include "base/cursor.h"
#include "smtp/client_private.h"
#include <stdio.h>
#include <stdlib.h>

const char *smtp_stage_name(enum smtp_stage stage)
{
    static const char *const names[] = {"greeting", "EHLO", "STARTTLS", "TLS handshake", "AUTH",
        "MAIL FROM", "RCPT TO", "DATA", "message", "end of message", "RSET", "QUIT"};
    return stage < SMTP_STAGES ? names[stage] : "";
}

struct smtp_client *smtp_client_create(
    struct channel *channel, const struct smtp_client_options *options)
{
    struct smtp_client *c = calloc(1, sizeof *c);
    if (!c) {
        channel_destroy(channel);
        return NULL;
    }
    c->channel = channel;
    c->options = *options;
    answer_clean(slice_str(options->hello), c->hello, sizeof c->hello);
    return c;
}

void smtp_client_destroy(struct smtp_client *c)
{
    if (!c)
        return;
    channel_destroy(c->channel);
    free(c);
}

const struct smtp_outcome *smtp_client_outcome(const struct smtp_client *c)
{
    return &c->outcome;
}

const struct smtp_offer *smtp_client_offer(const struct smtp_client *c)
{
    return &c->offer;
}

struct channel *smtp_client_channel(const struct smtp_client *c)
{
    return c->channel;
}

bool smtp_client_alive(const struct smtp_client *c)
{
    return !c->dead;
}

/* ---- EHLO ---- */

/* Adds the mechanisms to those told before. */
static void add_auth(struct smtp_offer *o, struct slice names)
{
    size_t n = strlen(o->auth);
    for (; names.n && n + 2 < sizeof o->auth; n = strlen(o->auth)) {
        struct slice name = slice_cut(&names, ' ');
        if (!name.n || n + 1 + name.n >= sizeof o->auth)
            continue;
        if (n)
            o->auth[n++] = ' ';
        answer_clean(name, o->auth + n, sizeof o->auth - n);
    }
}

struct hearing {
    struct smtp_offer *offer;
    bool first;
};

static void hear(void *arg, struct slice text)
{
    struct hearing *h = arg;
    struct smtp_offer *o = h->offer;
    struct slice rest = text;
    struct slice word = slice_cut(&rest, ' ');
    static const struct {
        struct slice word;
        size_t at;
    } flags[] = {
        {{"PIPELINING", 10}, offsetof(struct smtp_offer, pipelining)},
        {{"CHUNKING", 8}, offsetof(struct smtp_offer, chunking)},
        {{"8BITMIME", 8}, offsetof(struct smtp_offer, eight_bit_mime)},
        {{"SMTPUTF8", 8}, offsetof(struct smtp_offer, smtputf8)},
        {{"STARTTLS", 8}, offsetof(struct smtp_offer, starttls)},
        {{"DSN", 3}, offsetof(struct smtp_offer, dsn)},
        {{"ENHANCEDSTATUSCODES", 19}, offsetof(struct smtp_offer, enhanced_codes)},
        {{"SIZE", 4}, offsetof(struct smtp_offer, size)},
        {{"REQUIRETLS", 10}, offsetof(struct smtp_offer, require_tls)},
        {{"MT-PRIORITY", 11}, offsetof(struct smtp_offer, mt_priority)},
        {{"DELIVERBY", 9}, offsetof(struct smtp_offer, deliver_by)},
    };
    if (h->first) {
        answer_clean(word, o->name, sizeof o->name);
        h->first = false;
        return;
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (slice_eq_nocase(word, flags[i].word))
            *(bool *)((char *)o + flags[i].at) = true;
    if (slice_eq_nocase(word, S("SIZE")) && !slice_to_u64(rest, UINT64_MAX, &o->size_max))
        o->size_max = 0;
    if (slice_eq_nocase(word, S("DELIVERBY")) &&
        !slice_to_u64(slice_cut(&rest, ','), UINT64_MAX, &o->by_min))
        o->by_min = 0;
    if (slice_eq_nocase(word, S("AUTH")))
        add_auth(o, rest);
    else if (slice_starts_nocase(word, S("AUTH="))) /* how some wrote it before RFC 4954 */
        add_auth(o, slice_from(text, 5));
}

static enum answer say_hello(struct smtp_client *c, const char *verb, deadline until)
{
    struct hearing h = {&c->offer, true};
    struct smtp_reply reply;
    c->offer = (struct smtp_offer){0};
    channel_printf(c->channel, "%s %s\r\n", verb, c->hello);
    enum answer a = smtp_client_flush(c, SMTP_AT_HELLO, until);
    if (a == ANSWER_OK)
        a = smtp_client_reply(c, SMTP_AT_HELLO, &reply, hear, &h, until);
    if (a == ANSWER_OK)
        a = smtp_client_judge(c, SMTP_AT_HELLO, &reply, 2);
    if (a != ANSWER_OK)
        c->offer = (struct smtp_offer){0};
    return a;
}

static enum answer hello(struct smtp_client *c, deadline until)
{
    enum answer a = smtp_client_ready(c, SMTP_AT_HELLO);
    if (a != ANSWER_OK)
        return a;
    a = say_hello(c, c->options.lmtp ? "LHLO" : "EHLO", until);
    if (a == ANSWER_OK) {
        c->offer.extended = true;
        return a;
    }
    if (a != ANSWER_PERMANENT || c->options.lmtp || c->dead)
        return a;
    a = smtp_client_ready(c, SMTP_AT_HELLO);
    if (a != ANSWER_OK)
        return a;
    a = say_hello(c, "HELO", until);
    if (a == ANSWER_OK) {
        char name[sizeof c->offer.name];
        memcpy(name, c->offer.name, sizeof name);
        c->offer = (struct smtp_offer){0};
        memcpy(c->offer.name, name, sizeof name);
    }
    return a;
}

enum answer smtp_client_greet(struct smtp_client *c, deadline until)
{
    struct smtp_reply reply;
    enum answer a = smtp_client_reply(c, SMTP_AT_GREETING, &reply, NULL, NULL, until);
    if (a == ANSWER_OK)
        a = smtp_client_judge(c, SMTP_AT_GREETING, &reply, 2);
    return a == ANSWER_OK ? hello(c, until) : a;
}

/* ---- STARTTLS ---- */

enum answer smtp_client_start_tls(struct smtp_client *c, const struct dial_tls *tls, deadline until)
{
    char why[DIAL_WHY];
    enum answer a = smtp_client_ready(c, SMTP_AT_STARTTLS);
    if (a != ANSWER_OK)
        return a;
    if (!c->offer.starttls)
        return smtp_client_fail(
            c, ANSWER_UNSUPPORTED, SMTP_AT_STARTTLS, "4.7.4", "STARTTLS is not offered");
    channel_put(c->channel, S("STARTTLS\r\n"));
    a = smtp_client_ask(c, SMTP_AT_STARTTLS, 2, until);
    if (a != ANSWER_OK)
        return a;
    a = answer_of_dial(
        dial_start_tls(c->channel, tls, why, smtp_client_soon(c, SMTP_AT_TLS, until)));
    if (a != ANSWER_OK)
        return smtp_client_fail(c, a, SMTP_AT_TLS, "4.7.5", why);
    return hello(c, until);
}

/* ---- the end ---- */

enum answer smtp_client_reset(struct smtp_client *c, deadline until)
{
    enum answer a = smtp_client_ready(c, SMTP_AT_RSET);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, S("RSET\r\n"));
    a = smtp_client_ask(c, SMTP_AT_RSET, 2, until);
    c->dirty = c->dirty && a != ANSWER_OK;
    c->dead = c->dead || a != ANSWER_OK; /* RFC 5321 §4.3.2: there is no refusing it */
    return a;
}

enum answer smtp_client_quit(struct smtp_client *c, deadline until)
{
    enum answer a = smtp_client_ready(c, SMTP_AT_QUIT);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, S("QUIT\r\n"));
    a = smtp_client_ask(c, SMTP_AT_QUIT, 2, until);
    c->dead = true;
    return a;
}
