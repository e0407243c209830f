#include "intake/wishes.h"

void intake_wishes_set(struct intake_wishes *w, const struct smtp_mail *mail, int64_t now)
{
    *w = (struct intake_wishes){
        .hold_for = mail->hold_for, .hold_until = mail->hold_until, .priority = mail->priority};
    if (mail->given & SMTP_PARAM_RET)
        w->flags |= mail->headers_only ? QUEUE_RET_HEADERS : QUEUE_RET_FULL;
    if (mail->require_tls)
        w->flags |= QUEUE_REQUIRETLS;
    if (mail->given & SMTP_PARAM_BY) {
        w->deliver_by = now + mail->by;
        w->flags |= (mail->by_return ? QUEUE_DELIVERBY_RETURN : 0) |
                    (mail->by_trace ? QUEUE_DELIVERBY_TRACE : 0);
    }
    slice_to_cstr(mail->envid, w->envid, sizeof w->envid);
}

void intake_wishes_copy(const struct intake_wishes *w, bool tls_optional, struct queue_message *m)
{
    m->flags |= w->flags & QUEUE_REQUIRETLS;
    if (tls_optional && !(w->flags & QUEUE_REQUIRETLS))
        m->flags |= QUEUE_TLS_OPTIONAL;
    m->priority = w->priority;
    m->hold_until = w->hold_until;
    if (w->hold_for) { /* from when the message is complete, in whole seconds: never too early */
        m->hold_until = m->created + w->hold_for + 1;
        m->flags |= QUEUE_HELD_FOR;
    }
}

void intake_wishes_own(const struct intake_wishes *w, struct queue_message *m)
{
    m->flags |= w->flags;
    m->deliver_by = w->deliver_by;
    m->envid = slice_str(w->envid);
}
