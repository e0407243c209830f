/* The client's side of SMTP and LMTP (RFC 5321, 1870, 2033, 2034, 2852, 2920, 3030, 3207, 3461,
 * 4954, 6152, 6531, 6710, 8689): says what it is told to, over a channel, from a task. Whom to
 * speak to, when to try again and what a failure means for the message is the caller's.
 *
 * One connection: create, greet, [start_tls, login,] any number of sends, quit, destroy. */
#pragma once
#include "net/answer.h"
#include "net/dial.h"
#include "net/login.h"
#include "smtp/reply.h"

#define SMTP_CLIENT_LINE      2048                 /* longer reply lines are cut */
#define SMTP_CLIENT_LINES     128                  /* of one reply */
#define SMTP_CLIENT_REPLY     ((size_t)128 * 1024) /* bytes of one reply */
#define SMTP_CLIENT_CHUNK     ((size_t)64 * 1024)  /* of BDAT */
#define SMTP_CLIENT_IN_FLIGHT 64                   /* commands sent ahead of their replies */

struct smtp_client;

/* Where a dialogue was when something was decided. */
enum smtp_stage {
    SMTP_AT_GREETING,
    SMTP_AT_HELLO, /* EHLO, HELO, LHLO */
    SMTP_AT_STARTTLS,
    SMTP_AT_TLS,
    SMTP_AT_AUTH,
    SMTP_AT_MAIL,
    SMTP_AT_RCPT,
    SMTP_AT_DATA,
    SMTP_AT_BODY, /* bytes of the message, chunks but the last */
    SMTP_AT_END,  /* the final dot, the last chunk: the message may have been accepted */
    SMTP_AT_RSET,
    SMTP_AT_QUIT,
    SMTP_STAGES,
};

const char *smtp_stage_name(enum smtp_stage stage); /* "MAIL FROM" ... as a log or report says it */

struct smtp_outcome {
    enum answer answer;
    enum smtp_stage stage;
    /* What the server said. Its code is 0 when the words are ours (lost connection, protocol error,
     * not asked); an enhanced code may be given all the same. Clean: no controls, valid UTF-8. */
    struct smtp_reply reply;
};

/* What EHLO told. */
struct smtp_offer {
    bool extended; /* EHLO or LHLO was understood */
    bool pipelining, chunking, eight_bit_mime, smtputf8, starttls, dsn, enhanced_codes, size;
    bool require_tls;  /* REQUIRETLS (RFC 8689) */
    bool mt_priority;  /* RFC 6710 */
    bool deliver_by;   /* RFC 2852 */
    uint64_t size_max; /* 0: none told */
    uint64_t by_min;   /* s, for BY=...;R; 0: none told */
    char auth[256];    /* mechanisms divided by blanks; "": AUTH is not offered */
    char name[256];    /* what the server calls itself */
};

struct smtp_client_options {
    const char *hello; /* our name */
    bool lmtp;
    bool no_chunking; /* DATA even where BDAT is offered */
    /* ns of one wait at each stage; 0: RFC 5321 §4.5.3.2 (RCPT 5 min, DATA 2, a piece of the body
     * 3, the end 10; all others 5). The deadline of a call stands above them. */
    int64_t timeouts[SMTP_STAGES];
};

/* Owns the channel (line_max at least SMTP_CLIENT_LINE) from here on. NULL: out of memory; the
 * channel is destroyed. */
struct smtp_client *smtp_client_create(
    struct channel *channel, const struct smtp_client_options *options);
/* Closes; NULL is fine. */
void smtp_client_destroy(struct smtp_client *c);

/* The outcome of the last call that was not ANSWER_OK. */
const struct smtp_outcome *smtp_client_outcome(const struct smtp_client *c);
const struct smtp_offer *smtp_client_offer(const struct smtp_client *c);
struct channel *smtp_client_channel(const struct smtp_client *c);
/* Can it be used for another message? Not after a protocol error, a lost connection or 421. */
bool smtp_client_alive(const struct smtp_client *c);

/* Waits for 220, says EHLO (LHLO), HELO if that is not understood (RFC 5321 §3.2). */
TASK_FN
enum answer smtp_client_greet(struct smtp_client *c, deadline until);
/* STARTTLS, the handshake, EHLO again (RFC 3207 §4.2). UNSUPPORTED when not offered. */
TASK_FN
enum answer smtp_client_start_tls(
    struct smtp_client *c, const struct dial_tls *tls, deadline until);
/* AUTH with the best that both know. The binding is set here, and so is
 * o->plaintext when TLS is on. */
TASK_FN
enum answer smtp_client_login(struct smtp_client *c, const struct login_options *o, deadline until);

struct smtp_send_recipient {
    struct slice address; /* "local@domain", quoted as it has to be; or "postmaster" */
    struct slice notify;  /* DSN (RFC 3461 §4.1): "NEVER", "SUCCESS,FAILURE"; empty: not given */
    struct slice orcpt;   /* RFC 3461 §4.2, "rfc822;" and xtext; empty: not given */
    struct smtp_outcome outcome; /* out: this recipient's, whichever stage decided it */
};

struct smtp_send {
    struct slice sender; /* empty: <> */
    uint64_t size;       /* bytes of the message for SIZE; 0: not told */
    bool eight_bit;      /* has bytes above 0x7f: BODY=8BITMIME, UNSUPPORTED without */
    bool utf8;           /* needs SMTPUTF8 (RFC 6531 §3.4), UNSUPPORTED without */
    struct slice envid;  /* DSN: xtext; empty: not given */
    struct slice ret;    /* DSN: "FULL" or "HDRS"; empty: not given */
    /* REQUIRETLS: UNSUPPORTED (5.7.30) without, unless the sender is <> (RFC 8689 §4.2.1, §5). That
     * the connection is good enough for it is the caller's to see to. */
    bool require_tls;
    int8_t priority;    /* MT-PRIORITY, -9 to 9; 0, the default, is not said */
    int64_t deliver_by; /* wall s, becomes BY= with the time that is left; 0: not given */
    bool by_return;     /* BY mode R: UNSUPPORTED where it cannot be kept (RFC 2852 §4.1.4.1) */
    bool by_trace;
    /* The next bytes of the message, valid until the next call; an empty piece is its end. False:
     * it cannot be read; the connection is then given up without the final dot. Any newlines: a
     * bare CR or LF is sent as CRLF, and so does the last line end. */
    TASK_FN
    bool (*read)(void *arg, struct slice *piece, deadline until);
    void *arg;
};

/* One transaction. Fills every recipient's outcome; OK: at least one of them has been taken over by
 * the server. DSN parameters, the priority and BY in mode N are passed where they are offered (RFC
 * 3461 §4, RFC 6710 §4.3, RFC 2852 §4.1.4.2), else left out. */
TASK_FN
enum answer smtp_client_send(struct smtp_client *c, const struct smtp_send *message,
    struct smtp_send_recipient *recipients, size_t n, deadline until);
TASK_FN
enum answer smtp_client_reset(struct smtp_client *c, deadline until);
/* Says goodbye and waits for the reply; then destroy. */
TASK_FN
enum answer smtp_client_quit(struct smtp_client *c, deadline until);
