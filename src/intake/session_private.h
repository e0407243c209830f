/* What intake knows of a connection and of the transaction under way. */
#pragma once
#include "intake/intake.h"
#include "intake/outgoing.h"
#include "intake/wishes.h"
#include "mailbox/quota.h"
#include "message/scan.h"
#include "store/spool.h"

#define INTAKE_ID      16 /* letters and digits of a message's id */
#define INTAKE_ADDRESS (SMTP_PATH_MAX + 1 + SMTP_DOMAIN_MAX)
/* A store that does not answer in this time is busy. */
#define INTAKE_LOOKUP   (10 * CLOCK_SEC)
#define INTAKE_DELIVERY (60 * CLOCK_SEC)

struct intake_account {
    uint64_t id, quota;
    bool exempt; /* reached as postmaster: takes mail over quota */
    bool deliver;
    enum quota_answer answer;
    enum outcome outcome;
    struct quota_hold hold;
};

/* An accepted RCPT: members[first .. first + n] are indexes of accounts. */
struct intake_rcpt {
    uint32_t first, n;
    uint32_t forward; /* 1 + index of forwards; 0: it names nobody elsewhere */
    uint32_t report;  /* that it was delivered, in outgoing: 1 + its index; 0: none */
};

struct intake_submitter;
struct intake_forward;

struct intake_session {
    const struct intake_options *options;
    struct smtp_session *smtp;
    struct intake_submitter *submitter; /* of submission, else NULL */
    uint64_t accepted, refused;         /* messages, for the last log line */
    /* the transaction */
    uint64_t announced; /* SIZE= */
    bool utf8;
    bool single;                        /* all RCPT so far named the same address */
    char id[INTAKE_ID + 1];             /* made at MAIL */
    char sender[INTAKE_ADDRESS + 1];    /* local@domain, local unquoted; "" for <> */
    char recipient[INTAKE_ADDRESS + 1]; /* of the first RCPT, quoted where needed */
    struct intake_account *accounts;
    struct intake_rcpt *rcpts;
    uint32_t *members;
    uint32_t account_n, account_room, rcpt_n, rcpt_room, member_n, member_room;
    struct intake_forward *forwards; /* of aliases that name addresses elsewhere (forward.h) */
    uint32_t forward_n, forward_room;
    struct spool *spool;
    int64_t ended;      /* wall us: its last byte was here */
    store_blob_id blob; /* of the message when it is stored */
    struct scan scan;
    struct intake_wishes wishes;
    struct intake_outgoing outgoing;
};

static inline struct intake_session *intake_of(const struct smtp_session *s)
{
    return smtp_state(s);
}

/* intake.c: hooks that all services share */
bool intake_connect(struct smtp_session *s, struct smtp_reply *reply);
bool intake_mail(struct smtp_session *s, const struct smtp_mail *mail, struct smtp_reply *reply);
TASK_FN
bool intake_rcpt(struct smtp_session *s, const struct smtp_rcpt *rcpt, struct smtp_reply *reply);
void intake_reset(struct smtp_session *s);
void intake_closed(struct smtp_session *s, enum conn_end why);

/* recipients.c */
TASK_FN
bool intake_recipients_add(
    struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_reply *reply);
/* The true size is known: asks again who has room for it. False: nobody has; *reply. Otherwise
 * `deliver` of the accounts is set. */
TASK_FN
bool intake_recipients_fit(struct intake_session *t, uint64_t size, struct smtp_reply *reply);
/* Gives back what is held; forgets all. */
void intake_recipients_reset(struct intake_session *t);

/* outgoing.c */
/* Recipients that the queue is to reach, those of aliases apart: how many? */
uint32_t intake_elsewhere(const struct intake_session *t);
/* What is to be queued of the message under way, its blob apart; false: nothing. */
bool intake_outgoing_queue(const struct intake_session *t, const struct intake_outgoing *o,
    int64_t now, struct queue_new *out);

/* posting.c */
/* A recipient of ours of a message that is to be held. */
bool intake_posting_held(
    struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_reply *reply);
/* NOTIFY=SUCCESS for one that stands for these. *report: for intake_rcpt. */
bool intake_posting_report(struct intake_session *t, const struct smtp_rcpt *rcpt,
    const struct directory_resolution *r, uint32_t *report, struct smtp_reply *reply);
void intake_posting_no_report(struct intake_session *t, uint32_t report);
/* False: *reply says why not. */
bool intake_posting_answer(
    enum intake_outgoing_result result, struct slice domain, struct smtp_reply *reply);
/* What is to be queued of the message, its blob apart; false: nothing. Who is delivered to is
 * decided. */
bool intake_posting_message(struct intake_session *t, int64_t now, struct queue_new *out);

/* trace.c */
struct buffer;
void intake_trace_id(char id[INTAKE_ID + 1]);
/* Return-Path and Received, for the front of the message. False: out of memory. */
bool intake_trace_head(const struct intake_session *t, int64_t now, struct buffer *head);

/* receive.c */
TASK_FN
bool intake_receive_begin(struct smtp_session *s, struct smtp_reply *reply);
enum smtp_sink intake_receive_write(struct smtp_session *s, struct slice bytes);
TASK_FN
void intake_receive_end(
    struct smtp_session *s, const struct smtp_body *body, struct smtp_reply *reply);
void intake_receive_outcome(struct smtp_session *s, unsigned index, struct smtp_reply *reply);

/* verdict.c: pure, from facts to replies. */
bool intake_verdict_content(const struct scan *facts, struct smtp_reply *reply);
void intake_verdict_spool(bool no_space, struct smtp_reply *reply);
void intake_verdict_loop(const char *alias, struct smtp_reply *reply);
void intake_verdict_quota(enum quota_answer answer, struct smtp_reply *reply);
/* UNKNOWN: code 0. */
void intake_verdict_stored(enum outcome outcome, const char *id, struct smtp_reply *reply);
void intake_verdict_resolved(
    enum directory_resolved resolved, struct slice domain, bool lmtp, struct smtp_reply *reply);

/* journal.c: log lines and metrics */
void intake_journal_connected(const struct intake_session *t);
void intake_journal_closed(const struct intake_session *t, enum conn_end why);
void intake_journal_sender(
    const struct intake_session *t, const struct smtp_path *sender, const struct smtp_reply *reply);
void intake_journal_rcpt(const struct intake_session *t, const struct smtp_path *recipient,
    const struct smtp_reply *reply);
/* Each copy that leaves, after it was stored: to whom, and under which id of the queue. Loops that
 * ended here. */
void intake_journal_forwarded(const struct intake_session *t, const struct queue_new *list);
/* A recipient that was taken. */
void intake_journal_taken(const struct intake_session *t, const struct smtp_path *recipient);
/* LMTP: the recipient that a stored message did not reach. */
void intake_journal_outcome(
    const struct intake_session *t, unsigned index, const struct smtp_reply *reply);
void intake_journal_message(
    struct intake_session *t, uint64_t size, const struct smtp_reply *reply);
