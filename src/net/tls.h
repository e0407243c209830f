/* TLS on the server's side (OpenSSL 3): 1.2 at least, no renegotiation, no 0-RTT, no compression,
 * ticket keys that rotate, SNI, reload under load. */
#pragma once
#include "net/key.h"
#include "net/stream.h"

struct tls_server; /* certificates of one configuration; counted, immutable once made */

struct tls_certificate {
    const char *server_name; /* NULL: the default, the first one */
    struct slice chain_pem;
    struct slice key_pem;
};

/* Any thread. Copies everything. NULL: why says what is wrong, in words for an administrator, with
 * the server_name. Otherwise why is empty or a warning (expired, expires soon): such a certificate
 * is served all the same, and tls_server_publish logs it. Certificates of one server_name with keys
 * of different kinds (RSA and ECDSA) are served side by side. */
struct tls_server *tls_server_create(
    const struct tls_certificate *certificates, size_t n, char why[256]);
struct tls_server *tls_server_retain(struct tls_server *t);
void tls_server_release(struct tls_server *t);

/* The current one of the process: swapped at reload; connections keep the one they began with. Any
 * thread. */
void tls_server_publish(struct tls_server *t); /* takes over the caller's reference */
struct tls_server *tls_server_current(
    void); /* retained for the caller; NULL when TLS is not set up */

/* Stacks TLS on below (owned from then on, even on failure). NULL: out of memory. Drive it with
 * ops->handshake. */
struct stream *tls_accept(struct tls_server *t, struct stream *below);

/* Why a certificate does not hold. */
enum tls_fault { TLS_FAULT_NONE, TLS_FAULT_NAME, TLS_FAULT_EXPIRED, TLS_FAULT_UNTRUSTED };

struct tls_facts {
    bool on;
    char version[16]; /* "TLSv1.3" */
    char cipher[64];  /* "TLS_AES_256_GCM_SHA384" */
    int bits;
    char server_name[256]; /* SNI as sent, checked to be a host name; "" when none */
    bool verified; /* as a client: the certificate is the server's (dial.h); as a server: false */
    enum tls_fault fault; /* as a client, also after a handshake that failed */
};

void tls_facts(const struct stream *tls, struct tls_facts *facts);
/* Channel binding: type becomes "tls-exporter" (RFC 9266) on 1.3, "tls-unique" (RFC 5929) on 1.2;
 * data the raw bytes. False: this connection has none, and then no -PLUS may be offered. */
bool tls_channel_binding(const struct stream *tls, const char **type, char data[64], size_t *n);
