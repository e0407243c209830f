#include "auth/sasl_private.h"
#include "base/base64.h"
#include <openssl/crypto.h>
#include <stdlib.h>

enum sasl_next sasl_result(const struct auth_reply *reply)
{
    return reply->result == AUTH_OK ? SASL_OK : SASL_NO;
}

static enum sasl_next check(
    struct sasl *s, struct slice user, struct slice password, struct slice authzid, deadline until)
{
    struct auth_request request = {.protocol = s->protocol,
        .mechanism = s->mechanism->name,
        .user = user,
        .password = password,
        .authzid = authzid,
        .network = s->network,
        .peer = s->peer,
        .conn = s->conn};
    auth_check(s->auth, &request, s->reply, until);
    return sasl_result(s->reply);
}

/* RFC 4616 §2: [authzid] NUL authcid NUL passwd. */
static enum sasl_next plain_step(struct sasl *s, struct slice response, bool has_response,
    struct buffer *challenge, deadline until)
{
    struct slice authzid, user;
    if (!has_response)
        return s->steps++ ? SASL_BAD : SASL_CONTINUE;
    if (slice_find(response, '\0') == SLICE_NONE)
        return SASL_BAD;
    authzid = slice_cut(&response, '\0');
    if (slice_find(response, '\0') == SLICE_NONE)
        return SASL_BAD;
    user = slice_cut(&response, '\0');
    if (user.n == 0 || response.n == 0 || slice_find(response, '\0') != SLICE_NONE)
        return SASL_BAD;
    return check(s, user, response, authzid, until);
}

/* No RFC: two prompts, as clients expect them word for word. */
static enum sasl_next login_step(struct sasl *s, struct slice response, bool has_response,
    struct buffer *challenge, deadline until)
{
    if (!has_response) {
        buffer_add(challenge, S("Username:"));
        return s->steps++ ? SASL_BAD : SASL_CONTINUE;
    }
    if (s->user_n == 0) {
        if (response.n == 0 || response.n > sizeof s->user)
            return SASL_BAD;
        memcpy(s->user, response.p, response.n);
        s->user_n = response.n;
        buffer_add(challenge, S("Password:"));
        s->steps++;
        return SASL_CONTINUE;
    }
    return check(s, slice(s->user, s->user_n), response, S(""), until);
}

/* ---- the table ---- */

static const struct sasl_mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", .binding = true, .step = sasl_scram_step},
    {"SCRAM-SHA-256", .step = sasl_scram_step},
    {"PLAIN", .plaintext = true, .step = plain_step},
    {"LOGIN", .plaintext = true, .step = login_step},
};
#define MECHANISMS (sizeof mechanisms / sizeof *mechanisms)
_Static_assert(MECHANISMS <= SASL_MECHANISMS_MAX, "callers have room for so many");

static bool offered(const struct sasl_mechanism *m, bool tls, bool plaintext_allowed, bool binding)
{
    return (!m->plaintext || tls || plaintext_allowed) && (!m->binding || (tls && binding));
}

static const struct sasl_mechanism *find(struct slice name)
{
    for (size_t i = 0; i < MECHANISMS; i++)
        if (slice_eq_nocase(name, slice_str(mechanisms[i].name)))
            return &mechanisms[i];
    return NULL;
}

struct slice sasl_mechanisms(bool tls, bool plaintext_allowed, bool binding, char out[128])
{
    struct buffer to = {.p = out, .cap = 128, .max = 128};
    for (size_t i = 0; i < MECHANISMS; i++) {
        if (!offered(&mechanisms[i], tls, plaintext_allowed, binding))
            continue;
        if (to.n)
            buffer_add_char(&to, ' ');
        buffer_add(&to, slice_str(mechanisms[i].name));
    }
    return buffer_slice(&to);
}

enum sasl_offer sasl_offered(struct slice mechanism, bool tls, bool plaintext_allowed, bool binding)
{
    const struct sasl_mechanism *m = find(mechanism);
    if (!m || (m->binding && tls && !binding))
        return SASL_NO_SUCH;
    return offered(m, tls, plaintext_allowed, binding) ? SASL_OFFERED : SASL_NEEDS_TLS;
}

/* ---- exchanges ---- */

static bool set_binding(struct sasl *s, const char *type, struct slice binding)
{
    struct buffer to = {
        .p = s->binding, .cap = sizeof s->binding - 1, .max = sizeof s->binding - 1};
    if (!type || binding.n == 0)
        return true;
    if (slice_eq(slice_str(type), S("tls-exporter")))
        s->binding_property = GSASL_CB_TLS_EXPORTER;
    else if (slice_eq(slice_str(type), S("tls-unique")))
        s->binding_property = GSASL_CB_TLS_UNIQUE;
    else
        return true;
    if (!base64_encode(binding, &to))
        return false;
    s->binding[to.n] = '\0';
    return true;
}

struct sasl *sasl_create(const struct sasl_options *options)
{
    const struct sasl_mechanism *m = find(options->mechanism);
    struct sasl *s = m ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->auth = options->auth;
    s->mechanism = m;
    s->protocol = options->protocol;
    s->network = options->network;
    s->peer = options->peer;
    s->conn = options->conn;
    if (!set_binding(s, options->binding_type, options->binding) ||
        (m->binding && !s->binding_property)) {
        free(s);
        return NULL;
    }
    return s;
}

void sasl_destroy(struct sasl *s)
{
    if (!s)
        return;
    if (s->session)
        gsasl_finish(s->session);
    OPENSSL_cleanse(s, sizeof *s);
    free(s);
}

enum sasl_next sasl_step(struct sasl *s, struct slice response, bool has_response,
    struct buffer *challenge, struct auth_reply *reply, deadline until)
{
    buffer_reset(challenge);
    *reply = (struct auth_reply){.result = AUTH_WRONG, .mechanism = s->mechanism->name};
    if (s->over || response.n > SASL_RESPONSE_MAX)
        return SASL_BAD;
    s->reply = reply;
    enum sasl_next next = s->mechanism->step(s, response, has_response, challenge, until);
    s->reply = NULL;
    s->over = next != SASL_CONTINUE;
    if (s->over)
        buffer_reset(challenge);
    return next;
}
