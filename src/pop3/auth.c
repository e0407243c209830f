/* USER and PASS (RFC 1939 §7), AUTH (RFC 5034): the exchange of lines. Whether a password is right
 * says auth/. */
#include "auth/sasl.h"
#include "base/base64.h"
#include "pop3/session_private.h"

#define PLAIN_NEEDS_TLS "Passwords are taken over TLS only: say STLS first, or use port 995"

static bool tls(const struct pop3_talk *t)
{
    return conn_tls(t->conn)->on;
}

static bool plaintext(const struct pop3_talk *t)
{
    return tls(t) || t->service->plaintext_without_tls;
}

/* ---- what is offered ---- */

void pop3_auth_offer_user(const struct pop3_talk *t, bool mail, struct buffer *lines)
{
    if (plaintext(t))
        buffer_add(lines, S("USER\r\n"));
}

static bool binding(const struct pop3_talk *t, const char **type, char data[64], size_t *n)
{
    return tls(t) && conn_channel_binding(t->conn, type, data, n);
}

void pop3_auth_offer_sasl(const struct pop3_talk *t, bool mail, struct buffer *lines)
{
    const char *type;
    char data[64], names[128];
    size_t n;
    bool bound = binding(t, &type, data, &n);
    struct slice offer = sasl_mechanisms(tls(t), plaintext(t), bound, names);
    if (offer.n)
        buffer_printf(lines, "SASL " SLICE_FMT "\r\n", SLICE_ARG(offer));
}

/* ---- USER, PASS ---- */

/* Whether the name exists is not told (RFC 1939 §13). */
void pop3_auth_user(struct pop3_preauth *s, const struct pop3_command *c)
{
    s->user_given = false;
    if (!plaintext(&s->talk)) {
        pop3_talk_error(&s->talk, POP3_CODE_NONE, PLAIN_NEEDS_TLS);
    } else if (c->text.n > sizeof s->user) {
        pop3_talk_bad(&s->talk, "The name is longer than %zu octets", sizeof s->user);
    } else {
        memcpy(s->user, c->text.p, c->text.n);
        s->user_n = c->text.n;
        s->user_given = true;
        pop3_talk_ok(&s->talk, "Now the password");
    }
}

void pop3_auth_pass(struct pop3_preauth *s, const struct pop3_command *c)
{
    struct auth_reply reply;
    const struct peer *peer = conn_peer(s->talk.conn);
    if (!plaintext(&s->talk)) {
        pop3_talk_error(&s->talk, POP3_CODE_NONE, PLAIN_NEEDS_TLS);
        return;
    }
    if (!s->user_given) {
        pop3_talk_bad(&s->talk, "USER comes first");
        return;
    }
    const struct auth_request request = {
        .protocol = AUTH_POP3,
        .user = slice(s->user, s->user_n),
        .password = c->text,
        .network = peer_network_key(peer),
        .peer = slice_str(peer->address),
        .conn = conn_id(s->talk.conn),
    };
    s->user_given = false;
    auth_check(s->talk.service->auth, &request, &reply, deadline_in(POP3_AUTH_TIME));
    if (reply.result == AUTH_OK)
        pop3_preauth_logged_in(s, &reply);
    else
        pop3_preauth_refused(s, reply.result);
}

/* ---- AUTH ---- */

void pop3_auth_forget(struct pop3_preauth *s)
{
    sasl_destroy(s->sasl);
    s->sasl = NULL;
}

/* Ends the exchange with a reply that is not about the password. */
static void give_up(struct pop3_preauth *s, const char *why)
{
    pop3_auth_forget(s);
    pop3_talk_bad(&s->talk, "%s", why);
}

