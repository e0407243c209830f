/* AUTH (RFC 4954): from base64 to SASL and back. Whether a password is right says auth/. */
#include "auth/sasl.h"
#include "base/base64.h"
#include "intake/submission_private.h"

#define LOGIN_TIME (60 * CLOCK_SEC)

/* What binds an exchange to its TLS connection (RFC 5802 §6). */
struct binding {
    const char *type; /* NULL: none */
    char data[64];
    size_t n;
};

static bool tls(const struct smtp_session *s)
{
    return conn_tls(smtp_conn(s))->on;
}

static void get_binding(const struct smtp_session *s, struct binding *b)
{
    b->n = 0;
    if (!tls(s) || !conn_channel_binding(smtp_conn(s), &b->type, b->data, &b->n))
        b->type = NULL;
}

/* Without TLS nothing is offered, not even what shows no password: what follows would go in clear.
 */
struct slice intake_login_mechanisms(struct smtp_session *s)
{
    struct intake_submitter *u = intake_of(s)->submitter;
    struct binding b;
    if (!tls(s))
        return (struct slice){0};
    get_binding(s, &b);
    return sasl_mechanisms(true, false, b.type, u->mechanisms);
}

static void forget(struct intake_submitter *u)
{
    sasl_destroy(u->sasl);
    u->sasl = NULL;
}

void intake_login_end(struct intake_submitter *u)
{
    forget(u);
    auth_place_give(&u->place);
}

/* ---- the outcome ---- */

static enum smtp_auth_step logged_in(
    struct intake_session *t, const struct auth_reply *who, struct smtp_reply *reply)
{
    struct intake_submitter *u = t->submitter;
    if (!auth_place_take(&u->place, who->account, t->options->connections_per_account)) {
        smtp_reply_set(reply, 454, "4.7.0", "Too many connections of this account");
        return SMTP_AUTH_REFUSED;
    }
    u->account = who->account;
    memcpy(u->address, who->address, sizeof u->address);
    conn_set_account(smtp_conn(t->smtp), u->address);
    return SMTP_AUTH_DONE;
}

static enum smtp_auth_step refused(enum auth_result why, struct smtp_reply *reply)
{
    if (why == AUTH_BUSY || why == AUTH_FAILED)
        smtp_reply_set(reply, 454, "4.7.0", "Cannot check that now, try again later");
    else if (why == AUTH_DISABLED)
        smtp_reply_set(reply, 535, "5.7.8", "This account is disabled");
    else
        smtp_reply_set(reply, 535, "5.7.8", "Wrong name or password");
    return SMTP_AUTH_REFUSED;
}

static enum smtp_auth_step syntax(struct smtp_reply *reply, const char *text)
{
    smtp_reply_set(reply, 501, "5.5.2", "%s", text);
    return SMTP_AUTH_REFUSED;
}

/* ---- the exchange ---- */

TASK_FN
static enum smtp_auth_step step(struct intake_session *t, struct slice response, bool has_response,
    struct buffer *challenge, struct smtp_reply *reply)
{
    struct intake_submitter *u = t->submitter;
    struct auth_reply who;
    struct buffer bytes;
    buffer_init(&bytes, SASL_CHALLENGE_MAX);
    enum sasl_next next =
        sasl_step(u->sasl, response, has_response, &bytes, &who, deadline_in(LOGIN_TIME));
    bool written = next == SASL_CONTINUE && base64_encode(buffer_slice(&bytes), challenge);
    buffer_finish(&bytes);
    if (written)
        return SMTP_AUTH_CHALLENGE;
    forget(u);
    switch (next) {
    case SASL_OK:
        return logged_in(t, &who, reply);
    case SASL_NO:
        return refused(who.result, reply);
    case SASL_CONTINUE:
        return refused(AUTH_FAILED, reply); /* out of memory */
    case SASL_BAD:
        break;
    }
    return syntax(reply, "That is not how this mechanism speaks");
}

/* A response as it was sent. "=" stands for an empty one in the command only (RFC 4954 §4). */
TASK_FN
static enum smtp_auth_step step_encoded(struct intake_session *t,
    const struct smtp_auth_request *request, struct buffer *challenge, struct smtp_reply *reply)
{
    struct buffer bytes;
    enum smtp_auth_step next;
    if (request->mechanism.n && slice_eq(request->response, S("=")))
        return step(t, S(""), true, challenge, reply);
    buffer_init(&bytes, SASL_RESPONSE_MAX);
    if (base64_decode(request->response, &bytes)) {
        next = step(t, buffer_slice(&bytes), true, challenge, reply);
    } else {
        forget(t->submitter);
        next = syntax(reply, "That is not base64");
    }
    if (bytes.p)
        explicit_bzero(bytes.p, bytes.cap);
    buffer_finish(&bytes);
    return next;
}

/* False: *reply. */
static bool begin(struct intake_session *t, struct slice mechanism, struct smtp_reply *reply)
{
    struct conn *c = smtp_conn(t->smtp);
    struct binding b;
    get_binding(t->smtp, &b);
    if (sasl_offered(mechanism, tls(t->smtp), false, b.type) != SASL_OFFERED) {
        smtp_reply_set(reply, 504, "5.5.4", "No such mechanism; EHLO names those there are");
        return false;
    }
    const struct sasl_options options = {
        .auth = t->options->auth,
        .protocol = AUTH_SUBMISSION,
        .mechanism = mechanism,
        .network = peer_network_key(conn_peer(c)),
        .peer = slice_str(conn_peer(c)->address),
        .conn = conn_id(c),
        .binding_type = b.type,
        .binding = slice(b.data, b.n),
    };
    t->submitter->sasl = sasl_create(&options);
    if (!t->submitter->sasl)
        refused(AUTH_FAILED, reply);
    return t->submitter->sasl;
}

enum smtp_auth_step intake_login_step(struct smtp_session *s,
    const struct smtp_auth_request *request, struct buffer *challenge, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    if (request->cancelled) {
        forget(t->submitter);
        return SMTP_AUTH_REFUSED;
    }
    if (request->mechanism.n && !begin(t, request->mechanism, reply))
        return SMTP_AUTH_REFUSED;
    if (!request->has_response)
        return step(t, S(""), false, challenge, reply);
    return step_encoded(t, request, challenge, reply);
}
