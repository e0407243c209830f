#include "net/tls.h"
#include "base/log.h"
#include "net/tickets_private.h"
#include "net/tls_private.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define TLS_CERTIFICATES_MAX 1024
#define TLS_CHAIN_MAX        16

/* One name and what it is answered with; an RSA and an ECDSA certificate of one name share it. */
struct tls_name {
    char *server_name; /* lower case; NULL: the default */
    SSL_CTX *context;
};

/* Invariant: names[0] is the default. Nothing changes between create and the last release, so
 * handshakes read it without a lock. */
struct tls_server {
    atomic_uint references;
    size_t name_count, key_count;
    struct tls_name *names;
    struct net_key **keys;
    char warning[256]; /* about a certificate that works and needs attention; or "" */
};

static struct {
    pthread_mutex_t lock;
    struct tls_server *current;
} published = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool tls_host_name(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 255 || name[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!ascii_alnum(name[i]) && name[i] != '-' && name[i] != '_' && name[i] != '.')
            return false;
    return true;
}

/* "*.example.org" stands for exactly one label (RFC 6125 §6.4.3). */
static bool tls_name_matches(const char *pattern, struct slice name)
{
    struct slice p = slice_str(pattern);
    if (!slice_starts(p, S("*.")))
        return slice_eq_nocase(p, name);
    size_t dot = slice_find(name, '.');
    return dot != SLICE_NONE && dot > 0 && slice_eq_nocase(slice_from(p, 1), slice_from(name, dot));
}

SSL_CTX *tls_server_choose(struct tls_server *t, const char *server_name)
{
    struct slice name = slice_str(server_name);
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    SSL_CTX *wildcard = NULL;
    for (size_t i = 1; i < t->name_count; i++) {
        if (!tls_name_matches(t->names[i].server_name, name))
            continue;
        if (t->names[i].server_name[0] != '*')
            return t->names[i].context;
        if (!wildcard)
            wildcard = t->names[i].context;
    }
    return wildcard ? wildcard : t->names[0].context;
}

static int tls_on_server_name(SSL *ssl, int *alert, void *server)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name && tls_host_name(name))
        SSL_set_SSL_CTX(ssl, tls_server_choose(server, name));
    return SSL_TLSEXT_ERR_OK;
}

/* Mozilla's intermediate list (2023) without finite-field DH, in the server's order. */
static SSL_CTX *tls_context_create(struct tls_server *t)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (!c)
        return NULL;
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(c, TICKET_LIFETIME);
    SSL_CTX_set_max_early_data(c, 0);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(c, tickets_callback);
    SSL_CTX_set_tlsext_servername_callback(c, tls_on_server_name);
    SSL_CTX_set_tlsext_servername_arg(c, t);
    static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(c, ciphers) == 1 &&
        SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") == 1 &&
        SSL_CTX_set_session_id_context(c, (const unsigned char *)"barid", 5) == 1)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

static int tls_no_passphrase(char *out, int room, int writing, void *arg)
{
    return -1;
}

/* Puts leaf and chain into the context. *leaf is given back, owned by the caller. */
static const char *tls_load_chain(SSL_CTX *c, struct slice pem, X509 **leaf)
{
    if (pem.n == 0 || pem.n > INT32_MAX)
        return "the certificate file is empty";
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    *leaf = in ? PEM_read_bio_X509_AUX(in, NULL, tls_no_passphrase, NULL) : NULL;
    const char *why = NULL;
    if (!*leaf)
        why = "no certificate in PEM form (-----BEGIN CERTIFICATE-----) was found";
    else if (SSL_CTX_use_certificate(c, *leaf) != 1)
        why = "the certificate cannot be used (its key is too small or its signature too weak)";
    for (int i = 0; !why; i++) {
        X509 *above = PEM_read_bio_X509(in, NULL, tls_no_passphrase, NULL);
        if (!above)
            break;
        if (i < TLS_CHAIN_MAX && SSL_CTX_add0_chain_cert(c, above) == 1)
            continue;
        X509_free(above);
        why = "the certificate's chain cannot be used (more than 16 certificates, or a weak one)";
    }
    BIO_free(in);
    ERR_clear_error();
    return why;
}

/* Expired certificates are served all the same: no mail at all is worse than mail over a
 * certificate that most senders never check. The administrator is told. */