/* RFC 5034 §4: "+ " and base64, which may be longer than a reply. */
static void challenge(struct pop3_preauth *s, const struct buffer *bytes)
{
    struct buffer text;
    buffer_init(&text, BASE64_SIZE(SASL_CHALLENGE_MAX) + 4);
    buffer_add(&text, S("+ "));
    base64_encode(buffer_slice(bytes), &text);
    buffer_add(&text, S("\r\n"));
    if (text.overflow) {
        pop3_auth_forget(s);
        pop3_talk_error(&s->talk, POP3_CODE_SYS_TEMP, "Out of memory, try again later");
    } else {
        conn_put(s->talk.conn, buffer_slice(&text));
    }
    buffer_finish(&text);
}

static void step(struct pop3_preauth *s, struct slice response, bool has_response)
{
    struct auth_reply reply;
    struct buffer bytes;
    buffer_init(&bytes, SASL_CHALLENGE_MAX);
    enum sasl_next next =
        sasl_step(s->sasl, response, has_response, &bytes, &reply, deadline_in(POP3_AUTH_TIME));
    if (next == SASL_CONTINUE)
        challenge(s, &bytes);
    buffer_finish(&bytes);
    if (next == SASL_CONTINUE)
        return;
    pop3_auth_forget(s);
    if (next == SASL_OK)
        pop3_preauth_logged_in(s, &reply);
    else if (next == SASL_NO)
        pop3_preauth_refused(s, reply.result);
    else
        pop3_talk_bad(&s->talk, "That is not how this mechanism speaks");
}

/* A response as it was sent. "=" stands for an empty one in the command only. */
static void step_encoded(struct pop3_preauth *s, struct slice text, bool initial)
{
    struct buffer bytes;
    if (initial && slice_eq(text, S("="))) {
        step(s, S(""), true);
        return;
    }
    buffer_init(&bytes, SASL_RESPONSE_MAX);
    if (base64_decode(text, &bytes))
        step(s, buffer_slice(&bytes), true);
    else
        give_up(s, "That is not base64");
    if (bytes.p)
        explicit_bzero(bytes.p, bytes.cap);
    buffer_finish(&bytes);
}

static struct sasl *create(
    struct pop3_preauth *s, struct slice mechanism, bool bound, const char *type, struct slice data)
{
    const struct peer *peer = conn_peer(s->talk.conn);
    const struct sasl_options options = {
        .auth = s->talk.service->auth,
        .protocol = AUTH_POP3,
        .mechanism = mechanism,
        .network = peer_network_key(peer),
        .peer = slice_str(peer->address),
        .conn = conn_id(s->talk.conn),
        .binding_type = bound ? type : NULL,
        .binding = data,
    };
    return sasl_create(&options);
}

void pop3_auth_start(struct pop3_preauth *s, const struct pop3_command *c)
{
    struct pop3_talk *t = &s->talk;
    const char *type = NULL;
    char data[64];
    size_t n = 0;
    bool bound = binding(t, &type, data, &n);
    switch (sasl_offered(c->text, tls(t), plaintext(t), bound)) {
    case SASL_NEEDS_TLS:
        pop3_talk_error(t, POP3_CODE_NONE, PLAIN_NEEDS_TLS);
        return;
    case SASL_NO_SUCH:
        pop3_talk_error(t, POP3_CODE_NONE, "No such mechanism; CAPA names those there are");
        return;
    case SASL_OFFERED:
        break;
    }
    s->sasl = create(s, c->text, bound, type, slice(data, n));
    if (!s->sasl)
        pop3_talk_error(t, POP3_CODE_SYS_TEMP, "Out of memory, try again later");
    else if (c->second.n)
        step_encoded(s, c->second, true);
    else
        step(s, S(""), false);
}

void pop3_auth_line(struct pop3_preauth *s)
{
    if (!pop3_talk_line(&s->talk)) {
        pop3_auth_forget(s);
    } else if (slice_eq(s->talk.line, S("*"))) {
        pop3_auth_forget(s);
        pop3_talk_error(&s->talk, POP3_CODE_NONE, "Authentication cancelled");
    } else {
        step_encoded(s, s->talk.line, false);
    }
}
