/* Who is logged in and what is written: the part of a session that only submission has. */
#pragma once
#include "auth/auth.h"
#include "auth/place.h"
#include "intake/rewrite.h"
#include "intake/session_private.h"
#include "mailbox/sent.h"

struct sasl;

/* Who speaks, as the system says it (sendmail). */
struct intake_caller {
    bool on;
    bool any;          /* may send as any address of our domains */
    bool hostname_too; /* our host name stands for this machine, as localhost does */
    uint32_t uid;
    const char *name; /* "" when it is not known */
};

struct intake_submitter {
    uint64_t account; /* 0: nobody is logged in */
    char address[DIRECTORY_ADDRESS_MAX + 1];
    struct intake_caller caller;
    struct auth_place place;
    struct sasl *sasl;             /* an exchange of AUTH is going on */
    char mechanisms[128];          /* as offered last */
    struct intake_rewrite rewrite; /* the message under way */
    struct sent_counts sent;       /* when MAIL came */
    bool over_limit;               /* the message was not stored */
};

/* login.c */
struct slice intake_login_mechanisms(struct smtp_session *s);
TASK_FN
enum smtp_auth_step intake_login_step(struct smtp_session *s,
    const struct smtp_auth_request *request, struct buffer *challenge, struct smtp_reply *reply);
/* The exchange and the place are given back. */
void intake_login_end(struct intake_submitter *u);

/* author.c: false: *reply says why. */
/* MAIL: the sender belongs to the account. */
TASK_FN
bool intake_author_envelope(
    struct intake_session *t, const struct smtp_path *sender, struct smtp_reply *reply);
/* After the body: the header has one readable From, and all of From and Sender belong. */
TASK_FN
bool intake_author_header(struct intake_session *t, struct smtp_reply *reply);

/* sendmail.c */
/* False: *reply. */
TASK_FN
bool intake_sendmail_identify(struct intake_session *t, struct smtp_reply *reply);
/* Of who may send as anybody: is it an address of one of our domains? False: busy. */
TASK_FN
bool intake_sendmail_belongs(struct intake_session *t, struct slice address, bool *yes);
/* Does an address in this domain (empty: without one) mean a user of this machine? */
bool intake_sendmail_here(const struct intake_session *t, struct slice domain);
/* The same, or *own with the address that a user of this machine stands for. */
const struct smtp_mail *intake_sendmail_mail(
    const struct intake_session *t, const struct smtp_mail *mail, struct smtp_mail *own);
const struct smtp_rcpt *intake_sendmail_rcpt(
    const struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_rcpt *own);
/* From and Sender, which are not in the spool. Nothing for others. False: no memory. */
bool intake_sendmail_head(const struct intake_session *t, struct buffer *head);

/* limits.c: false: *reply says why. */
/* MAIL: how much the account has sent. */
TASK_FN
bool intake_limits_begin(struct intake_session *t, struct smtp_reply *reply);
/* RCPT: is there room for one more? */
bool intake_limits_recipient(struct intake_session *t, struct smtp_reply *reply);
/* What is to be counted in the intent that stores the message, and whether what goes elsewhere is
 * held. False: nothing is counted. */
TASK_FN
bool intake_limits_prepare(struct intake_session *t, struct sent_add *add);
/* The intent has ended: alarms. */
void intake_limits_stored(
    struct intake_session *t, const struct sent_add *add, enum outcome outcome);
/* It failed because of a limit. */
TASK_FN
void intake_limits_over(struct intake_session *t, struct smtp_reply *reply);

/* submission.c */
/* A recipient in a domain that is not ours. */
bool intake_submission_elsewhere(
    struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_reply *reply);
/* Before the trace fields are written: is there one recipient that they may name? */
void intake_submission_single(struct intake_session *t);
/* Date and Message-ID where they are missing, for the front of the message. False: no memory. */
bool intake_submission_head(const struct intake_session *t, int64_t now, struct buffer *head);
