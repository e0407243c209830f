/* Connections that we open, from a task, without blocking its reactor; TLS as a client: 1.2 at
 * least, no renegotiation. */
#pragma once
#include "net/channel.h"
#include <sys/socket.h>

#define DIAL_WHY 256

enum dial_result {
    DIAL_OK,
    DIAL_TIMEOUT,
    DIAL_CANCELLED, /* the task's scope is being closed */
    DIAL_FAILED,    /* nobody there, refused, reset, no memory */
    DIAL_SOURCE,    /* the address to come from cannot be bound */
    DIAL_TLS,       /* the handshake failed; in words of both sides */
    DIAL_UNTRUSTED, /* the certificate is not accepted */
    DIAL_INJECTED,  /* plain bytes behind the go-ahead for TLS: somebody in the middle */
};

/* ---- whom we believe ---- */

struct dial_trust; /* certificate authorities; counted, immutable once made */

/* Any thread. The PEM text of any number of authorities, up to 4,096; empty: none is believed.
 * NULL: *why. */
struct dial_trust *dial_trust_create(struct slice pem, char why[DIAL_WHY]);
/* The same from a PEM file, or from the *.pem, *.crt and hashed (*.0) files of a folder. Read at
 * once: before the sandbox closes. */
struct dial_trust *dial_trust_load(const char *path, char why[DIAL_WHY]);
struct dial_trust *dial_trust_retain(struct dial_trust *t);
void dial_trust_release(struct dial_trust *t);

/* ---- TLS ---- */

enum dial_verify {
    DIAL_VERIFY_NONE, /* opportunistic: any certificate; the facts tell if it would have held */
    DIAL_VERIFY_NAME, /* a chain to an authority (RFC 5280) and the name (RFC 6125, RFC 7817 §3) */
    DIAL_VERIFY_DANE, /* TLSA records (RFC 7672 §3.1): usage 3, or 2 and the name */
};

/* One TLSA record (RFC 6698 §2.1). */
struct dial_tlsa {
    uint8_t usage, selector, matching;
    struct slice data;
};

#define DIAL_NAMES_MAX 8
#define DIAL_TLSA_MAX  32

struct dial_tls {
    struct dial_trust *trust;
    enum dial_verify verify;
    /* Sent as SNI and looked for in the certificate; A-labels, no final dot. An address
     * ("192.0.2.1") is looked for as such and not sent. May be NULL when nothing is verified. */
    const char *server_name;
    const char *const *also; /* further names that will do (RFC 7672 §3.2.2) */
    size_t also_n;
    /* For DANE. Records that cannot be used (usage 0 and 1, unknown algorithms; RFC 7672 §3.1.3)
     * are passed over; if none is left any certificate will do (RFC 7672 §2.2). */
    const struct dial_tlsa *tlsa;
    size_t tlsa_n;
};

/* ---- connecting ---- */

struct dial_options {
    const struct sockaddr *to; /* TCP over IPv4 or IPv6, or a unix socket */
    socklen_t to_n;
    const struct sockaddr *from; /* the address to come from; NULL: the kernel's choice */
    socklen_t from_n;
    const struct dial_tls *tls; /* TLS from the first byte on; NULL: plain */
    size_t line_max;            /* of the channel */
};

/* *c is set on DIAL_OK only; why has words otherwise. */
TASK_FN
enum dial_result dial_connect(
    const struct dial_options *o, struct channel **c, char why[DIAL_WHY], deadline until);
/* After the server's go-ahead (STARTTLS, STLS). On anything but DIAL_OK nothing can be read or
 * written any more: in the clear least of all. */
TASK_FN
enum dial_result dial_start_tls(
    struct channel *c, const struct dial_tls *tls, char why[DIAL_WHY], deadline until);
