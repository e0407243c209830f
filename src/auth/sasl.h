/* Server side of SASL: PLAIN (RFC 4616), LOGIN (as in use: "Username:", "Password:"),
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; bindings RFC 5929, RFC 9266).
 *
 * Bytes in and out are decoded: base64, "=" for an empty response and "*" to cancel belong to the
 * protocols. One struct sasl is one attempt. */
#pragma once
#include "auth/auth.h"
#include "base/buffer.h"

#define SASL_RESPONSE_MAX   ((size_t)12288 / 4 * 3) /* decoded; 12,288 in base64 (RFC 4954 §4) */
#define SASL_CHALLENGE_MAX  ((size_t)4096)
#define SASL_MECHANISMS_MAX 8

struct sasl;

/* The names that may be offered, best first, SP between them ("SCRAM-SHA-256 PLAIN LOGIN"), for
 * EHLO AUTH and CAPA SASL. tls: the connection is encrypted. plaintext_allowed: PLAIN and LOGIN
 * even without. binding: channel binding data are at hand. */
struct slice sasl_mechanisms(bool tls, bool plaintext_allowed, bool binding, char out[128]);

enum sasl_offer {
    SASL_OFFERED,
    SASL_NEEDS_TLS, /* known, but not on this connection: 538 5.7.11, NO [PRIVACYREQUIRED] */
    SASL_NO_SUCH,   /* 504 5.5.4 */
};

/* Is this name (any case) one of them? */
enum sasl_offer sasl_offered(
    struct slice mechanism, bool tls, bool plaintext_allowed, bool binding);

struct sasl_options {
    struct auth *auth;
    enum auth_protocol protocol;
    struct slice mechanism; /* one that sasl_offered */
    uint64_t network;       /* peer_network_key() */
    struct slice peer;      /* for the log; must outlive the exchange */
    uint64_t conn;          /* conn_id(), for the log; 0: none */
    /* From conn_channel_binding: "tls-exporter" or "tls-unique"; NULL: none. */
    const char *binding_type;
    struct slice binding;
};

enum sasl_next {
    SASL_CONTINUE, /* send the challenge (it may be empty), give the response to sasl_step */
    SASL_OK,       /* reply says who */
    SASL_NO,       /* reply says why: WRONG, DISABLED, BUSY, FAILED */
    SASL_BAD,      /* not this mechanism's syntax: 501 5.5.2, BAD */
};

/* NULL: no such mechanism, or out of memory. */
struct sasl *sasl_create(const struct sasl_options *options);
/* Wipes and frees; NULL is fine. At any point of the exchange. */
void sasl_destroy(struct sasl *s);
/* First call: the initial response, or has_response false when none came. An empty response is
 * has_response with an empty slice. The challenge is reset first; it holds SASL_CHALLENGE_MAX at
 * most. After anything but CONTINUE the exchange is over. */
TASK_FN
enum sasl_next sasl_step(struct sasl *s, struct slice response, bool has_response,
    struct buffer *challenge, struct auth_reply *reply, deadline until);
