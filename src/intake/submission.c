/* The hooks for mail from users (RFC 6409). What they share with MX is in receive.c and
 * recipients.c. */
#include "intake/submission_private.h"
#include "message/compose.h"
#include <stdlib.h>

static bool on_connect(struct smtp_session *s, struct smtp_reply *reply)
{
    struct intake_submitter *u = calloc(1, sizeof *u);
    if (!u || !intake_connect(s, reply)) {
        free(u);
        if (!reply->code)
            smtp_reply_set(reply, 421, "4.3.2", "%s Out of memory, try again later",
                smtp_service(s)->hostname);
        return false;
    }
    intake_rewrite_init(&u->rewrite);
    intake_of(s)->submitter = u;
    return true;
}

static bool on_connect_local(struct smtp_session *s, struct smtp_reply *reply)
{
    return on_connect(s, reply) && intake_sendmail_identify(intake_of(s), reply);
}

static bool on_mail(struct smtp_session *s, const struct smtp_mail *mail, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    struct smtp_mail own;
    mail = intake_sendmail_mail(t, mail, &own);
    intake_outgoing_reset(&t->outgoing);
    intake_trace_id(t->id);
    if (!intake_outgoing_sender(&t->outgoing, &mail->sender))
        smtp_reply_set(reply, 451, "4.3.0", "Out of memory, try again later");
    else if (intake_author_envelope(t, &mail->sender, reply) && intake_limits_begin(t, reply))
        return intake_mail(s, mail, reply);
    intake_journal_sender(t, &mail->sender, reply);
    return false;
}

static bool on_rcpt(struct smtp_session *s, const struct smtp_rcpt *rcpt, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    struct smtp_rcpt own;
    rcpt = intake_sendmail_rcpt(t, rcpt, &own);
    if (intake_limits_recipient(t, reply))
        return intake_rcpt(s, rcpt, reply);
    intake_journal_rcpt(t, &rcpt->recipient, reply);
    return false;
}

static bool on_begin(struct smtp_session *s, struct smtp_reply *reply)
{
    struct intake_submitter *u = intake_of(s)->submitter;
    intake_rewrite_init(&u->rewrite);
    u->rewrite.authors_aside = u->caller.on;
    return intake_receive_begin(s, reply);
}

/* A spool that has failed takes no more; the body is read to its end all the same. */
static enum smtp_sink on_write(struct smtp_session *s, struct slice bytes)
{
    struct intake_session *t = intake_of(s);
    enum spool_state state = SPOOL_OK;
    struct slice piece;
    scan_feed(&t->scan, bytes);
    for (size_t at = 0; at < bytes.n;) {
        intake_rewrite_next(&t->submitter->rewrite, bytes, &at, &piece);
        if (piece.n)
            state = spool_write(t->spool, piece);
    }
    return state == SPOOL_WAIT ? SMTP_SINK_WAIT : SMTP_SINK_OK;
}

static void on_end(struct smtp_session *s, const struct smtp_body *body, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    struct slice piece;
    intake_rewrite_end(&t->submitter->rewrite, &piece);
    if (piece.n)
        spool_write(t->spool, piece);
    intake_receive_end(s, body, reply);
}

static void on_reset(struct smtp_session *s)
{
    intake_rewrite_finish(&intake_of(s)->submitter->rewrite);
    intake_reset(s);
}

static void on_closed(struct smtp_session *s, enum conn_end why)
{
    struct intake_session *t = intake_of(s);
    struct intake_submitter *u = t ? t->submitter : NULL;
    intake_closed(s, why);
    if (!u)
        return;
    intake_login_end(u);
    intake_rewrite_finish(&u->rewrite);
    free(u);
}

static const struct smtp_hooks hooks = {
    .connect = on_connect,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .body_begin = on_begin,
    .body_write = on_write,
    .body_end = on_end,
    .reset = on_reset,
    .mechanisms = intake_login_mechanisms,
    .auth = intake_login_step,
    .closed = on_closed,
};

static void offer(const struct intake_options *options, struct smtp_service *service)
{
    if (options->queue)
        service->offered |= SMTP_PARAM_HOLD | SMTP_PARAM_BY | SMTP_PARAM_PRIORITY;
    service->hold_max = INTAKE_HOLD_MAX;
    service->by_min = INTAKE_BY_MIN;
}

void intake_submission(const struct intake_options *options, struct smtp_service *service)
{
    intake_mx(options, service);
    service->protocol = "submission";
    service->hooks = &hooks;
    service->submission = true;
    service->auth_required = true;
    service->newline = options->submission_newline;
    offer(options, service);
}

static const struct smtp_hooks hooks_local = {
    .connect = on_connect_local,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .body_begin = on_begin,
    .body_write = on_write,
    .body_end = on_end,
    .reset = on_reset,
    .closed = on_closed,
};

void intake_sendmail(const struct intake_options *options, struct smtp_service *service)
{
    intake_mx(options, service);
    service->protocol = "sendmail";
    service->hooks = &hooks_local;
    service->starttls = false;
    service->newline = SMTP_NEWLINE_NORMALISE;
    offer(options, service);
}

/* ---- what only submission decides ---- */

bool intake_submission_elsewhere(
    struct intake_session *t, const struct smtp_rcpt *rcpt, struct smtp_reply *reply)
{
    struct slice domain = smtp_path_domain(&rcpt->recipient);
    if (!t->options->queue) {
        smtp_reply_set(reply, 550, "5.7.1",
            "This server does not send to other domains, and " SLICE_FMT " is not one of its own",
            SLICE_ARG(domain));
        return false;
    }
    return intake_posting_answer(
        intake_outgoing_add(&t->outgoing, t->options->rules, rcpt), domain, reply);
}

void intake_submission_single(struct intake_session *t)
{
    const struct intake_outgoing *o = &t->outgoing;
    if (!o->to_reach)
        return;
    t->single = o->to_reach == 1 && !t->rcpt_n;
    slice_to_cstr(o->list[0].address, t->recipient, sizeof t->recipient);
}

/* RFC 6409 §8.2, §8.3. */
bool intake_submission_head(const struct intake_session *t, int64_t now, struct buffer *head)
{
    const uint32_t *count = t->submitter->rewrite.count;
    bool ok = true;
    if (!count[INTAKE_FIELD_DATE])
        ok = compose_date(head, S("Date"), now / 1000000, 0);
    if (!count[INTAKE_FIELD_MESSAGE_ID])
        ok = compose_message_id(head, slice_str(t->id), slice_str(t->options->hostname)) && ok;
    return intake_sendmail_head(t, head) && ok;
}
