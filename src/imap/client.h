/* The client's side of IMAP (RFC 3501, RFC 9051; LITERAL+, UIDPLUS, IDLE), over a channel, from a
 * task: enough to move mail, and any other command in its own words. Every answer is bounded. */
#pragma once
#include "message/date.h"
#include "net/answer.h"
#include "net/dial.h"
#include "net/login.h"

/* A line of a response, between literals; all of it, message bodies apart. */
#define IMAP_CLIENT_LINE      ((size_t)1024 * 1024)
#define IMAP_CLIENT_RESPONSE  ((size_t)1024 * 1024)
#define IMAP_CLIENT_RESPONSES 20000000 /* untagged ones to one command */
#define IMAP_CLIENT_TEXT      512

struct imap_client;

/* An untagged response without "* " and its CRLF ("3 EXISTS", "LIST () \"/\" INBOX"); literals
 * stand in it as they came, {3} CRLF abc. False: stop, the connection is given up. */
typedef bool (*imap_client_untagged)(void *arg, struct slice response);

/* Owns the channel (line_max at least IMAP_CLIENT_LINE). idle: the longest wait, ns; 0: 5 min.
 * NULL: out of memory; the channel is destroyed. */
struct imap_client *imap_client_create(struct channel *channel, int64_t idle);
void imap_client_destroy(struct imap_client *c);

/* What stood behind the last OK, NO, BAD, BYE; or why there is nothing; clean. */
const char *imap_client_text(const struct imap_client *c);
/* Its response code without brackets, "UIDNOTSTICKY", "APPENDUID 1 2"; or "". */
const char *imap_client_code(const struct imap_client *c);
struct channel *imap_client_channel(const struct imap_client *c);
bool imap_client_alive(const struct imap_client *c);
/* Has the server this capability ("IDLE", "AUTH=PLAIN")? As last told. */
bool imap_client_can(const struct imap_client *c, struct slice capability);

/* The greeting (PREAUTH too), then CAPABILITY if it was not told. */
TASK_FN
enum answer imap_client_greet(struct imap_client *c, deadline until);
TASK_FN
enum answer imap_client_start_tls(
    struct imap_client *c, const struct dial_tls *tls, deadline until);
/* AUTHENTICATE with the best that both know; LOGIN (which `only` calls "PASSWORD") where the server
 * has no SASL that serves and no LOGINDISABLED. Passwords in the clear only with TLS, unless
 * o->plaintext. */
TASK_FN
enum answer imap_client_login(struct imap_client *c, const struct login_options *o, deadline until);
/* LOGOUT; the connection is over. */
TASK_FN
enum answer imap_client_logout(struct imap_client *c, deadline until);

/* Any command: `words` go out as they are, behind a tag. Literals in them are sent when the server
 * asks for them: "{3}\r\nabc" stands in words as on the wire. OK, TEMPORARY or PERMANENT (NO, BAD).
 */
TASK_FN
enum answer imap_client_command(struct imap_client *c, struct slice words,
    imap_client_untagged untagged, void *arg, deadline until);

/* Appends a string as the wire wants it: quoted, or a literal. Mailbox names are given as they are
 * on the wire (modified UTF-7, or UTF-8 after ENABLE). */
bool imap_client_add_string(struct buffer *words, struct slice text);

struct imap_client_selected {
    uint32_t exists, uidvalidity, uidnext; /* 0: not told */
    uint64_t highestmodseq;
    bool read_only;
};

TASK_FN
enum answer imap_client_select(struct imap_client *c, struct slice mailbox, bool read_only,
    struct imap_client_selected *selected, deadline until);
TASK_FN
enum answer imap_client_create_mailbox(struct imap_client *c, struct slice mailbox, deadline until);

/* One line of LIST: attributes as they came, without parentheses; separator 0: none (NIL). */
typedef bool (*imap_client_listed)(
    void *arg, struct slice attributes, char separator, struct slice mailbox);
TASK_FN
enum answer imap_client_list(struct imap_client *c, struct slice reference, struct slice pattern,
    imap_client_listed listed, void *arg, deadline until);

/* What STATUS told; UINT64_MAX: not told. */
struct imap_client_status {
    uint64_t messages, unseen, uidnext, uidvalidity, size, highestmodseq;
};
/* items: "MESSAGES UIDNEXT". */
TASK_FN
enum answer imap_client_status(struct imap_client *c, struct slice mailbox, struct slice items,
    struct imap_client_status *status, deadline until);

struct imap_client_fetched {
    uint32_t sequence, uid;
    struct slice flags; /* as they came, without parentheses; printable */
    bool has_date;
    struct date date; /* INTERNALDATE */
    uint64_t size;    /* of the body that was given to `body` */
    bool has_body;    /* false: NIL, or only flags were told */
};

struct imap_client_fetch {
    /* The bytes of a message, before `message` tells which one. NULL: only flags and dates are
     * asked for. False: stop, the connection is given up. */
    bool (*body)(void *arg, struct slice piece);
    bool (*message)(void *arg, const struct imap_client_fetched *m);
    void *arg;
    uint64_t max; /* bytes of one message, else ANSWER_PROTOCOL; 0: 1 GiB */
};
/* UID FETCH set (UID FLAGS INTERNALDATE BODY.PEEK[]). */
TASK_FN
enum answer imap_client_fetch(struct imap_client *c, struct slice uids,
    const struct imap_client_fetch *fetch, deadline until);

struct imap_client_append {
    struct slice mailbox;
    struct slice flags;      /* "\\Seen $Forwarded"; may be empty */
    const struct date *date; /* NULL: not told */
    uint64_t size;           /* exactly so many bytes follow */
    /* The next bytes, valid until the next call. False, an empty piece before the end, or too many
     * bytes: the connection is given up. */
    TASK_FN
    bool (*read)(void *arg, struct slice *piece, deadline until);
    void *arg;
    uint32_t uidvalidity, uid; /* out, by APPENDUID (RFC 4315 §3); 0: not told */
};
/* ANSWER_UNKNOWN when the connection is lost behind the last byte. */
TASK_FN
enum answer imap_client_append(
    struct imap_client *c, struct imap_client_append *append, deadline until);

/* IDLE (RFC 2177): gives what comes to `untagged` until it returns false or `wait` has passed, then
 * DONE. OK in both cases. */
TASK_FN
enum answer imap_client_idle(
    struct imap_client *c, imap_client_untagged untagged, void *arg, deadline wait, deadline until);
