/* The two sessions of a connection, shared by the files of this room. */
#pragma once
#include "auth/place.h"
#include "base/buffer.h"
#include "base/metrics.h"
#include "mailbox/lease.h"
#include "mailbox/mailbox.h"
#include "pop3/command.h"
#include "pop3/pop3.h"
#include "pop3/reply.h"

#define POP3_PREAUTH_LINE     ((size_t)8 * 1024) /* with its CRLF */
#define POP3_PREAUTH_BAD      3                  /* this bad command closes */
#define POP3_PREAUTH_LOGINS   5                  /* this failed login closes */
#define POP3_PREAUTH_COMMANDS 100                /* this command before login closes */
#define POP3_PREAUTH_INPUT    ((size_t)16 * 1024)
#define POP3_AUTH_LINE        ((size_t)12288) /* a response of AUTH, without its CRLF */
#define POP3_LINE             ((size_t)255)   /* RFC 2449 §4, with its CRLF */
#define POP3_BAD              20
#define POP3_INPUT            ((size_t)4 * 1024)
#define POP3_LINE_SWALLOW     ((uint64_t)64 * 1024) /* of an overlong line, then it closes */
#define POP3_STORE_TIME       (30 * CLOCK_SEC)
#define POP3_AUTH_TIME        (60 * CLOCK_SEC)

/* What feed found and run has to do. */
enum pop3_found { POP3_FOUND_LINE, POP3_FOUND_BARE_LF, POP3_FOUND_TOO_LONG, POP3_FOUND_FLOOD };

/* What both sessions have: lines in, replies out. The first member of each. */
struct pop3_talk {
    const struct pop3_service *service;
    struct conn *conn;
    struct slice line; /* the command, in the input of conn: until run returns */
    enum pop3_found found;
    bool skipping; /* the rest of a line that was too long */
    uint64_t swallowed;
    unsigned bad, bad_max; /* bad commands; at the latter it closes */
};

/* AUTHORIZATION: no store, no mailbox; ends in a struct pop3_handover. */
struct pop3_preauth {
    struct pop3_talk talk;
    unsigned commands, failures;
    int64_t line_at;   /* when the last line was complete */
    struct sasl *sasl; /* an exchange of AUTH is going on; its lines are no commands */
    bool user_given;
    size_t user_n;
    char user[AUTH_USER_MAX];
};

/* All that a mail session starts from. */
struct pop3_handover {
    const struct pop3_service *service;
    struct conn *conn; /* with its unread bytes, peer and TLS facts */
    uint64_t account;
    struct slice address; /* of the account */
};

#define POP3_MARKED 0x80 /* in the flags of a listed message: DELE */

/* TRANSACTION. Invariant: the list is frozen but for the marks; left and octets are the number and
 * the size of what is not marked. */
struct pop3_session {
    struct pop3_talk talk;
    uint64_t account;
    char address[DIRECTORY_ADDRESS_MAX + 1];
    struct lease lease;
    struct auth_place place;
    struct mailbox_listing list;
    size_t left;
    uint64_t octets;
    uint64_t retrieved, deleted, bytes; /* for the log */
};

/* talk.c */
/* Reactor: the next line, at most max bytes with its CRLF. */
enum conn_next pop3_talk_feed(
    struct pop3_talk *t, struct slice in, bool eof, size_t max, size_t *used);
