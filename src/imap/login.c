/* LOGIN (RFC 9051 §6.2.3), AUTHENTICATE with SASL-IR (§6.2.2, RFC 4959): the exchange of lines.
 * Whether a password is right says auth/. */
#include "auth/sasl.h"
#include "base/base64.h"
#include "imap/session_private.h"
#include <stdlib.h>

#define NEEDS_TLS "Passwords are taken over TLS only: say STARTTLS first, or use port 993"

static bool tls(const struct imap_talk *t)
{
    return conn_tls(t->conn)->on;
}

static bool plaintext(const struct imap_talk *t)
{
    return tls(t) || t->service->plaintext_without_tls;
}

/* ---- what is offered ---- */

bool imap_login_disabled(const struct imap_talk *t, struct buffer *words)
{
    return !plaintext(t);
}

static bool binding(const struct imap_talk *t, const char **type, char data[64], size_t *n)
{
    return tls(t) && conn_channel_binding(t->conn, type, data, n);
}

/* Behind "AUTH=": "SCRAM-SHA-256 AUTH=PLAIN". */
bool imap_login_mechanisms(const struct imap_talk *t, struct buffer *words)
{
    const char *type;
    char data[64], names[128];
    size_t n;
    bool bound = binding(t, &type, data, &n);
    struct slice offer = sasl_mechanisms(tls(t), plaintext(t), bound, names);
    bool any = offer.n > 0;
    while (offer.n) {
        buffer_add(words, slice_cut(&offer, ' '));
        if (offer.n)
            buffer_add(words, S(" AUTH="));
    }
    return any;
}

/* ---- LOGIN ---- */

void imap_login(struct imap_preauth *s, struct imap_command *c)
{
    struct auth_reply reply;
    struct slice user, password;
    struct imap_lex *l = &c->lex;
    const struct peer *peer = conn_peer(s->talk.conn);
    if (!plaintext(&s->talk)) {
        imap_reply(c, IMAP_NO, "PRIVACYREQUIRED", NEEDS_TLS);
        return;
    }
    if (!imap_lex_space(l) || !imap_lex_astring(l, &user) || !imap_lex_space(l) ||
        !imap_lex_astring(l, &password) || !imap_lex_end(l)) {
        imap_reply_syntax(c);
        return;
    }
    const struct auth_request request = {
        .protocol = AUTH_IMAP,
        .mechanism = "LOGIN command",
        .user = user,
        .password = password,
        .network = peer_network_key(peer),
        .peer = slice_str(peer->address),
        .conn = conn_id(s->talk.conn),
    };
    auth_check(s->talk.service->auth, &request, &reply, deadline_in(IMAP_AUTH_TIME));
    if (reply.result == AUTH_OK)
        imap_preauth_logged_in(s, c, &reply);
    else
        imap_preauth_refused(s, c, reply.result);
}

/* ---- AUTHENTICATE ---- */

void imap_login_forget(struct imap_preauth *s)
{
    sasl_destroy(s->sasl);
    free(s->sasl_tag);
    s->sasl = NULL;
    s->sasl_tag = NULL;
}

/* "+ " and base64. */
static void challenge(struct imap_preauth *s, struct imap_command *c, const struct buffer *bytes)
{
    struct buffer text;
    buffer_init(&text, BASE64_SIZE(SASL_CHALLENGE_MAX) + 4);
    buffer_add(&text, S("+ "));
    base64_encode(buffer_slice(bytes), &text);
    buffer_add(&text, S("\r\n"));
    if (text.overflow) {
        sasl_destroy(s->sasl);
        s->sasl = NULL;
        imap_reply(c, IMAP_NO, "UNAVAILABLE", "Out of memory, try again later");
    } else {
        imap_put(&s->talk, buffer_slice(&text));
        c->later = true;
    }
    buffer_finish(&text);
}

TASK_FN
static void step(
    struct imap_preauth *s, struct imap_command *c, struct slice response, bool has_response)
{
    struct auth_reply reply;
    struct buffer bytes;
    deadline until = deadline_in(IMAP_AUTH_TIME);
    buffer_init(&bytes, SASL_CHALLENGE_MAX);
    enum sasl_next next = sasl_step(s->sasl, response, has_response, &bytes, &reply, until);
    if (next == SASL_CONTINUE)
        challenge(s, c, &bytes);
    buffer_finish(&bytes);
    if (next == SASL_CONTINUE)
        return;
    sasl_destroy(s->sasl);
    s->sasl = NULL;
    if (next == SASL_OK)
        imap_preauth_logged_in(s, c, &reply);
    else if (next == SASL_NO)
        imap_preauth_refused(s, c, reply.result);
    else
        imap_reply(c, IMAP_BAD_COMMAND, "", "That is not how this mechanism speaks");
}

