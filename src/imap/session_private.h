/* The two sessions of a connection, shared by the files of this room. */
#pragma once
#include "auth/place.h"
#include "imap/frame.h"
#include "imap/imap.h"
#include "imap/lex.h"
#include "imap/out.h"
#include "imap/view.h"
#include "mailbox/tree.h"

#define IMAP_PREAUTH_BAD      3   /* this bad command closes */
#define IMAP_PREAUTH_LOGINS   5   /* this failed login closes */
#define IMAP_PREAUTH_COMMANDS 100 /* this command before login closes */
#define IMAP_BAD              20
#define IMAP_AUTH_LINE        ((size_t)12288) /* a response of AUTHENTICATE, without its CRLF */
#define IMAP_STORE_TIME       (30 * CLOCK_SEC)
#define IMAP_COMMAND_TIME     (10 * 60 * CLOCK_SEC) /* of one that runs over a whole mailbox */
#define IMAP_AUTH_TIME        (60 * CLOCK_SEC)
#define IMAP_PREAUTH_INPUT    ((size_t)33 * 1024)
#define IMAP_INPUT            ((size_t)64 * 1024)
#define IMAP_RATE             500 /* bytes a second at least while a message comes */
#define IMAP_ARENA_MAX        ((size_t)8 * 1024 * 1024) /* parsed arguments of one command */
#define IMAP_LONG_CODE_MAX    ((size_t)1024 * 1024)
#define IMAP_BATCH            256 /* messages in one read of FETCH, SEARCH */

struct imap_session;
struct imap_preauth;

/* ---- commands ---- */

enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD_COMMAND, IMAP_BYE };

/* The tagged reply, written when the handler has returned and changes were told. */
struct imap_reply {
    enum imap_status status;
    char code[160]; /* "TRYCREATE", without brackets; "" none. Longer ones: imap_reply_code_long */
    char text[240];
};

struct imap_command {
    struct slice tag, name; /* name: "FETCH", "UID FETCH" is FETCH with uid */
    bool uid;
    const struct imap_row *row;
    struct imap_lex lex;     /* behind the name */
    struct arena *arena;     /* until the command ends */
    struct imap_reply reply; /* OK "Done" unless the handler says otherwise */
    struct buffer long_code; /* of COPYUID and such: takes the place of reply.code when not empty */
    bool later;              /* no tagged reply now: IDLE and AUTHENTICATE give it at their end */
    bool numbers;            /* it speaks of sequence numbers: no expunges behind it, UID or not */
    bool uncounted;          /* BAD does not count as a bad command: ID */
    const char *bye;         /* static; said behind the reply, which then closes */
};

