/* Command lines as structs (RFC 5321 §4.1.1 and the extensions). Pure: slices point into the line.
 * A parser that refuses makes the reply, because it knows best what is wrong. */
#pragma once
#include "smtp/path.h"
#include "smtp/reply.h"

#define SMTP_ENVID_MAX 100 /* RFC 3461 §4.4 */
#define SMTP_ORCPT_MAX 500 /* RFC 3461 §4.2, with its type */
#define SMTP_AUTH_MAX  500 /* RFC 4954 §3 (5) */

enum smtp_verb {
    SMTP_UNKNOWN,
    SMTP_EHLO,
    SMTP_HELO,
    SMTP_LHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_RSET,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_NOOP,
    SMTP_VRFY,
    SMTP_EXPN,
    SMTP_HELP,
    SMTP_QUIT,
    SMTP_TURN, /* and ETRN, ATRN, SEND, SOML, SAML: known and not implemented */
    SMTP_VERBS,
};

struct smtp_command {
    enum smtp_verb verb;
    struct slice name; /* as written */
    struct slice args; /* behind the blank; blanks at the end cut off (RFC 5321 §4.1.1) */
};

/* line is without its CRLF. False: a NUL or another control in it; out is made all the same. */
bool smtp_command_parse(struct slice line, struct smtp_command *out);

enum smtp_body_type { SMTP_BODY_UNSAID, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

/* Bits of smtp_mail.given and smtp_rcpt.given: which parameters were there. */
enum smtp_parameter {
    SMTP_PARAM_SIZE = 1,         /* RFC 1870 */
    SMTP_PARAM_BODY = 2,         /* RFC 6152 */
    SMTP_PARAM_SMTPUTF8 = 4,     /* RFC 6531 */
    SMTP_PARAM_AUTH = 8,         /* RFC 4954 §5 */
    SMTP_PARAM_RET = 16,         /* RFC 3461 §4.3 */
    SMTP_PARAM_ENVID = 32,       /* RFC 3461 §4.4 */
    SMTP_PARAM_NOTIFY = 64,      /* RFC 3461 §4.1 */
    SMTP_PARAM_ORCPT = 128,      /* RFC 3461 §4.2 */
    SMTP_PARAM_REQUIRETLS = 256, /* RFC 8689 §2 */
    SMTP_PARAM_HOLD = 512,       /* RFC 4865: HOLDFOR, HOLDUNTIL */
    SMTP_PARAM_BY = 1024,        /* RFC 2852 */
    SMTP_PARAM_PRIORITY = 2048,  /* RFC 6710: MT-PRIORITY */
};
#define SMTP_PARAM_ALL 4095u
#define SMTP_PARAM_DSN (SMTP_PARAM_RET | SMTP_PARAM_ENVID | SMTP_PARAM_NOTIFY | SMTP_PARAM_ORCPT)

struct smtp_mail {
    struct smtp_path sender;
    unsigned given;
    uint64_t size; /* more than 64 bits hold: UINT64_MAX */
    enum smtp_body_type body;
    bool utf8;          /* SMTPUTF8 */
    bool headers_only;  /* RET=HDRS */
    struct slice envid; /* xtext, checked; smtp_xtext_decode */
    struct slice auth;  /* xtext, checked; "<>" is nobody */
    bool require_tls;
    uint32_t hold_for;  /* s; 0: not given */
    int64_t hold_until; /* wall s; 0: not given; smtp/envelope.c sets it for hold_for too */
    int32_t by;         /* s from now on, when BY was given */
    bool by_return, by_trace;
    int8_t priority; /* -9 to 9 */
};

enum {
    SMTP_NOTIFY_NEVER = 1,
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8
};

struct smtp_rcpt {
    struct smtp_path recipient;
    unsigned given;
    unsigned notify;         /* 0: not said */
    struct slice orcpt_type; /* "rfc822" */
    struct slice orcpt;      /* xtext, checked; behind SMTPUTF8 perhaps UTF-8 (RFC 6533 §3) */
};

/* args of MAIL: "FROM:<path> params". offered: the parameters that this service knows; others are
 * 555 5.5.4. False: *error is the reply. */
bool smtp_command_mail(
    struct slice args, unsigned offered, struct smtp_mail *out, struct smtp_reply *error);
/* args of RCPT: "TO:<path> params". utf8: MAIL said SMTPUTF8. */
bool smtp_command_rcpt(struct slice args, unsigned offered, bool utf8, struct smtp_rcpt *out,
    struct smtp_reply *error);

#define SMTP_HELO_MAX 255
/* The name of EHLO, HELO, LHLO: tolerant, bounded, and cleaned, so that it can stand in a log line
 * and in Received: every byte that is not a letter, digit or one of ".-_:[]" becomes '?'. */
bool smtp_command_helo(struct slice args, char name[SMTP_HELO_MAX + 1], struct smtp_reply *error);

/* RFC 3461 §4: xtext as bytes. False: not xtext, or out is full. Any byte may come out, CR, LF and
 * NUL too: never copy the result into a header or envelope line unchecked. */
bool smtp_xtext_decode(struct slice xtext, struct buffer *out);
/* Appends bytes as xtext. False: out is full. */
bool smtp_xtext_encode(struct slice bytes, struct buffer *out);
