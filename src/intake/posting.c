/* What of a message goes into the queue: to elsewhere, to us but later, and what is to be reported
 * of its delivery. */
#include "base/utf8.h"
#include "delivery/here.h"
#include "intake/forward.h"
#include "intake/submission_private.h"

_Static_assert((int)SMTP_NOTIFY_NEVER == QUEUE_NOTIFY_NEVER &&
                   (int)SMTP_NOTIFY_SUCCESS == QUEUE_NOTIFY_SUCCESS &&
                   (int)SMTP_NOTIFY_FAILURE == QUEUE_NOTIFY_FAILURE &&
                   (int)SMTP_NOTIFY_DELAY == QUEUE_NOTIFY_DELAY,
    "NOTIFY is kept as it came");

bool intake_posting_answer(
    enum intake_outgoing_result result, struct slice domain, struct smtp_reply *reply)
{
    switch (result) {
    case INTAKE_OUTGOING_OK:
        return true;
    case INTAKE_OUTGOING_BAD:
        smtp_reply_set(reply, 550, "5.1.2", SLICE_FMT " is no domain that mail could go to",
            SLICE_ARG(domain));
        return false;
    case INTAKE_OUTGOING_MANY:
        smtp_reply_set(
            reply, 452, "4.5.3", "Too many recipients; send the rest in another transaction");
        return false;
    case INTAKE_OUTGOING_FULL:
        break;
    }
    smtp_reply_set(reply, 451, "4.3.0", "Out of memory, try again later");
    return false;
}

static bool know_sender(struct intake_session *t, struct smtp_reply *reply)
{
    return t->outgoing.sender.p ||
           intake_outgoing_sender_text(&t->outgoing, slice_str(t->sender)) ||
           intake_posting_answer(INTAKE_OUTGOING_FULL, S(""), reply);
}

bool intake_posting_held(
    struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_reply *reply)
{
    return know_sender(t, reply) &&
           intake_posting_answer(
               intake_outgoing_add_here(&t->outgoing, DELIVERY_HERE, rcpt, NULL), S(""), reply);
}

/* An alias sends on under a sender of ours: who wrote hears nothing more of that. */
static struct slice report_route(const struct directory_resolution *r)
{
    if (r->n + r->remote_n > 1)
        return DELIVERY_EXPANDED;
    return r->remote_n ? DELIVERY_SENT_ON : DELIVERY_TOLD;
}

bool intake_posting_report(struct intake_session *t, const struct smtp_rcpt *rcpt,
    const struct directory_resolution *r, uint32_t *report, struct smtp_reply *reply)
{
    uint32_t index = UINT32_MAX;
    *report = 0;
    if (!(rcpt->notify & SMTP_NOTIFY_SUCCESS) || !*t->sender || !t->options->queue)
        return true;
    if (!know_sender(t, reply) ||
        !intake_posting_answer(
            intake_outgoing_add_here(&t->outgoing, report_route(r), rcpt, &index), S(""), reply))
        return false;
    *report = index + 1; /* 0: it was there */
    return true;
}

void intake_posting_no_report(struct intake_session *t, uint32_t report)
{
    if (report)
        intake_outgoing_drop(&t->outgoing, report - 1);
}

/* LMTP: only what is delivered is told so. */
static void drop_reports(struct intake_session *t)
{
    for (uint32_t i = 0; i < t->rcpt_n; i++) {
        const struct intake_rcpt *r = &t->rcpts[i];
        bool delivered = r->forward && !t->forwards[r->forward - 1].loop;
        for (uint32_t k = 0; k < r->n; k++)
            delivered |= t->accounts[t->members[r->first + k]].deliver;
        if (!delivered)
            intake_posting_no_report(t, r->report);
    }
    intake_outgoing_close(&t->outgoing);
}

bool intake_posting_message(struct intake_session *t, int64_t now, struct queue_new *out)
{
    if (!t->outgoing.n)
        return false;
    drop_reports(t);
    if (!intake_outgoing_queue(t, &t->outgoing, now, out))
        return false;
    if (t->submitter)
        out->message.account = t->submitter->account;
    intake_wishes_own(&t->wishes, &out->message);
    return true;
}
