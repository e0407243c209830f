/* AUTHENTICATE (RFC 9051 §6.2.2) and LOGIN from the client's side. */
#include "imap/client_private.h"
#include <openssl/crypto.h>

/* The names behind "AUTH=", divided by blanks. */
static struct slice mechanisms(const struct imap_client *c, char *out, size_t room)
{
    struct slice rest = slice_str(c->capabilities);
    size_t n = 0;
    while (rest.n) {
        struct slice word = slice_cut(&rest, ' ');
        if (!slice_starts_nocase(word, S("AUTH=")) || n + word.n > room)
            continue;
        memcpy(out + n, word.p + 5, word.n - 5);
        n += word.n - 5;
        out[n++] = ' ';
    }
    return slice(out, n);
}

static enum answer cancel(struct imap_client *c, deadline until)
{
    channel_put(c->channel, S("*\r\n"));
    if (imap_client_flush(c, until) == ANSWER_OK)
        imap_client_wait(c, NULL, NULL, NULL, NULL, until);
    return imap_client_fail(c, ANSWER_PROTOCOL, "the server does not keep to the mechanism");
}

/* *held: the response is still to be sent, behind the first "+". */
static bool begin(struct imap_client *c, struct login *l, struct buffer *response, bool *held)
{
    channel_printf(c->channel, "AUTHENTICATE %s", login_mechanism(l));
    *held = login_speaks_first(l);
    if (*held && !login_step(l, S(""), response))
        return false;
    if (*held && imap_client_can(c, S("SASL-IR"))) { /* RFC 4959 §3 */
        channel_put(c->channel, S(" "));
        channel_put(c->channel, response->n ? buffer_slice(response) : S("="));
        *held = false;
    }
    channel_put(c->channel, S("\r\n"));
    return true;
}

static enum answer exchange(
    struct imap_client *c, struct login *l, struct buffer *response, deadline until)
{
    bool held, plus = true;
    enum answer a = imap_client_begin(c);
    if (a != ANSWER_OK)
        return a;
    if (!begin(c, l, response, &held))
        return imap_client_fail(c, ANSWER_LOCAL, "out of memory");
    for (;;) {
        struct slice challenge;
        a = imap_client_flush(c, until);
        if (a == ANSWER_OK)
            a = imap_client_wait(c, NULL, NULL, &plus, &challenge, until);
        if (a != ANSWER_OK || !plus)
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
        return imap_client_fail(
            c, ANSWER_PROTOCOL, "the server has not proved that it knows the password");
    return a;
}

static enum answer authenticate(struct imap_client *c, struct login *l, deadline until)
{
    struct buffer response;
    buffer_init(&response, LOGIN_RESPONSE_MAX);
    enum answer a = exchange(c, l, &response, until);
    if (response.p)
        OPENSSL_cleanse(response.p, response.cap);
    buffer_finish(&response);
    login_destroy(l);
    return a;
}

/* LOGIN (RFC 9051 §6.2.3). */
static enum answer say_login(struct imap_client *c, const struct login_options *o, deadline until)
{
    struct buffer words;
    if (o->act_as.n || slice_find(o->user, '\0') != SLICE_NONE ||
        slice_find(o->password, '\0') != SLICE_NONE || o->password.n > LOGIN_PASSWORD_MAX)
        return imap_client_fail(c, ANSWER_UNSUPPORTED, "the name or password cannot be used");
    buffer_init(&words, 8 * LOGIN_PASSWORD_MAX);
    bool fine = buffer_add(&words, S("LOGIN ")) && imap_client_add_string(&words, o->user) &&
                buffer_add(&words, S(" ")) && imap_client_add_string(&words, o->password);
    enum answer a = fine ? imap_client_command(c, buffer_slice(&words), NULL, NULL, until)
                         : imap_client_fail(c, ANSWER_LOCAL, "out of memory");
    if (words.p)
        OPENSSL_cleanse(words.p, words.cap);
    buffer_finish(&words);
    return a;
}

static enum answer log_in(struct imap_client *c, const struct login_options *o, deadline until)
{
    char names[1024];
    const char *why = "a password in the clear is not safe without TLS";
    bool command = slice_eq(o->only, S("PASSWORD"));
    struct login *l = command ? NULL : login_create(o, mechanisms(c, names, sizeof names), &why);
    if (l)
        return authenticate(c, l, until);
    if ((command || !o->only.n) && o->plaintext && !imap_client_can(c, S("LOGINDISABLED")))
        return say_login(c, o, until);
    return imap_client_fail(c, ANSWER_UNSUPPORTED, why);
}

enum answer imap_client_login(
    struct imap_client *c, const struct login_options *options, deadline until)
{
    struct login_options o = *options;
    struct tls_facts tls;
    char binding[64];
    size_t n;
    if (c->dead)
        return imap_client_begin(c);
    channel_tls_facts(c->channel, &tls);
    o.plaintext = o.plaintext || tls.on;
    if (channel_binding(c->channel, &o.binding_type, binding, &n))
        o.binding = slice(binding, n);
    else
        o.binding_type = NULL;
    c->told = false;
    enum answer a = log_in(c, &o, until);
    if (a != ANSWER_OK)
        return a;
    /* Those of a session that is logged in are others (RFC 9051 §6.2.2). */
    if (!c->told)
        c->capabilities[0] = '\0';
    return imap_client_learn(c, until);
}
