#include "imap/client_private.h"
#include <stdlib.h>

struct imap_client *imap_client_create(struct channel *channel, int64_t idle)
{
    struct imap_client *c = calloc(1, sizeof *c);
    if (!c) {
        channel_destroy(channel);
        return NULL;
    }
    c->channel = channel;
    c->idle = idle;
    buffer_init(&c->response, IMAP_CLIENT_RESPONSE);
    buffer_init(&c->scratch, IMAP_CLIENT_RESPONSE);
    return c;
}

void imap_client_destroy(struct imap_client *c)
{
    if (!c)
        return;
    channel_destroy(c->channel);
    buffer_finish(&c->response);
    buffer_finish(&c->scratch);
    free(c);
}

const char *imap_client_text(const struct imap_client *c)
{
    return c->text;
}

const char *imap_client_code(const struct imap_client *c)
{
    return c->code;
}

struct channel *imap_client_channel(const struct imap_client *c)
{
    return c->channel;
}

bool imap_client_alive(const struct imap_client *c)
{
    return !c->dead;
}

bool imap_client_can(const struct imap_client *c, struct slice capability)
{
    struct slice rest = slice_str(c->capabilities);
    while (rest.n)
        if (slice_eq_nocase(slice_cut(&rest, ' '), capability))
            return true;
    return false;
}

bool imap_client_unasked(const struct imap_client *c, uint64_t n)
{
    /* Where the server has not been asked it cannot say no before it has all. */
    if (imap_client_can(c, S("LITERAL+")))
        return n <= 65536;
    return n <= 4096 && (imap_client_can(c, S("LITERAL-")) || imap_client_can(c, S("IMAP4rev2")));
}

enum answer imap_client_begin(struct imap_client *c)
{
    if (c->dead)
        return imap_client_fail(c, ANSWER_LOST, "the connection is over");
    c->text[0] = c->code[0] = '\0';
    channel_printf(c->channel, "A%u ", ++c->tag);
    return ANSWER_OK;
}

enum answer imap_client_learn(struct imap_client *c, deadline until)
{
    if (c->capabilities[0])
        return ANSWER_OK;
    enum answer a = imap_client_command(c, S("CAPABILITY"), NULL, NULL, until);
    if (a == ANSWER_OK && !c->capabilities[0])
        return imap_client_fail(c, ANSWER_PROTOCOL, "a server without capabilities");
    return a;
}

enum answer imap_client_greet(struct imap_client *c, deadline until)
{
    struct slice rest;
    enum answer a;
    switch (imap_client_next(c, &rest, &a, until)) {
    case IMAP_CLIENT_FAILED:
        return a;
    case IMAP_CLIENT_STAR:
        break;
    default:
        return imap_client_fail(c, ANSWER_PROTOCOL, "a greeting that is not IMAP");
    }
    c->preauth = slice_starts_nocase(rest, S("PREAUTH"));
    a = imap_client_status_response(c, rest);
    if (a != ANSWER_OK) {
        c->dead = true;
        return a;
    }
    return imap_client_learn(c, until);
}

enum answer imap_client_start_tls(struct imap_client *c, const struct dial_tls *tls, deadline until)
{
    char why[DIAL_WHY];
    /* PREAUTH before TLS may be somebody else's greeting (RFC 9051 §7.1.4): nothing to build on. */
    if (!c->dead && (c->preauth || !imap_client_can(c, S("STARTTLS"))))
        return imap_client_fail(c, ANSWER_UNSUPPORTED, "STARTTLS is not offered");
    enum answer a = imap_client_command(c, S("STARTTLS"), NULL, NULL, until);
    if (a != ANSWER_OK)
        return a;
    a = answer_of_dial(dial_start_tls(c->channel, tls, why, imap_client_soon(c, until)));
    if (a != ANSWER_OK)
        return imap_client_fail(c, a, why);
    c->capabilities[0] = '\0'; /* RFC 9051 §6.2.1 */
    return imap_client_learn(c, until);
}

enum answer imap_client_logout(struct imap_client *c, deadline until)
{
    enum answer a = imap_client_command(c, S("LOGOUT"), NULL, NULL, until);
    c->dead = true;
    return a;
}
