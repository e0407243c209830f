#include "intake/intake.h"
#include "intake/session_private.h"
#include <stdlib.h>

bool intake_connect(struct smtp_session *s, struct smtp_reply *reply)
{
    struct intake_session *t = calloc(1, sizeof *t);
    if (!t) {
        smtp_reply_set(
            reply, 421, "4.3.2", "%s Out of memory, try again later", smtp_service(s)->hostname);
        return false;
    }
    t->options = smtp_arg(s);
    t->smtp = s;
    intake_outgoing_init(&t->outgoing);
    smtp_set_state(s, t);
    intake_journal_connected(t);
    return true;
}

bool intake_mail(struct smtp_session *s, const struct smtp_mail *mail, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    const struct smtp_path *p = &mail->sender;
    size_t n = 0;
    t->announced = mail->size;
    t->utf8 = mail->utf8;
    t->recipient[0] = '\0';
    intake_trace_id(t->id);
    if (!p->null) {
        memcpy(t->sender, p->local, p->local_n);
        n = p->local_n;
        t->sender[n++] = '@';
        memcpy(t->sender + n, p->domain, p->domain_n);
        n += p->domain_n;
    }
    t->sender[n] = '\0';
    intake_wishes_set(&t->wishes, mail, clock_wall() / 1000000);
    return true;
}

bool intake_rcpt(struct smtp_session *s, const struct smtp_rcpt *rcpt, struct smtp_reply *reply)
{
    struct intake_session *t = intake_of(s);
    bool ok = intake_recipients_add(t, rcpt, reply);
    if (ok)
        intake_journal_taken(t, &rcpt->recipient);
    else
        intake_journal_rcpt(t, &rcpt->recipient, reply);
    return ok;
}

void intake_reset(struct smtp_session *s)
{
    struct intake_session *t = intake_of(s);
    intake_recipients_reset(t);
    intake_outgoing_reset(&t->outgoing);
    spool_destroy(t->spool);
    t->spool = NULL;
}

void intake_closed(struct smtp_session *s, enum conn_end why)
{
    struct intake_session *t = intake_of(s);
    if (!t)
        return;
    intake_journal_closed(t, why);
    intake_outgoing_reset(&t->outgoing);
    free(t);
}

static const struct smtp_hooks mx_hooks = {
    .connect = intake_connect,
    .mail = intake_mail,
    .rcpt = intake_rcpt,
    .body_begin = intake_receive_begin,
    .body_write = intake_receive_write,
    .body_end = intake_receive_end,
    .reset = intake_reset,
    .closed = intake_closed,
};

static const struct smtp_hooks lmtp_hooks = {
    .connect = intake_connect,
    .mail = intake_mail,
    .rcpt = intake_rcpt,
    .body_begin = intake_receive_begin,
    .body_write = intake_receive_write,
    .body_end = intake_receive_end,
    .outcome = intake_receive_outcome,
    .reset = intake_reset,
    .closed = intake_closed,
};

void intake_mx(const struct intake_options *options, struct smtp_service *service)
{
    *service = (struct smtp_service){
        .protocol = "smtp",
        .hostname = options->hostname,
        .hooks = &mx_hooks,
        .arg = (void *)options,
        .starttls = options->starttls,
        .newline = options->newline,
        .message_size = options->message_size,
        .offered = SMTP_PARAM_REQUIRETLS | (options->queue ? SMTP_PARAM_DSN : 0),
    };
}

void intake_lmtp(const struct intake_options *options, struct smtp_service *service)
{
    intake_mx(options, service);
    service->protocol = "lmtp";
    service->hooks = &lmtp_hooks;
    service->lmtp = true;
    service->newline = SMTP_NEWLINE_NORMALISE;
}