void imap_reply(struct imap_command *c, enum imap_status status, const char *code,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* BAD with what the parser found wrong. */
void imap_reply_syntax(struct imap_command *c);
/* NO for what the store or the mailbox room said; DONE gives OK; UNKNOWN ends the connection, since
 * neither OK nor NO would be true. */
void imap_reply_outcome(struct imap_command *c, enum outcome o, enum mailbox_refusal refusal);

enum imap_when {
    IMAP_BEFORE = 1,   /* not authenticated */
    IMAP_AFTER = 2,    /* authenticated, nothing selected */
    IMAP_SELECTED = 4, /* selected */
    IMAP_LOGGED_IN = 6,
    IMAP_ALWAYS = 7,
};

/* One row for each command: an extension is a file and its rows. */
struct imap_row {
    const char *name;
    enum imap_when when;
    bool uid; /* has a UID form */
    /* Expunges may be told before its tagged reply (RFC 9051 §7.5.1): not for FETCH, STORE, SEARCH;
     * for their UID forms they may. */
    bool sync_point;
    bool no_sync; /* LOGOUT, IDLE: nothing is told behind it; SELECT: until its reply a client takes
                     what is told for the mailbox it comes from */
    TASK_FN
    void (*before)(struct imap_preauth *s, struct imap_command *c);
    TASK_FN
    void (*after)(struct imap_session *s, struct imap_command *c);
};
const struct imap_row *imap_table_find(struct slice name);

struct imap_talk;

/* One row for each word of CAPABILITY. */
struct imap_capability {
    const char *word;
    enum imap_when when; /* in which states it is said */
    /* NULL: always. Otherwise: may it be said on this connection; appends to the word
     * ("AUTH=PLAIN", "APPENDLIMIT=50"); false: not said. */
    bool (*offered)(const struct imap_talk *t, struct buffer *words);
};
/* "IMAP4rev1 SASL-IR ...", for CAPABILITY and the response code. */
void imap_table_capabilities(const struct imap_talk *t, enum imap_when state, struct buffer *words);

/* ---- talking ---- */

/* What both sessions have. The first member of each. */
struct imap_talk {
    const struct imap_service *service;
    struct conn *conn;
    struct imap_frame frame;
    enum imap_framed found;
    unsigned bad, bad_max; /* bad commands; at the latter it closes */
};

static inline void imap_put(struct imap_talk *t, struct slice s)
{
    conn_put(t->conn, s);
}
/* "* " text CRLF */
void imap_untagged(struct imap_talk *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Large or looping output: waits for the peer. False: the connection is ending, return. */
TASK_FN
bool imap_send(struct imap_talk *t, struct slice s);
/* tag SP status [code] text CRLF; counts BAD; closes at the limit and after BYE. Gives the memory
 * of long_code back. Nothing when `later`. */
TASK_FN
void imap_talk_tagged(struct imap_talk *t, struct imap_command *c);
/* "* BYE [code] text" and the connection closes. code: "" none. */
void imap_talk_bye(struct imap_talk *t, const char *code, const char *text);

/* What a session decides about literals; NULL: all are arguments. Reactor. */
struct imap_literals {
    /* Does run decide about the one that was announced? Otherwise it is an argument. */
    bool (*decide)(struct imap_talk *t);
    /* Bytes of one that is streamed. False: hold. */
    bool (*sink)(struct imap_talk *t, struct slice bytes);
};
/* For conn_handler.feed: t->found says what run has to do: COMMAND, LITERAL, TOO_LONG, FLOOD. */
enum conn_next imap_talk_feed(struct imap_talk *t, const struct imap_literals *literals,
    struct slice in, bool eof, size_t *used);
/* Takes the literal that was announced as an argument. */
void imap_talk_take(struct imap_talk *t);
/* The reply to TOO_LONG, and to FLOOD, which closes. */
TASK_FN
void imap_talk_thrown(struct imap_talk *t);
/* Makes c from the text of a command: tag, name, UID, row. False: the reply is in c, or was given
 * because there is no tag. */
bool imap_talk_command(
    struct imap_talk *t, struct slice text, struct arena *arena, struct imap_command *c);

/* ---- not authenticated ---- */

enum imap_response { IMAP_RESPONSE_LINE, IMAP_RESPONSE_BARE_LF, IMAP_RESPONSE_TOO_LONG };

struct imap_preauth {
    struct imap_talk talk;
    unsigned commands, failures;
    int64_t line_at;
    struct sasl *sasl; /* AUTHENTICATE is going on: lines are responses */
    char *sasl_tag;
    struct slice response; /* in the input of conn: until run returns */
    enum imap_response found;
};

/* All that a mail session starts from. */
struct imap_handover {
    const struct imap_service *service;
    struct conn *conn; /* with its unread bytes, peer and TLS facts */
    uint64_t account;
    struct slice address; /* of the account */
    unsigned rights;
};

/* ---- logged in ---- */

#define IMAP_OWN_MAX 8

/* Invariants: view holds exactly what the client was told; a message that is gone keeps its number
 * until a sync point. Every change with a MODSEQ up to `seen` was told; every expunge up to
 * `expunged` was taken out of the view. */
struct imap_selected {
    uint32_t mailbox, uidvalidity;
    bool read_only;
    bool gone;                    /* the mailbox was removed meanwhile */
    bool delayed;                 /* expunges wait for a sync point */
    uint32_t uidnext;             /* the view knows all below */
    uint32_t recent_from, recent; /* UIDs from here on are \Recent here; how many were told */
    uint32_t claimed;             /* UIDs from here on may become \Recent elsewhere too */
    uint64_t seen, expunged;
    uint64_t keywords; /* bits that FLAGS told */
    struct view view;
    /* MODSEQs of changes that this session made and told itself since the last sync */
    uint64_t own[IMAP_OWN_MAX];
    uint32_t own_n;
};

struct imap_upload; /* APPEND under way: append.c */
struct imap_idle;   /* IDLE: idle.c */

struct imap_session {
    struct imap_talk talk;
    uint64_t account;
    char *address;
    struct auth_place place;
    bool condstore, qresync;        /* enabled on this connection; the latter implies the former:
                                       FETCH responses of changes carry UID and MODSEQ */
    struct imap_selected *selected; /* NULL: nothing */
    struct imap_upload *upload;
    struct imap_idle *idle;
    struct imap_parsed *parsed;           /* what FETCH keeps of a large message; NULL: nothing */
    uint64_t commands, fetched, appended; /* for the log */
};

static inline struct store *imap_store(const struct imap_session *s)
{
    return s->talk.service->store;
}
static inline uint64_t imap_message_size(const struct imap_service *service)
{
    return service->message_size ? service->message_size : UINT64_C(50) * 1024 * 1024;
}
static inline deadline imap_soon(void)
{
    return deadline_in(IMAP_STORE_TIME);
}

/* session.c */
/* Makes the conn its own. NULL: c says why. */
TASK_FN
struct imap_session *imap_session_open(const struct imap_handover *h, struct imap_command *c);

/* preauth.c */
extern const struct conn_handler imap_preauth_handler;
struct imap_preauth *imap_preauth_create(const struct imap_service *service);
/* After a login: hands the conn over (s goes when run returns) or says NO. */
TASK_FN
void imap_preauth_logged_in(
    struct imap_preauth *s, struct imap_command *c, const struct auth_reply *who);
void imap_preauth_refused(struct imap_preauth *s, struct imap_command *c, enum auth_result why);

/* names.c: every command that names a mailbox comes through here (mailbox_rights). */
/* Normalised name and the mailbox itself. False: c says NO ([NONEXISTENT], [TRYCREATE] when
 * `create` is the better advice, [CANNOT] for what is no name, [NOPERM]). */
TASK_FN
bool imap_names_open(struct imap_session *s, struct imap_command *c, struct slice name, bool valid,
    unsigned rights, bool trycreate, struct mailbox *m);
/* Only the name: for CREATE, RENAME to, SUBSCRIBE. */
bool imap_names_only(
    struct imap_command *c, struct slice name, bool valid, char out[MAILBOX_NAME_MAX], size_t *n);

/* sync.c: brings the client up to date. */
/* Tells EXISTS, RECENT, new keywords (FLAGS, PERMANENTFLAGS), changed flags; with sync_point also
 * EXPUNGE or VANISHED. A store that does not answer now leaves it for the next time. Without a
 * sync point the view only grows at its end. False: the connection is ending. */
TASK_FN
bool imap_sync(struct imap_session *s, bool sync_point);
/* A change of our own with this MODSEQ was told by its command: sync passes it over. When the table
 * is full, sync(false) runs first. */
TASK_FN
void imap_sync_own(struct imap_session *s, uint64_t modseq);
/* Names of the keywords' bits as of now, in the arena; tells FLAGS when there are new ones. False:
 * the store did not answer, or out of memory. */
TASK_FN
bool imap_sync_keywords(
    struct imap_session *s, struct arena *arena, struct slice names[MAILBOX_KEYWORDS]);
/* Resolves a set against the view. False: c says BAD, a number of a message that does not exist
 * (RFC 3501 §9, seq-number). */
bool imap_sync_resolve(
    struct imap_session *s, struct imap_command *c, struct imap_set *set, bool uids);
/* A CONDSTORE enabling command runs (RFC 7162 §3.1): the first one tells HIGHESTMODSEQ of the
 * selected mailbox. */
void imap_sync_condstore(struct imap_session *s);

/* flags.c */
struct imap_flags {
    uint32_t uid;
    uint8_t flags;
    uint64_t keywords, modseq;
};
/* "* FLAGS" and "* OK [PERMANENTFLAGS", when `used` (bits of keywords) is not what was told. */
void imap_flags_tell(
    struct imap_session *s, uint64_t used, const struct slice names[MAILBOX_KEYWORDS]);
/* One untagged FETCH of a change: FLAGS (unless silent), UID when the command has it, both UID and
 * MODSEQ when CONDSTORE is on. */
void imap_flags_line(struct imap_session *s, struct buffer *to, uint32_t number,
    const struct imap_flags *m, const struct slice names[MAILBOX_KEYWORDS], bool uid, bool silent);

/* vanished.c */
/* VANISHED (EARLIER) for what of these UIDs (resolved), above `above`, was expunged behind `since`
 * and is not in the view (RFC 7162 §3.2.5, §3.2.6). False: the connection is ending, or c says NO.
 */
TASK_FN
bool imap_vanished_earlier(struct imap_session *s, struct imap_command *c,
    const struct imap_set *uids, uint64_t since, uint32_t above);

/* select.c */
TASK_FN
void imap_select(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_examine(struct imap_session *s, struct imap_command *c);
/* CLOSE: expunges silently. UNSELECT: does not. */
TASK_FN
void imap_close(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_unselect(struct imap_session *s, struct imap_command *c);
/* Forgets the selected mailbox; NULL is fine. */
void imap_select_leave(struct imap_session *s);

/* status.c */
TASK_FN
void imap_status(struct imap_session *s, struct imap_command *c);
/* "* STATUS name (...)"; m as read. */
TASK_FN
bool imap_status_tell(struct imap_session *s, const struct mailbox *m, unsigned items);

/* idle.c */
TASK_FN
void imap_idle(struct imap_session *s, struct imap_command *c);
/* A line while idling, a watch that fired or the interval. */
TASK_FN
void imap_idle_line(struct imap_session *s, struct slice line);
TASK_FN
void imap_idle_woken(struct imap_session *s);
void imap_idle_forget(struct imap_session *s); /* NULL is fine */

/* dispatch.c: one command. */
TASK_FN
void imap_dispatch_before(struct imap_preauth *s);
TASK_FN
void imap_dispatch_after(struct imap_session *s);

/* journal.c */
void imap_journal_connected(const struct imap_talk *t);
void imap_journal_client(const struct imap_talk *t, struct slice name, struct slice version);
void imap_journal_opened(const struct imap_session *s);
void imap_journal_preauth_closed(const struct imap_preauth *s, enum conn_end why);
void imap_journal_closed(const struct imap_session *s, enum conn_end why);
/* Something of the store did not work. */
void imap_journal_fault(const struct imap_session *s, const char *event, enum outcome o);
/* A message that cannot be shown. */
void imap_journal_damage(
    const struct imap_session *s, const char *event, uint32_t uid, enum outcome o);

/* names.c */
/* The account's quota as of now; 0: none. False: the directory does not answer. */
TASK_FN
bool imap_names_quota(struct imap_session *s, uint64_t *quota);

/* append.c */
bool imap_append_offered(const struct imap_talk *t, struct buffer *words);
/* Is this the beginning of an APPEND? */
bool imap_append_begins(struct slice text);
/* A literal of a command that begins with APPEND was announced. True: it is the message and is
 * streamed; false: an ordinary literal. When the command must be refused, the reply was given and
 * the frame refuses the literal (*refused). */
TASK_FN
bool imap_append_begin(struct imap_session *s, struct slice text, bool *refused);
/* Reactor. False: hold. */
bool imap_append_feed(struct imap_session *s, struct slice bytes);
TASK_FN
void imap_append(struct imap_session *s, struct imap_command *c); /* the command is complete */
void imap_append_forget(struct imap_session *s);

/* one file each: fetch.c, store.c, search.c, copy.c, expunge.c, mailboxes.c, list.c, general.c */
TASK_FN
void imap_fetch(struct imap_session *s, struct imap_command *c);
void imap_fetch_forget(struct imap_session *s); /* gives back what it keeps; nothing is fine */
TASK_FN
void imap_store_flags(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_search(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_copy(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_move(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_expunge(struct imap_session *s, struct imap_command *c); /* and UID EXPUNGE */
TASK_FN
void imap_create(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_delete(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_rename(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_subscribe(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_unsubscribe(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_list(struct imap_session *s, struct imap_command *c);
TASK_FN
void imap_lsub(struct imap_session *s, struct imap_command *c);
void imap_namespace(struct imap_session *s, struct imap_command *c);
void imap_enable(struct imap_session *s, struct imap_command *c);
void imap_noop(struct imap_session *s, struct imap_command *c); /* and CHECK */
/* Both states: */
/* "CAPABILITY ...", for the response code of greeting and login. */
void imap_capability_code(const struct imap_talk *t, enum imap_when state, struct buffer *code);
void imap_capability_before(struct imap_preauth *s, struct imap_command *c);
void imap_capability_after(struct imap_session *s, struct imap_command *c);
void imap_id_before(struct imap_preauth *s, struct imap_command *c);
void imap_id_after(struct imap_session *s, struct imap_command *c);
void imap_noop_before(struct imap_preauth *s, struct imap_command *c);
void imap_logout_before(struct imap_preauth *s, struct imap_command *c);
void imap_logout_after(struct imap_session *s, struct imap_command *c);
void imap_starttls(struct imap_preauth *s, struct imap_command *c);
bool imap_starttls_offered(const struct imap_talk *t, struct buffer *words);
bool imap_login_disabled(const struct imap_talk *t, struct buffer *words);
bool imap_login_mechanisms(const struct imap_talk *t, struct buffer *words);
/* A line while AUTHENTICATE is going on. */
TASK_FN
void imap_login_line(struct imap_preauth *s, struct slice line, enum imap_response found);
/* Ends the exchange. */
void imap_login_forget(struct imap_preauth *s);
TASK_FN
void imap_login(struct imap_preauth *s, struct imap_command *c);
TASK_FN
void imap_authenticate(struct imap_preauth *s, struct imap_command *c);