void pop3_talk_reply(struct pop3_talk *t, const struct pop3_reply *r);
void pop3_talk_ok(struct pop3_talk *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void pop3_talk_error(struct pop3_talk *t, enum pop3_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* -ERR that counts as a bad command; the last one allowed closes. */
void pop3_talk_bad(struct pop3_talk *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* True: a whole line. Otherwise the reply is given. */
bool pop3_talk_line(struct pop3_talk *t);

/* One row for each verb: who carries it out in which state (NULL: not legal there). */
struct pop3_row {
    TASK_FN
    void (*before)(struct pop3_preauth *s, const struct pop3_command *c);
    TASK_FN
    void (*after)(struct pop3_session *s, const struct pop3_command *c);
    /* Appends the lines of CAPA that come with it. mail: in TRANSACTION. */
    void (*offer)(const struct pop3_talk *t, bool mail, struct buffer *lines);
};

/* dispatch.c */
const struct pop3_row *pop3_dispatch_row(enum pop3_verb verb);
/* The session may be another one, and s gone, when they return. */
TASK_FN
void pop3_dispatch_before(struct pop3_preauth *s);
TASK_FN
void pop3_dispatch_after(struct pop3_session *s);

/* preauth.c */
extern const struct conn_handler pop3_preauth_handler;
struct pop3_preauth *pop3_preauth_create(const struct pop3_service *service);
/* After a login: hands the conn over, or replies and stays. s may be gone afterwards. */
TASK_FN
void pop3_preauth_logged_in(struct pop3_preauth *s, const struct auth_reply *who);
/* A login has failed: replies; the fifth closes. */
void pop3_preauth_refused(struct pop3_preauth *s, enum auth_result why);

/* session.c */
/* Takes lease and place, reads the list and makes the conn its own. NULL: r says why. */
TASK_FN
struct pop3_session *pop3_session_open(const struct pop3_handover *h, struct pop3_reply *r);
static inline deadline pop3_soon(void)
{
    return deadline_in(POP3_STORE_TIME);
}

/* journal.c */
void pop3_journal_connected(const struct pop3_talk *t);
void pop3_journal_opened(const struct pop3_session *s);
void pop3_journal_preauth_closed(const struct pop3_preauth *s, enum conn_end why);
void pop3_journal_closed(const struct pop3_session *s, enum conn_end why);
void pop3_journal_retrieved(
    struct pop3_session *s, uint64_t octets, store_blob_id blob, int64_t date);
/* Something of the store did not work. */
void pop3_journal_fault(const struct pop3_session *s, const char *event, uint32_t uid);
void pop3_journal_update(struct pop3_session *s, size_t marked, enum outcome o);

/* capa.c */
void pop3_capa_before(struct pop3_preauth *s, const struct pop3_command *c);
void pop3_capa_after(struct pop3_session *s, const struct pop3_command *c);

/* stls.c */
void pop3_stls_start(struct pop3_preauth *s, const struct pop3_command *c);
void pop3_stls_offer(const struct pop3_talk *t, bool mail, struct buffer *lines);

/* auth.c */
void pop3_auth_user(struct pop3_preauth *s, const struct pop3_command *c);
TASK_FN
void pop3_auth_pass(struct pop3_preauth *s, const struct pop3_command *c);
TASK_FN
void pop3_auth_start(struct pop3_preauth *s, const struct pop3_command *c);
/* A line while s->sasl. */
TASK_FN
void pop3_auth_line(struct pop3_preauth *s);
/* Ends the exchange. */
void pop3_auth_forget(struct pop3_preauth *s);
void pop3_auth_offer_user(const struct pop3_talk *t, bool mail, struct buffer *lines);
void pop3_auth_offer_sasl(const struct pop3_talk *t, bool mail, struct buffer *lines);

/* maildrop.c */
/* Message c->message; NULL: no such message, or marked, and the reply is given. */
struct mailbox_entry *pop3_maildrop_find(struct pop3_session *s, const struct pop3_command *c);
void pop3_maildrop_stat(struct pop3_session *s, const struct pop3_command *c);
TASK_FN
void pop3_maildrop_list(struct pop3_session *s, const struct pop3_command *c);
TASK_FN
void pop3_maildrop_uidl(struct pop3_session *s, const struct pop3_command *c);
void pop3_maildrop_dele(struct pop3_session *s, const struct pop3_command *c);
TASK_FN
void pop3_maildrop_rset(struct pop3_session *s, const struct pop3_command *c);
void pop3_maildrop_noop(struct pop3_session *s, const struct pop3_command *c);
void pop3_maildrop_offer_uidl(const struct pop3_talk *t, bool mail, struct buffer *lines);

/* retr.c */
TASK_FN
void pop3_retr_all(struct pop3_session *s, const struct pop3_command *c);
TASK_FN
void pop3_retr_top(struct pop3_session *s, const struct pop3_command *c);
void pop3_retr_offer_top(const struct pop3_talk *t, bool mail, struct buffer *lines);

/* quit.c */
void pop3_quit_before(struct pop3_preauth *s, const struct pop3_command *c);
TASK_FN
void pop3_quit_update(struct pop3_session *s, const struct pop3_command *c);
