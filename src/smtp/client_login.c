/* AUTH (RFC 4954) from the client's side. */
#include "smtp/client_private.h"
#include <openssl/crypto.h>

#define COMMAND_MAX 510 /* RFC 4954 §4: an initial response that is longer is sent behind 334 */

struct challenge {
    char text[SMTP_CLIENT_LINE];
    size_t n;
};

/* As it came: what is cleaned and cut would not decode. */
static void note(void *arg, struct slice text)
{
    struct challenge *c = arg;
    c->n = text.n < sizeof c->text ? text.n : sizeof c->text;
    memcpy(c->text, text.p, c->n);
}

static void put_response(struct smtp_client *c, const struct buffer *response)
{
    channel_put(c->channel, buffer_slice(response));
    channel_put(c->channel, S("\r\n"));
}

/* *held: the response is still to be sent, behind the first 334. */
static bool begin(struct smtp_client *c, struct login *l, struct buffer *response, bool *held)
{
    const char *name = login_mechanism(l);
    *held = false;
    channel_printf(c->channel, "AUTH %s", name);
    if (login_speaks_first(l)) {
        if (!login_step(l, S(""), response))
            return false;
        *held = strlen(name) + 6 + response->n > COMMAND_MAX;
        if (!*held) {
            channel_put(c->channel, S(" "));
            channel_put(c->channel, response->n ? buffer_slice(response) : S("="));
        }
    }
    channel_put(c->channel, S("\r\n"));
    return true;
}

/* "*" (RFC 4954 §4); whatever the server says to it, it is not one to talk to. */
static enum answer cancel(struct smtp_client *c, deadline until)
{
    struct smtp_reply reply;
    channel_put(c->channel, S("*\r\n"));
    if (smtp_client_flush(c, SMTP_AT_AUTH, until) == ANSWER_OK)
        smtp_client_reply(c, SMTP_AT_AUTH, &reply, NULL, NULL, until);
    return smtp_client_fail(
        c, ANSWER_PROTOCOL, SMTP_AT_AUTH, NULL, "the server does not keep to the mechanism");
}

static enum answer exchange(
    struct smtp_client *c, struct login *l, struct buffer *response, deadline until)
{
    struct smtp_reply reply;
    struct challenge challenge;
    bool held;
    if (!begin(c, l, response, &held))
        return smtp_client_fail(c, ANSWER_LOCAL, SMTP_AT_AUTH, NULL, "out of memory");
    for (;;) {
        enum answer a = smtp_client_flush(c, SMTP_AT_AUTH, until);
        if (a == ANSWER_OK)
            a = smtp_client_reply(c, SMTP_AT_AUTH, &reply, note, &challenge, until);
        if (a != ANSWER_OK)
            return a;
        if (reply.code != 334)
            break;
        if (!held) {
            buffer_reset(response);
            if (!login_step(l, slice(challenge.text, challenge.n), response))
                return cancel(c, until);
        }
        held = false;
        put_response(c, response);
    }
    enum answer a = smtp_client_judge(c, SMTP_AT_AUTH, &reply, 2);
    if (a == ANSWER_OK && !login_complete(l))
        return smtp_client_fail(c, ANSWER_PROTOCOL, SMTP_AT_AUTH, NULL,
            "the server has not proved that it knows the password");
    return a;
}

enum answer smtp_client_login(
    struct smtp_client *c, const struct login_options *options, deadline until)
{
    struct login_options o = *options;
    struct tls_facts tls;
    char binding[64];
    size_t n;
    const char *why;
    struct buffer response;
    enum answer a = smtp_client_ready(c, SMTP_AT_AUTH);
    if (a != ANSWER_OK)
        return a;
    channel_tls_facts(c->channel, &tls);
    o.plaintext = o.plaintext || tls.on;
    if (channel_binding(c->channel, &o.binding_type, binding, &n))
        o.binding = slice(binding, n);
    else
        o.binding_type = NULL;
    struct login *l = login_create(&o, slice_str(c->offer.auth), &why);
    if (!l)
        return smtp_client_fail(c, ANSWER_UNSUPPORTED, SMTP_AT_AUTH, "4.7.0", why);
    buffer_init(&response, LOGIN_RESPONSE_MAX);
    a = exchange(c, l, &response, until);
    if (response.p)
        OPENSSL_cleanse(response.p, response.cap);
    buffer_finish(&response);
    login_destroy(l);
    return a;
}
