#include "net/channel_private.h"
#include "net/dial_private.h"
#include "net/tls_private.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* ---- a session that knows whom to expect ---- */

static bool is_address(const char *name)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* RFC 6125 §6.4.3 without partial wildcards; RFC 7817 §3 */
static bool expect_names(SSL *ssl, const struct dial_tls *tls)
{
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!tls->server_name) /* nobody's name, so that it never counts as verified */
        return tls->verify == DIAL_VERIFY_NONE && SSL_set1_host(ssl, "name.invalid") == 1;
    if (is_address(tls->server_name))
        return X509_VERIFY_PARAM_set1_ip_asc(p, tls->server_name) == 1;
    if (!tls_host_name(tls->server_name) || tls->also_n > DIAL_NAMES_MAX)
        return false;
    bool fine = SSL_set_tlsext_host_name(ssl, tls->server_name) == 1 &&
                SSL_set1_host(ssl, tls->server_name) == 1;
    for (size_t i = 0; fine && i < tls->also_n; i++)
        fine = tls_host_name(tls->also[i]) && SSL_add1_host(ssl, tls->also[i]) == 1;
    return fine;
}

/* RFC 7672 §3.1: only usages 2 and 3. *usable: how many records there are to hold it against. */
static bool expect_records(SSL *ssl, const struct dial_tls *tls, size_t *usable)
{
    *usable = 0;
    if (!tls->server_name || tls->tlsa_n > DIAL_TLSA_MAX ||
        SSL_dane_enable(ssl, tls->server_name) != 1)
        return false;
    /* RFC 7672 §3.1.1: usage 3 binds the key to the name; what the certificate says does not count
     */
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (size_t i = 0; i < tls->tlsa_n; i++) {
        const struct dial_tlsa *t = &tls->tlsa[i];
        if (t->usage != 2 && t->usage != 3)
            continue;
        int added = SSL_dane_tlsa_add(
            ssl, t->usage, t->selector, t->matching, (const unsigned char *)t->data.p, t->data.n);
        if (added < 0)
            return false;
        *usable += added > 0;
    }
    ERR_clear_error();
    return true;
}

static SSL *session_begin(const struct dial_tls *tls, enum dial_verify verify)
{
    SSL *ssl = dial_trust_session(tls->trust);
    if (!ssl)
        return NULL;
    SSL_set_connect_state(ssl);
    /* Where no certificate counts, weak ones are better than no TLS at all. */
    SSL_set_security_level(ssl, verify == DIAL_VERIFY_NONE ? 1 : 2);
    SSL_set_verify(ssl, verify == DIAL_VERIFY_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return ssl;
}

static SSL *session_create(const struct dial_tls *tls)
{
    size_t usable = 0;
    SSL *ssl = session_begin(tls, tls->verify);
    bool fine = ssl != NULL;
    if (fine && tls->verify == DIAL_VERIFY_DANE) {
        fine = expect_records(ssl, tls, &usable);
        if (fine && !usable) {
            /* RFC 7672 §2.2: TLS is a must, the certificate is not looked at */
            SSL_free(ssl);
            ssl = session_begin(tls, DIAL_VERIFY_NONE);
            fine = ssl != NULL;
        }
    }
    if (fine && expect_names(ssl, tls))
        return ssl;
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

/* ---- the handshake ---- */

static enum dial_result refuse(
    struct channel *c, enum dial_result r, const char *words, char why[DIAL_WHY])
{
    channel_break(c, "TLS was wanted and is not there");
    snprintf(why, DIAL_WHY, "%s", words);
    return r;
}

/* Why the handshake failed: our opinion of the certificate, or what the stream says. */
static enum dial_result explain(struct stream *stream, SSL *ssl, char why[DIAL_WHY])
{
    long verdict = SSL_get_verify_result(ssl);
    bool judged = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verdict != X509_V_OK;
    if (!judged) {
        snprintf(why, DIAL_WHY, "%s", stream->ops->error(stream));
        return tls_lost_below(stream) ? DIAL_FAILED : DIAL_TLS;
    }
    snprintf(
        why, DIAL_WHY, "the certificate is refused: %s", X509_verify_cert_error_string(verdict));
    return DIAL_UNTRUSTED;
}

static enum dial_result shake(
    struct channel *c, struct stream *stream, SSL *ssl, char why[DIAL_WHY], deadline until)
{
    for (;;) {
        int r = stream->ops->handshake(stream);
        if (r == 1)
            return DIAL_OK;
        if (r != STREAM_WANT_READ && r != STREAM_WANT_WRITE)
            return explain(stream, ssl, why);
        switch (channel_await(c, r, until)) {
        case CHANNEL_OK:
            break;
        case CHANNEL_TIMEOUT:
            snprintf(why, DIAL_WHY, "the TLS handshake took too long");
            return DIAL_TIMEOUT;
        default:
            snprintf(why, DIAL_WHY, "cancelled");
            return DIAL_CANCELLED;
        }
    }
}

enum dial_result dial_start_tls(
    struct channel *c, const struct dial_tls *tls, char why[DIAL_WHY], deadline until)
{
    struct tls_facts facts;
    why[0] = '\0';
    channel_tls_facts(c, &facts);
    if (facts.on)
        return refuse(c, DIAL_TLS, "TLS is on already", why);
    /* RFC 3207 §6 is about commands; replies that are slipped in are no better. */
    if (channel_unread(c).n)
        return refuse(c, DIAL_INJECTED, "plain text came behind the go-ahead for TLS", why);
    SSL *ssl = session_create(tls);
    if (!ssl)
        return refuse(c, DIAL_TLS, "TLS could not be set up for this server name", why);
    struct stream *stream = tls_over(ssl, channel_stream(c));
    if (!stream) {
        SSL_free(ssl);
        return refuse(c, DIAL_FAILED, "out of memory", why);
    }
    channel_set_stream(c, stream);
    enum dial_result r = shake(c, stream, ssl, why, until);
    if (r != DIAL_OK)
        channel_break(c, "TLS was wanted and is not there");
    return r;
}
