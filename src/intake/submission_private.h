/* Who is logged in and what is written: the part of a session that only submission has. */
#pragma once
#include "auth/auth.h"
#include "auth/place.h"
#include "intake/outgoing.h"
#include "intake/rewrite.h"
#include "intake/session_private.h"

struct sasl;

struct intake_submitter {
    uint64_t account; /* 0: nobody is logged in */
    char address[DIRECTORY_ADDRESS_MAX + 1];
    struct auth_place place;
    struct sasl *sasl;             /* an exchange of AUTH is going on */
    char mechanisms[128];          /* as offered last */
    struct intake_rewrite rewrite; /* the message under way */
    struct intake_outgoing outgoing;
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

/* submission.c */
/* A recipient in a domain that is not ours. */
bool intake_submission_elsewhere(
    struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_reply *reply);
/* Before the trace fields are written: is there one recipient that they may name? */
void intake_submission_single(struct intake_session *t);
/* Date and Message-ID where they are missing, for the front of the message. False: no memory. */
bool intake_submission_head(const struct intake_session *t, int64_t now, struct buffer *head);
