/* A certificate authority of a test, and what it issues. */
#pragma once
#include "base/buffer.h"
#include "net/tls.h"
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    struct buffer pem;
};

static inline void authority_pem(X509 *x, struct buffer *pem)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_X509(out, x);
    long n = BIO_get_mem_data(out, &text);
    buffer_add(pem, slice(text, (size_t)n));
    BIO_free(out);
}

static inline void authority_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!e || X509_add_ext(x, e, -1) != 1)
        abort();
    X509_EXTENSION_free(e);
}

/* names: "DNS:a,IP:127.0.0.1"; NULL: an authority. Valid from so many seconds on, to so many. */
static inline X509 *authority_sign(const struct authority *a, EVP_PKEY *key, const char *common,
    const char *names, long from, long to)
{
    static long serial;
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0);
    X509 *issuer = a->certificate ? a->certificate : x;
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    authority_extend(x, issuer, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
    authority_extend(x, issuer, NID_subject_key_identifier, "hash");
    if (names)
        authority_extend(x, issuer, NID_subject_alt_name, names);
    if (X509_sign(x, a->key, EVP_sha256()) <= 0)
        abort();
    return x;
}

static inline struct authority authority_make(const char *name)
{
    struct authority a = {.key = EVP_EC_gen("P-256")};
    buffer_init(&a.pem, 8192);
    a.certificate = authority_sign(&a, a.key, name, NULL, -60, 1000000);
    authority_pem(a.certificate, &a.pem);
    return a;
}

static inline void authority_finish(struct authority *a)
{
    EVP_PKEY_free(a->key);
    X509_free(a->certificate);
    buffer_finish(&a->pem);
}

/* Issues a certificate, publishes it with its authority's behind it, and gives its own SHA-256 over
 * the public key (for TLSA 3 1 1). */
static inline void authority_publish(
    const struct authority *a, const char *names, long from, long to, uint8_t key_digest[32])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = authority_sign(a, key, "nobody.example.org", names, from, to);
    struct buffer chain, pem;
    char why[256], *text;
    unsigned n = 32;
    unsigned char *spki = NULL;
    buffer_init(&chain, 16384);
    buffer_init(&pem, 8192);
    authority_pem(x, &chain);
    buffer_add(&chain, buffer_slice(&a->pem));
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    long length = BIO_get_mem_data(out, &text);
    buffer_add(&pem, slice(text, (size_t)length));
    int spki_n = i2d_PUBKEY(key, &spki);
    EVP_Digest(spki, (size_t)spki_n, key_digest, &n, EVP_sha256(), NULL);
    struct tls_certificate c = {.chain_pem = buffer_slice(&chain), .key_pem = buffer_slice(&pem)};
    struct tls_server *t = tls_server_create(&c, 1, why);
    if (!t)
        abort();
    tls_server_publish(t);
    OPENSSL_free(spki);
    BIO_free(out);
    X509_free(x);
    EVP_PKEY_free(key);
    buffer_finish(&chain);
    buffer_finish(&pem);
}
