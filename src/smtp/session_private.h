/* One connection, shared by the files of this room. */
#pragma once
#include "smtp/chunk.h"
#include "smtp/dot.h"
#include "smtp/server.h"
#include "task/task.h"

#define SMTP_LINE_MAX     ((size_t)8 * 1024) /* a command line with its CRLF */
#define SMTP_AUTH_LINE    ((size_t)12288)    /* RFC 4954 §4 */
#define SMTP_INPUT_MAX    ((size_t)64 * 1024)
#define SMTP_LINE_SWALLOW ((uint64_t)1024 * 1024)        /* of an overlong line, then it closes */
#define SMTP_BODY_SWALLOW ((uint64_t)1024 * 1024 * 1024) /* behind message_size, then it closes */

/* What the next bytes are. */
enum smtp_phase {
    SMTP_PHASE_COMMAND,
    SMTP_PHASE_SKIP,  /* the rest of a line that was too long */
    SMTP_PHASE_LOGIN, /* a response of AUTH */
    SMTP_PHASE_DATA,
    SMTP_PHASE_CHUNK,
    SMTP_PHASE_ENDING, /* closing; whatever comes is not looked at */
};

/* Where the session is; a command is legal in some of them. Bits. */
enum smtp_stage {
    SMTP_STAGE_START = 1, /* no EHLO yet, or forgotten */
    SMTP_STAGE_READY = 2,
    SMTP_STAGE_MAIL = 4, /* MAIL accepted */
    SMTP_STAGE_BODY = 8, /* between two BDAT */
};
#define SMTP_STAGE_ANY     15
#define SMTP_LOGINS        5   /* this failed login closes */
#define SMTP_IDLE_COMMANDS 100 /* more of them without a message are errors */

/* What feed found and run has to do. */
enum smtp_found {
    SMTP_FOUND_LINE,
    SMTP_FOUND_BARE_LF,
    SMTP_FOUND_TOO_LONG,
    SMTP_FOUND_BODY,  /* the body of DATA, or a chunk, is complete */
    SMTP_FOUND_FLOOD, /* SMTP_LINE_SWALLOW or SMTP_BODY_SWALLOW is passed */
};

struct smtp_session {
    const struct smtp_service *service;
    struct conn *conn;
    void *state;
    enum smtp_phase phase;
    enum smtp_found found;
    enum smtp_stage stage;
    bool greeted, extended, authenticated;
    bool mail_utf8;
    unsigned errors, failed_logins;
    unsigned accepted, tried; /* recipients of this transaction */
    unsigned idle_commands;   /* NOOP and the like since the last message */
    bool in_login;            /* the line that is too long is one of AUTH */
    bool sink_waits;          /* until smtp_body_resume */
    uint64_t swallowed;       /* of a line that is too long */
    int64_t line_at;          /* when the last line was complete */
    struct timer slow;
    deadline slow_until;
    struct smtp_dot dot;
    struct smtp_chunk chunk;
    struct smtp_reply *refusal; /* this chunk is read over and then answered so; owned */
    struct smtp_body body;
    struct slice line; /* the command, in the input of conn: until run returns */
    char helo[SMTP_HELO_MAX + 1];
};

/* session.c */
/* One for each kind of listener. */
extern const struct conn_handler smtp_session_handler;
extern const struct conn_handler smtp_session_lmtp_handler;
extern const struct conn_handler smtp_session_submission_handler;
extern const struct conn_handler smtp_session_handler_of_user; /* submission, behind AUTH */
uint64_t smtp_session_limit(const struct smtp_session *s);     /* message_size */
/* How long the next command may take: strangers get less. */
void smtp_session_set_timeout(struct smtp_session *s);
/* Writes one reply; a 5yz counts as an error, which may turn it into 421 and close. */
void smtp_session_reply(struct smtp_session *s, const struct smtp_reply *r);
/* The same, counted whatever its code. */
void smtp_session_error(struct smtp_session *s, const struct smtp_reply *r);
/* The same without counting. */
void smtp_session_say(struct smtp_session *s, const struct smtp_reply *r);
/* The same from parts. */
void smtp_session_answer(
    struct smtp_session *s, unsigned code, const char *enhanced, const char *text);
/* As answer, and closes. */
void smtp_session_bye(
    struct smtp_session *s, unsigned code, const char *enhanced, const char *text);
void smtp_session_close(struct smtp_session *s);
/* Ends the transaction, if there is one: tells the hooks, forgets its state. */
void smtp_session_reset(struct smtp_session *s);
/* Forgets all that the client has said (RFC 3207 §4.2). */
void smtp_session_forget(struct smtp_session *s);

/* One row for each verb. */
struct smtp_row {
    unsigned stages;   /* in which it is legal */
    const char *wrong; /* 503 text elsewhere */
    bool no_args;      /* 501 when there are some (RFC 5321 §4.3.2) */
    enum { SMTP_ROW_BOTH, SMTP_ROW_SMTP, SMTP_ROW_LMTP } only;
    TASK_FN
    void (*run)(struct smtp_session *s, const struct smtp_command *c);
    /* Appends the lines of EHLO that come with it, each ended by '\n'. */
    void (*offer)(struct smtp_session *s, struct buffer *keywords);
};

/* dispatch.c */
const struct smtp_row *smtp_dispatch_row(enum smtp_verb verb); /* NULL: not implemented */
TASK_FN
void smtp_dispatch(struct smtp_session *s);

/* hello.c */
TASK_FN
void smtp_hello_greet(struct smtp_session *s);
TASK_FN
void smtp_hello_extended(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_hello_plain(struct smtp_session *s, const struct smtp_command *c);

/* envelope.c */
TASK_FN
void smtp_envelope_mail(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_envelope_rcpt(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_envelope_rset(struct smtp_session *s, const struct smtp_command *c);
void smtp_envelope_offer(struct smtp_session *s, struct buffer *keywords);

/* body.c */
TASK_FN
void smtp_body_data(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_body_bdat(struct smtp_session *s, const struct smtp_command *c);
void smtp_body_offer(struct smtp_session *s, struct buffer *keywords);
/* Reactor: bytes of a body. */
enum conn_next smtp_body_feed(struct smtp_session *s, struct slice in, size_t *used);
/* After SMTP_FOUND_BODY. */
TASK_FN
void smtp_body_complete(struct smtp_session *s);

/* secure.c */
TASK_FN
void smtp_secure_start(struct smtp_session *s, const struct smtp_command *c);
void smtp_secure_offer(struct smtp_session *s, struct buffer *keywords);

/* login.c */
TASK_FN
void smtp_login_start(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_login_line(struct smtp_session *s);
TASK_FN
void smtp_login_broken(struct smtp_session *s); /* a line too long or with a bare LF */
void smtp_login_offer(struct smtp_session *s, struct buffer *keywords);

/* small.c */
TASK_FN
void smtp_small_noop(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_small_vrfy(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_small_help(struct smtp_session *s, const struct smtp_command *c);
TASK_FN
void smtp_small_quit(struct smtp_session *s, const struct smtp_command *c);
