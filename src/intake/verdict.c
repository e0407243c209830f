#include "intake/session_private.h"

bool intake_verdict_content(const struct scan *facts, struct smtp_reply *reply)
{
    if (facts->field[SCAN_RECEIVED] >= INTAKE_RECEIVED_MAX) /* RFC 5321 §6.3 */
        smtp_reply_set(reply, 554, "5.4.6", "Too many hops: %u Received fields, this is a loop",
            (unsigned)facts->field[SCAN_RECEIVED]);
    else if (facts->header_bytes > INTAKE_HEADER_MAX)
        /* A size limit like the one on the whole, so the same code (RFC 3463 §3.4). */
        smtp_reply_set(reply, 552, "5.3.4", "Message header too big; at most %llu octets are taken",
            (unsigned long long)INTAKE_HEADER_MAX);
    else
        return true;
    return false;
}

void intake_verdict_spool(bool no_space, struct smtp_reply *reply)
{
    if (no_space)
        smtp_reply_set(reply, 452, "4.3.1", "No space for the message now, try again later");
    else
        smtp_reply_set(reply, 451, "4.3.0", "The message could not be written, try again later");
}

void intake_verdict_loop(const char *alias, struct smtp_reply *reply)
{
    smtp_reply_set(
        reply, 554, "5.4.6", "Mail loop: the message has been forwarded by %s before", alias);
}

void intake_verdict_quota(enum quota_answer answer, struct smtp_reply *reply)
{
    if (answer == QUOTA_NEVER)
        smtp_reply_set(reply, 552, "5.2.2", "The message is larger than the whole mailbox may be");
    else if (answer == QUOTA_FULL)
        smtp_reply_set(reply, 452, "4.2.2", "The mailbox is full, try again later");
    else
        smtp_reply_set(reply, 451, "4.3.0", "The mailbox cannot be looked at now, try again later");
}

void intake_verdict_stored(enum outcome outcome, const char *id, struct smtp_reply *reply)
{
    switch (outcome) {
    case OUTCOME_DONE:
        smtp_reply_set(reply, 250, "2.0.0", "Ok: kept as %s", id);
        break;
    case OUTCOME_REFUSED:
        smtp_reply_set(reply, 550, "5.2.1", "The mailbox has been removed");
        break;
    case OUTCOME_FAILED:
        smtp_reply_set(reply, 452, "4.3.1", "The message could not be stored now, try again later");
        break;
    case OUTCOME_UNKNOWN:
        /* Saying 250 could lose it, refusing could duplicate it: say nothing, the client asks again
         * (RFC 1047). */
        *reply = (struct smtp_reply){0};
        break;
    }
}

void intake_verdict_resolved(
    enum directory_resolved resolved, struct slice domain, bool lmtp, struct smtp_reply *reply)
{
    switch (resolved) {
    case DIRECTORY_RESOLVE_OK:
        break;
    case DIRECTORY_RESOLVE_UNKNOWN:
        smtp_reply_set(reply, 550, "5.1.1", "No such user here");
        break;
    case DIRECTORY_RESOLVE_NOT_OURS:
        smtp_reply_set(reply, 550, "5.7.1", "Relaying denied: " SLICE_FMT " is not served here%s",
            SLICE_ARG(domain), lmtp ? "" : "; to send mail, log in on port 587 or 465");
        break;
    case DIRECTORY_RESOLVE_TOO_MANY:
        smtp_reply_set(reply, 452, "4.5.3", "The address stands for too many accounts");
        break;
    case DIRECTORY_RESOLVE_BUSY:
        smtp_reply_set(reply, 451, "4.3.0", "The directory does not answer now, try again later");
        break;
    }
}
