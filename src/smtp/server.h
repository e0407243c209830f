/* The server's side of SMTP and LMTP (RFC 5321, 1870, 2033, 2034, 2852, 2920, 3030, 3207, 3461,
 * 4865, 4954, 6152, 6531, 6710, 8689): the language. What to accept is asked of hooks; MX, LMTP and
 * submission are three sets of them.
 *
 * States: START -> GREETED (220 sent) -> READY (EHLO) -> MAIL -> RCPT -> BODY (354 or BDAT) ->
 * READY; RSET, EHLO and a finished or failed body lead back to READY; STARTTLS leads to GREETED. */
#pragma once
#include "net/conn.h"
#include "smtp/command.h"
#include "smtp/dot.h"
#include "smtp/reply.h"

struct smtp_session; /* one connection */

enum smtp_sink {
    SMTP_SINK_OK,
    SMTP_SINK_WAIT, /* taken, but give no more until smtp_body_resume */
};

/* What the language says about a complete body. */
struct smtp_body {
    uint64_t size;     /* bytes given to body_write */
    uint64_t received; /* with what was swallowed behind a limit; dots taken off */
    bool too_big;      /* over message_size */
    bool nul;          /* a NUL byte */
    bool bare_newline; /* a CR or LF by itself */
    bool chunked;      /* came by BDAT */
};

struct smtp_auth_request {
    struct slice mechanism; /* as written; empty from the second step on */
    bool has_response;      /* an initial response or a line */
    struct slice response;  /* base64 as sent; "=" alone is an empty initial response */
    bool cancelled; /* "*" or a line over 12,288: forget the exchange; the answer is ignored */
};

enum smtp_auth_step { SMTP_AUTH_CHALLENGE, SMTP_AUTH_DONE, SMTP_AUTH_REFUSED };

/* All get the session; their own state hangs at smtp_state. A hook that refuses fills *reply (never
 * 2yz or 3yz); one that accepts may leave it empty (code 0), then the engine's usual text is given.
 * A reply 421 also closes the connection. Hooks marked TASK_FN may await the store; all others run
 * on the reactor without a stack and must not. Any hook but connect, closed and the body's may be
 * NULL. */
struct smtp_hooks {
    /* Before the greeting. False: *reply (554, 421) is sent in its place and the connection closed.
     */
    TASK_FN
    bool (*connect)(struct smtp_session *s, struct smtp_reply *reply);
    /* EHLO, HELO, LHLO; the name is smtp_helo. */
    TASK_FN
    bool (*helo)(struct smtp_session *s, struct smtp_reply *reply);
    TASK_FN
    bool (*mail)(struct smtp_session *s, const struct smtp_mail *mail, struct smtp_reply *reply);
    TASK_FN
    bool (*rcpt)(struct smtp_session *s, const struct smtp_rcpt *rcpt, struct smtp_reply *reply);
    /* DATA or the first BDAT, with at least one recipient accepted. */
    TASK_FN
    bool (*body_begin)(struct smtp_session *s, struct smtp_reply *reply);
    /* Reactor. The next bytes of the message, in order. */
    enum smtp_sink (*body_write)(struct smtp_session *s, struct slice bytes);
    /* The body is complete. reply->code is set when the language refuses it (too big, NUL, bare
     * newline): then nothing may be stored and the reply stands. Otherwise fills *reply, 2yz when
     * the message is durable; code 0: the outcome is unknown, the connection is closed without a
     * reply. */
    TASK_FN
    void (*body_end)(
        struct smtp_session *s, const struct smtp_body *body, struct smtp_reply *reply);
    /* LMTP, after a body_end that made 2yz: the outcome for the accepted recipient `index` (RFC
     * 2033 §4.2); code 0 as above. Not called otherwise: the reply then stands for each. */
    void (*outcome)(struct smtp_session *s, unsigned index, struct smtp_reply *reply);
    /* The transaction has ended, in whichever way: after body_end, RSET, EHLO, STARTTLS, a lost
     * connection. Called once for each mail that was accepted. */
    void (*reset)(struct smtp_session *s);
    /* Mechanisms for EHLO now, divided by blanks; empty: AUTH is neither offered nor taken. */
    struct slice (*mechanisms)(struct smtp_session *s);
    /* One step of AUTH. CHALLENGE: base64 text in *challenge. DONE, REFUSED: *reply, or the usual.
     */
    TASK_FN
    enum smtp_auth_step (*auth)(struct smtp_session *s, const struct smtp_auth_request *request,
        struct buffer *challenge, struct smtp_reply *reply);
    /* The connection is gone; free smtp_state. Comes after reset. Also called when connect was
     * never. */
    void (*closed)(struct smtp_session *s, enum conn_end why);
};

/* One for each kind of listener; constant while sessions live. Zeros mean the defaults. */
struct smtp_service {
    const char *protocol; /* "smtp", "lmtp", "submission": for log and metrics */
    const char *hostname;
    const struct smtp_hooks *hooks;
    void *arg; /* smtp_arg, for the hooks */
    bool lmtp;
    bool submission;
    bool starttls;      /* certificates are set up */
    bool auth_required; /* MAIL only after AUTH: 530 5.7.0 */
    enum smtp_newline newline;
    /* What there is beyond SIZE, BODY, SMTPUTF8 and AUTH: bits of SMTP_PARAM_DSN (all of them),
     * REQUIRETLS (told and taken on secured connections only), HOLD, BY, PRIORITY. */
    unsigned offered;
    uint32_t hold_max;        /* s, of HOLD */
    uint32_t by_min;          /* s, of BY in mode R */
    uint64_t message_size;    /* 50 MB */
    unsigned recipients;      /* accepted in one transaction: 1,000 */
    unsigned errors_slow;     /* from this one on, 1 s each: 10 */
    unsigned errors_close;    /* 421 at this one: 20 */
    int64_t error_delay;      /* ns: 1 s */
    int64_t timeout;          /* ns between commands: 5 min (RFC 5321 §4.5.3.2.7) */
    int64_t timeout_greeting; /* ns before EHLO, of submission before AUTH: 60 s */
    uint64_t rate;            /* least bytes a second of a body: 500 */
};

/* For listener_options.accept; service is a struct smtp_service. */
bool smtp_accept(void *service, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal);

/* ---- for hooks ---- */

void *smtp_arg(const struct smtp_session *s);
void *smtp_state(const struct smtp_session *s);
void smtp_set_state(struct smtp_session *s, void *state);
struct conn *smtp_conn(const struct smtp_session *s);
const struct smtp_service *smtp_service(const struct smtp_session *s);
/* The cleaned name of EHLO; "" before. */
const char *smtp_helo(const struct smtp_session *s);
/* The protocol for Received: "SMTP", "ESMTPS", "LMTP", "UTF8SMTPSA" ... (RFC 3848, RFC 6531 §4.3).
 */
const char *smtp_protocol(const struct smtp_session *s, bool utf8);
/* Reactor: after SMTP_SINK_WAIT. */
void smtp_body_resume(struct smtp_session *s);