static void give_up(struct imap_preauth *s, struct imap_command *c, const char *why)
{
    sasl_destroy(s->sasl);
    s->sasl = NULL;
    imap_reply(c, IMAP_BAD_COMMAND, "", "%s", why);
}

/* A response as it was sent. "=" stands for an empty one in the command only (RFC 4959 §3). */
TASK_FN
static void step_encoded(
    struct imap_preauth *s, struct imap_command *c, struct slice text, bool initial)
{
    struct buffer bytes;
    if (initial && slice_eq(text, S("="))) {
        step(s, c, S(""), true);
        return;
    }
    buffer_init(&bytes, SASL_RESPONSE_MAX);
    if (base64_decode(text, &bytes))
        step(s, c, buffer_slice(&bytes), true);
    else
        give_up(s, c, "That is not base64");
    if (bytes.p)
        explicit_bzero(bytes.p, bytes.cap);
    buffer_finish(&bytes);
}

static struct sasl *create(
    struct imap_preauth *s, struct slice mechanism, bool bound, const char *type, struct slice data)
{
    const struct peer *peer = conn_peer(s->talk.conn);
    const struct sasl_options options = {
        .auth = s->talk.service->auth,
        .protocol = AUTH_IMAP,
        .mechanism = mechanism,
        .network = peer_network_key(peer),
        .peer = slice_str(peer->address),
        .conn = conn_id(s->talk.conn),
        .binding_type = bound ? type : NULL,
        .binding = data,
    };
    return sasl_create(&options);
}

/* s->sasl, or a reply that says why not. */
static bool begin(struct imap_preauth *s, struct imap_command *c, struct slice mechanism)
{
    struct imap_talk *t = &s->talk;
    const char *type = NULL;
    char data[64];
    size_t n = 0;
    bool bound = binding(t, &type, data, &n);
    switch (sasl_offered(mechanism, tls(t), plaintext(t), bound)) {
    case SASL_NEEDS_TLS:
        imap_reply(c, IMAP_NO, "PRIVACYREQUIRED", NEEDS_TLS);
        return false;
    case SASL_NO_SUCH:
        imap_reply(c, IMAP_NO, "CANNOT", "No such mechanism; CAPABILITY names those there are");
        return false;
    case SASL_OFFERED:
        break;
    }
    s->sasl = create(s, mechanism, bound, type, slice(data, n));
    s->sasl_tag = slice_to_new(c->tag);
    if (s->sasl && s->sasl_tag)
        return true;
    imap_reply(c, IMAP_NO, "UNAVAILABLE", "Out of memory, try again later");
    return false;
}

void imap_authenticate(struct imap_preauth *s, struct imap_command *c)
{
    struct slice mechanism, initial = {0};
    struct imap_lex *l = &c->lex;
    bool fine = imap_lex_space(l) && imap_lex_atom(l, &mechanism);
    if (fine && !imap_lex_end(l)) {
        fine = imap_lex_space(l) && !imap_lex_end(l);
        initial = slice_from(l->all, l->at);
    }
    if (!fine) {
        imap_reply_syntax(c);
        return;
    }
    if (begin(s, c, mechanism)) {
        if (initial.n)
            step_encoded(s, c, initial, true);
        else
            step(s, c, S(""), false);
    }
    if (!s->sasl)
        imap_login_forget(s);
}

void imap_login_line(struct imap_preauth *s, struct slice line, enum imap_response found)
{
    struct imap_command c = {.tag = slice_str(s->sasl_tag)};
    buffer_init(&c.long_code, IMAP_LONG_CODE_MAX);
    if (found == IMAP_RESPONSE_BARE_LF)
        give_up(s, &c, "Lines end with CRLF, not with LF alone");
    else if (found == IMAP_RESPONSE_TOO_LONG)
        give_up(s, &c, "The response is too long");
    else if (slice_eq(line, S("*")))
        give_up(s, &c, "Cancelled");
    else
        step_encoded(s, &c, line, false);
    if (found == IMAP_RESPONSE_TOO_LONG) /* its rest would be read as commands */
        c.bye = "The response is too long";
    imap_talk_tagged(&s->talk, &c);
    if (!s->sasl)
        imap_login_forget(s);
}
