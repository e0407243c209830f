/* AUTH (RFC 5034), and USER with PASS (RFC 1939 §7), from the client's side. */
#include "pop3/client_private.h"
#include <openssl/crypto.h>

/* RFC 5034 §4: with CRLF 255; a longer initial response comes behind "+". */
#define COMMAND_MAX 253

/* *held: the response is still to be sent, behind the first "+". */
static bool begin(struct pop3_client *c, struct login *l, struct buffer *response, bool *held)
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

static enum answer cancel(struct pop3_client *c, deadline until)
{
    channel_put(c->channel, S("*\r\n"));
    pop3_client_ask(c, NULL, NULL, until);
    return pop3_client_fail(c, ANSWER_PROTOCOL, "the server does not keep to the mechanism");
}

static enum answer exchange(
    struct pop3_client *c, struct login *l, struct buffer *response, deadline until)
{
    bool held, asked;
    enum answer a = pop3_client_ready(c);
    if (a != ANSWER_OK)
        return a;
    if (!begin(c, l, response, &held))
        return pop3_client_fail(c, ANSWER_LOCAL, "out of memory");
    for (;;) {
        struct slice challenge;
        a = pop3_client_ask(c, &challenge, &asked, until);
        if (a != ANSWER_OK || !asked)
            break;
        if (!held) {
            buffer_reset(response);
            if (!login_step(l, challenge, response))
                return cancel(c, until);
        }
        held = false;
        channel_put(c->channel, buffer_slice(response));
        channel_put(c->channel, S("\r\n"));
    }
    if (a == ANSWER_OK && !login_complete(l))
        return pop3_client_fail(
            c, ANSWER_PROTOCOL, "the server has not proved that it knows the password");
    return a;
}

static bool speakable(struct slice s)
{
    return s.n && s.n <= LOGIN_PASSWORD_MAX && !slice_has_any(s, "\r\n") &&
           slice_find(s, '\0') == SLICE_NONE;
}

static enum answer user_and_pass(
    struct pop3_client *c, const struct login_options *o, deadline until)
{
    if (!speakable(o->user) || !speakable(o->password) || o->act_as.n)
        return pop3_client_fail(c, ANSWER_UNSUPPORTED, "the name or password cannot be used");
    enum answer a = pop3_client_ready(c);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, S("USER "));
    channel_put(c->channel, o->user);
    channel_put(c->channel, S("\r\n"));
    a = pop3_client_ask(c, NULL, NULL, until);
    if (a == ANSWER_OK)
        a = pop3_client_ready(c);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, S("PASS "));
    channel_put(c->channel, o->password);
    channel_put(c->channel, S("\r\n"));
    return pop3_client_ask(c, NULL, NULL, until);
}

static enum answer log_in(struct pop3_client *c, const struct login_options *o, deadline until)
{
    const char *why;
    struct buffer response;
    bool user = slice_eq(o->only, S("USER"));
    struct login *l = user ? NULL : login_create(o, slice_str(c->offer.sasl), &why);
    if (!l && o->plaintext && (user || (!o->only.n && c->offer.user)))
        return user_and_pass(c, o, until);
    if (!l)
        return pop3_client_fail(
            c, ANSWER_UNSUPPORTED, user ? "a password in the clear is not safe without TLS" : why);
    buffer_init(&response, LOGIN_RESPONSE_MAX);
    enum answer a = exchange(c, l, &response, until);
    if (response.p)
        OPENSSL_cleanse(response.p, response.cap);
    buffer_finish(&response);
    login_destroy(l);
    return a;
}

enum answer pop3_client_login(
    struct pop3_client *c, const struct login_options *options, deadline until)
{
    struct login_options o = *options;
    struct tls_facts tls;
    char binding[64];
    size_t n;
    enum answer a = pop3_client_ready(c);
    if (a != ANSWER_OK)
        return a;
    channel_tls_facts(c->channel, &tls);
    o.plaintext = o.plaintext || tls.on;
    if (channel_binding(c->channel, &o.binding_type, binding, &n))
        o.binding = slice(binding, n);
    else
        o.binding_type = NULL;
    a = log_in(c, &o, until);
    return a == ANSWER_OK ? pop3_client_capa(c, until) : a;
}
