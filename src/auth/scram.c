/* SCRAM-SHA-256 (RFC 5802, RFC 7677) through libgsasl without its callbacks: nothing may suspend
 * inside a library. A probe session reads the client's first message and tells the name; the
 * credentials are awaited; a second session is given them and the same message again.
 *
 * 1. client-first  -> probe, lookup, session: server-first
 * 2. client-final  -> session: server-final, as a challenge; the reply is known
 * 3. empty         -> OK */
#include "auth/sasl_private.h"
#include "base/base64.h"
#include "base/random.h"
#include <openssl/crypto.h>
#include <stdio.h>

static struct auth_attempt attempt(struct sasl *s)
{
    return (struct auth_attempt){.auth = s->auth,
        .protocol = s->protocol,
        .network = s->network,
        .user = slice(s->user, s->user_n),
        .peer = s->peer,
        .conn = s->conn,
        .started = clock_now(),
        .reply = s->reply};
}

static enum sasl_next refused(struct sasl *s, const char *reason, deadline until)
{
    struct auth_attempt a = attempt(s);
    auth_refuse(&a, reason, NULL, until);
    auth_report(&a);
    return SASL_NO;
}

static enum sasl_next broken(struct sasl *s, const char *reason)
{
    struct auth_attempt a = attempt(s);
    s->reply->result = AUTH_FAILED;
    s->reply->reason = reason;
    auth_report(&a);
    return SASL_NO;
}

/* A session that knows the channel binding. On plain SCRAM too: a client that could bind and was
 * not offered -PLUS says 'y', and is refused (RFC 5802 §6). */
static Gsasl_session *start(struct sasl *s)
{
    Gsasl_session *session = NULL;
    if (gsasl_server_start(s->auth->gsasl, s->mechanism->name, &session) != GSASL_OK)
        return NULL;
    if (s->binding_property &&
        gsasl_property_set(session, s->binding_property, s->binding) != GSASL_OK) {
        gsasl_finish(session);
        return NULL;
    }
    return session;
}

/* Reads the name off the client's first message. */
static int probe(struct sasl *s, struct slice first)
{
    char *out = NULL;
    size_t n = 0;
    Gsasl_session *session = start(s);
    if (!session)
        return GSASL_MALLOC_ERROR;
    int rc = gsasl_step(session, first.p, first.n, &out, &n);
    gsasl_free(out);
    struct slice name = slice_str(gsasl_property_fast(session, GSASL_AUTHID));
    if (rc == GSASL_NEEDS_MORE && (name.n == 0 || name.n > sizeof s->user))
        rc = GSASL_AUTHENTICATION_ERROR;
    if (rc == GSASL_NEEDS_MORE) {
        memcpy(s->user, name.p, name.n);
        s->user_n = name.n;
    }
    gsasl_finish(session);
    return rc;
}

static bool set_base64(Gsasl_session *session, Gsasl_property property, const void *p, size_t n)
{
    char text[64];
    struct buffer to = {.p = text, .cap = sizeof text - 1, .max = sizeof text - 1};
    if (!base64_encode(slice(p, n), &to))
        return false;
    text[to.n] = '\0';
    return gsasl_property_set(session, property, text) == GSASL_OK;
}

/* The keys of the account; for a name without any the same salt each time and keys that nobody
 * has. */
static bool set_keys(struct sasl *s, const struct directory_credentials *credentials)
{
    struct directory_credentials keys = *credentials;
    char iterations[16];
    if (!s->usable) {
        keys.scram_iterations = PASSWORD_SCRAM_ITERATIONS;
        directory_salt(s->auth->directory, slice(s->user, s->user_n), keys.scram_salt);
        random_bytes(keys.scram_stored_key, sizeof keys.scram_stored_key);
        random_bytes(keys.scram_server_key, sizeof keys.scram_server_key);
    }
    snprintf(iterations, sizeof iterations, "%u", keys.scram_iterations);
    bool set = gsasl_property_set(s->session, GSASL_SCRAM_ITER, iterations) == GSASL_OK &&
               set_base64(s->session, GSASL_SCRAM_SALT, keys.scram_salt, sizeof keys.scram_salt) &&
               set_base64(s->session, GSASL_SCRAM_STOREDKEY, keys.scram_stored_key,
                   sizeof keys.scram_stored_key) &&
               set_base64(s->session, GSASL_SCRAM_SERVERKEY, keys.scram_server_key,
                   sizeof keys.scram_server_key);
    OPENSSL_cleanse(&keys, sizeof keys);
    return set;
}

