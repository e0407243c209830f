#include "net/key.h"
#include "base/buffer.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_SELF_SIGNED_SECONDS (10L * 365 * 24 * 3600)

struct net_key {
    EVP_PKEY *pkey;
};

/* Instead of OpenSSL's own, which would ask on the terminal. Notes that it was asked. */
static int key_passphrase(char *out, int room, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static bool key_strong(EVP_PKEY *pkey, char why[256])
{
    int kind = EVP_PKEY_get_base_id(pkey), bits = EVP_PKEY_get_bits(pkey);
    if (kind == EVP_PKEY_RSA && bits < 2048) {
        snprintf(why, 256,
            "the RSA key has %d bits; at least 2048 are needed: make a new key and certificate",
            bits);
        return false;
    }
    if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC && kind != EVP_PKEY_ED25519 &&
        kind != EVP_PKEY_ED448) {
        snprintf(why, 256, "the key is of a kind that TLS servers do not use; use RSA or P-256");
        return false;
    }
    return true;
}

struct net_key *net_key_load(struct slice pem, char why[256])
{
    if (pem.n == 0 || pem.n > INT32_MAX) {
        snprintf(why, 256, "the key file is empty");
        return NULL;
    }
    bool asked = false;
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *pkey = in ? PEM_read_bio_PrivateKey(in, NULL, key_passphrase, &asked) : NULL;
    BIO_free(in);
    ERR_clear_error();
    if (!pkey) {
        snprintf(why, 256, "%s",
            asked ? "the key is encrypted with a passphrase; remove it with `openssl pkey`"
                  : "no private key in PEM form (-----BEGIN PRIVATE KEY-----) was found");
        return NULL;
    }
    struct net_key *k = key_strong(pkey, why) ? malloc(sizeof *k) : NULL;
    if (!k) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    k->pkey = pkey;
    why[0] = '\0';
    return k;
}

void net_key_destroy(struct net_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

struct evp_pkey_st *net_key_handle(struct net_key *k)
{
    return k->pkey;
}

static bool key_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool key_fill_certificate(X509 *x, EVP_PKEY *pkey, const char *hostname)
{
    char names[300];
    unsigned char serial[16];
    int n = snprintf(names, sizeof names, "DNS:%s", hostname);
    /* X509V3_EXT_conf_nid has a syntax of its own; only what can stand in a host name passes. */
    if (n >= (int)sizeof names || slice_has_any(slice_str(hostname), ",:;/\\ \n"))
        return false;
    BIGNUM *number = NULL;
    bool ok = RAND_bytes(serial, sizeof serial) == 1;
    serial[0] &= 0x7f;
    ok = ok && (number = BN_bin2bn(serial, sizeof serial, NULL)) &&
         BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    /* Common names end at 64 bytes (RFC 5280 A.1); clients look at the alternative name. */
    X509_NAME *name = X509_get_subject_name(x);
    const char *common = strlen(hostname) <= 64 ? hostname : "barid";
    return ok && X509_set_version(x, X509_VERSION_3) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(x), KEY_SELF_SIGNED_SECONDS) &&
           X509_set_pubkey(x, pkey) &&
           X509_NAME_add_entry_by_txt(
               name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) &&
           X509_set_issuer_name(x, name) && key_extension(x, NID_subject_alt_name, names) &&
           key_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           key_extension(x, NID_ext_key_usage, "serverAuth") && X509_sign(x, pkey, EVP_sha256());
}

static bool key_take_bio(BIO *from, struct buffer *to)
{
    char *p = NULL;
    long n = BIO_get_mem_data(from, &p);
    return n > 0 && buffer_add(to, slice(p, (size_t)n));
}

bool net_key_self_signed(
    const char *hostname, struct buffer *certificate_pem, struct buffer *key_pem)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    /* Secret memory: wiped when it is freed. */
    BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_secmem());
    bool ok = pkey && x && certificate && key && key_fill_certificate(x, pkey, hostname) &&
              PEM_write_bio_X509(certificate, x) == 1 &&
              PEM_write_bio_PKCS8PrivateKey(key, pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
              key_take_bio(certificate, certificate_pem) && key_take_bio(key, key_pem);
    BIO_free(certificate);
    BIO_free(key);
    X509_free(x);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return ok;
}