static void tls_check_dates(struct tls_server *t, X509 *leaf, const char *name)
{
    int days = 0, seconds = 0;
    const char *of = name ? name : "the default certificate";
    if (t->warning[0] || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)))
        return;
    if (days < 0 || seconds < 0)
        snprintf(t->warning, sizeof t->warning,
            "%s has expired %d days ago; clients will refuse it: renew it and reload", of, -days);
    else if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        snprintf(t->warning, sizeof t->warning,
            "%s is not valid yet; clients will refuse it: check the clock", of);
    else if (days < 7)
        snprintf(t->warning, sizeof t->warning, "%s expires in %d days: renew it", of, days);
}

static bool tls_refuse(char why[256], const char *name, const char *words)
{
    snprintf(why, 256, "%.90s%s%.160s", name ? name : "", name ? ": " : "", words);
    return false;
}

/* The context that this certificate goes into: a new one, or that of the same name. */
static SSL_CTX *tls_context_for(struct tls_server *t, const char *name)
{
    for (size_t i = 0; i < t->name_count; i++) {
        const char *known = t->names[i].server_name;
        if (name ? known && slice_eq_nocase(slice_str(known), slice_str(name)) : !known)
            return t->names[i].context;
    }
    struct tls_name *n = &t->names[t->name_count];
    n->server_name = name ? strdup(name) : NULL;
    n->context = name && !n->server_name ? NULL : tls_context_create(t);
    if (!n->context) {
        free(n->server_name);
        return NULL;
    }
    t->name_count++;
    return n->context;
}

static bool tls_add(struct tls_server *t, const struct tls_certificate *certificate, char why[256])
{
    const char *name = t->name_count ? certificate->server_name : NULL;
    const char *plain = name && name[0] == '*' && name[1] == '.' ? name + 2 : name;
    char key_why[256];
    if (plain && !tls_host_name(plain))
        return tls_refuse(why, name, "is not a host name (or * and one)");
    struct net_key *key = net_key_load(certificate->key_pem, key_why);
    if (!key)
        return tls_refuse(why, name, key_why);
    t->keys[t->key_count++] = key;
    SSL_CTX *c = tls_context_for(t, name);
    if (!c)
        return tls_refuse(why, name, "out of memory");
    X509 *leaf = NULL;
    const char *words = tls_load_chain(c, certificate->chain_pem, &leaf);
    if (!words && X509_check_private_key(leaf, net_key_handle(key)) != 1)
        words = "the key does not belong to the certificate (are the files of one pair?)";
    if (!words && SSL_CTX_use_PrivateKey(c, net_key_handle(key)) != 1)
        words = "the key cannot be used with its certificate";
    if (!words)
        tls_check_dates(t, leaf, name);
    X509_free(leaf);
    ERR_clear_error();
    return words ? tls_refuse(why, name, words) : true;
}

struct tls_server *tls_server_create(
    const struct tls_certificate *certificates, size_t n, char why[256])
{
    why[0] = '\0';
    if (n == 0 || n > TLS_CERTIFICATES_MAX) {
        snprintf(why, 256, "%s", n ? "more than 1024 certificates" : "no certificate");
        return NULL;
    }
    struct tls_server *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    atomic_init(&t->references, 1);
    t->names = calloc(n, sizeof *t->names);
    t->keys = calloc(n, sizeof(struct net_key *));
    bool ok = t->names && t->keys;
    for (size_t i = 0; ok && i < n; i++)
        ok = tls_add(t, &certificates[i], why);
    if (ok) {
        snprintf(why, 256, "%s", t->warning);
        return t;
    }
    if (!why[0])
        snprintf(why, 256, "out of memory");
    tls_server_release(t);
    return NULL;
}

struct tls_server *tls_server_retain(struct tls_server *t)
{
    atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return t;
}

void tls_server_release(struct tls_server *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < t->name_count; i++) {
        SSL_CTX_free(t->names[i].context);
        free(t->names[i].server_name);
    }
    for (size_t i = 0; i < t->key_count; i++)
        net_key_destroy(t->keys[i]);
    free(t->names);
    free(t->keys);
    free(t);
}

void tls_server_publish(struct tls_server *t)
{
    if (t && t->warning[0])
        log_warn("tls certificate needs attention", log_text("problem", t->warning));
    pthread_mutex_lock(&published.lock);
    struct tls_server *old = published.current;
    published.current = t;
    pthread_mutex_unlock(&published.lock);
    tls_server_release(old);
}

struct tls_server *tls_server_current(void)
{
    pthread_mutex_lock(&published.lock);
    struct tls_server *t = published.current;
    if (t)
        tls_server_retain(t);
    pthread_mutex_unlock(&published.lock);
    return t;
}

SSL *tls_server_session(struct tls_server *t)
{
    return SSL_new(t->names[0].context);
}