/* Gives a message to the session and its answer to the challenge. */
static int give(struct sasl *s, struct slice message, struct buffer *challenge)
{
    char *out = NULL;
    size_t n = 0;
    int rc = gsasl_step(s->session, message.p, message.n, &out, &n);
    if ((rc == GSASL_OK || rc == GSASL_NEEDS_MORE) && !buffer_add(challenge, slice(out, n)))
        rc = GSASL_MALLOC_ERROR;
    gsasl_free(out);
    return rc;
}

static enum sasl_next first_step(
    struct sasl *s, struct slice first, struct buffer *challenge, deadline until)
{
    struct directory_credentials credentials;
    struct auth_attempt a;
    /* Bound to a channel, yet without -PLUS: libgsasl does not mind, RFC 5802 §6 does. */
    if (!s->mechanism->binding && first.p[0] == 'p')
        return refused(s, "channel binding or name refused", until);
    switch (probe(s, first)) {
    case GSASL_NEEDS_MORE:
        break;
    case GSASL_AUTHENTICATION_ERROR:
    case GSASL_NO_CB_TLS_EXPORTER:
    case GSASL_NO_CB_TLS_UNIQUE:
        return refused(s, "channel binding or name refused", until);
    case GSASL_MALLOC_ERROR:
        return broken(s, "out of memory");
    default:
        return SASL_BAD;
    }
    a = attempt(s);
    if (!auth_admit(&a, until) ||
        auth_lookup(&a, &s->account, &credentials, until) == AUTH_FAILED) {
        auth_report(&a);
        return SASL_NO;
    }
    s->usable = s->account.id && credentials.present && credentials.scram_iterations;
    s->session = start(s);
    bool ready =
        s->session && set_keys(s, &credentials) && give(s, first, challenge) == GSASL_NEEDS_MORE;
    OPENSSL_cleanse(&credentials, sizeof credentials);
    if (!ready)
        return broken(s, "libgsasl did not take the credentials");
    return SASL_CONTINUE;
}

static enum sasl_next final_step(
    struct sasl *s, struct slice final, struct buffer *challenge, deadline until)
{
    int rc = give(s, final, challenge);
    struct auth_attempt a = attempt(s);
    if (rc == GSASL_MALLOC_ERROR)
        return broken(s, "out of memory");
    s->reply->account = s->account.id; /* failures are counted about it */
    if (rc != GSASL_OK || !s->usable)
        return refused(s,
            !s->account.id ? "unknown user"
            : !s->usable   ? "the account has no SCRAM keys"
                           : "wrong password",
            until);
    s->reply->credentials_version = s->account.credentials_version;
    memcpy(s->reply->address, s->account.address, sizeof s->reply->address);
    auth_accept(&a, &s->account, slice_str(gsasl_property_fast(s->session, GSASL_AUTHZID)), until);
    auth_report(&a);
    if (s->reply->result != AUTH_OK)
        return SASL_NO;
    s->proved = true;
    s->proved_reply = *s->reply;
    return SASL_CONTINUE;
}

enum sasl_next sasl_scram_step(struct sasl *s, struct slice response, bool has_response,
    struct buffer *challenge, deadline until)
{
    if (!has_response)
        return s->steps++ ? SASL_BAD : SASL_CONTINUE;
    s->steps++;
    if (s->proved) {
        *s->reply = s->proved_reply;
        return response.n == 0 ? SASL_OK : SASL_BAD;
    }
    if (response.n == 0)
        return SASL_BAD;
    return s->session ? final_step(s, response, challenge, until)
                      : first_step(s, response, challenge, until);
}
