/* MAIL, RCPT, RSET. */
#include "message/date.h"
#include "smtp/session_private.h"

#define EXCESS_UNPUNISHED 1000 /* recipients over the limit that are no error */

static unsigned parameters(struct smtp_session *s)
{
    const struct smtp_hooks *h = s->service->hooks;
    bool auth = s->authenticated || (h->mechanisms && h->mechanisms(s).n);
    unsigned offered = s->service->offered;
    if (!conn_tls(s->conn)->on) /* RFC 8689 §2 */
        offered &= ~(unsigned)SMTP_PARAM_REQUIRETLS;
    return SMTP_PARAM_SIZE | SMTP_PARAM_BODY | SMTP_PARAM_SMTPUTF8 | (auth ? SMTP_PARAM_AUTH : 0) |
           offered;
}

static int64_t wall_seconds(void)
{
    return clock_wall() / 1000000;
}

void smtp_envelope_offer(struct smtp_session *s, struct buffer *keywords)
{
    unsigned offered = parameters(s);
    const struct smtp_service *v = s->service;
    buffer_printf(
        keywords, "SIZE %llu\n8BITMIME\nSMTPUTF8\n", (unsigned long long)smtp_session_limit(s));
    if (offered & SMTP_PARAM_NOTIFY)
        buffer_add(keywords, S("DSN\n"));
    if (offered & SMTP_PARAM_REQUIRETLS)
        buffer_add(keywords, S("REQUIRETLS\n"));
    if (offered & SMTP_PARAM_HOLD) { /* RFC 4865 §3 */
        char text[DATE_TEXT_MAX];
        struct date last = date_from_unix(wall_seconds() + v->hold_max, 0);
        buffer_printf(keywords, "FUTURERELEASE %u " SLICE_FMT "\n", v->hold_max,
            SLICE_ARG(date_format_rfc3339(&last, text)));
    }
    if (offered & SMTP_PARAM_BY)
        buffer_printf(keywords, "DELIVERBY %u\n", v->by_min);
    if (offered & SMTP_PARAM_PRIORITY)
        buffer_add(keywords, S("MT-PRIORITY\n"));
}

/* What cannot be promised is refused here; sets hold_until. */
static bool check_times(const struct smtp_service *v, struct smtp_mail *m, struct smtp_reply *error)
{
    int64_t now = wall_seconds();
    if (m->hold_for)
        m->hold_until = now + m->hold_for;
    if (!(m->given & SMTP_PARAM_HOLD))
        m->hold_until = 0;
    else if (m->hold_until <= now)
        smtp_reply_set(error, 501, "5.5.4", "HOLDUNTIL: that time has passed");
    else if (m->hold_until - now > v->hold_max) /* RFC 4865 §4.2 */
        smtp_reply_set(
            error, 501, "5.5.4", "A message is held for %u seconds at most", v->hold_max);
    else if (m->given & SMTP_PARAM_BY && m->hold_until > now + m->by) /* RFC 4865 §5.2.2 */
        smtp_reply_set(
            error, 501, "5.5.4", "The message would be held until after its time is over");
    if (!error->code && m->by_return && (uint32_t)m->by < v->by_min) /* RFC 2852 §3 */
        smtp_reply_set(error, 555, "5.5.4", "BY: at least %u seconds are needed", v->by_min);
    return !error->code;
}

void smtp_envelope_mail(struct smtp_session *s, const struct smtp_command *c)
{
    const struct smtp_service *v = s->service;
    struct smtp_mail mail;
    struct smtp_reply r = {0};
    if (v->auth_required && !s->authenticated) { /* RFC 4954 §6, RFC 3207 §4 */
        bool tls = !v->submission || conn_tls(s->conn)->on;
        smtp_session_answer(s, 530, "5.7.0",
            tls ? "Authentication required" : "Say STARTTLS first, then log in with AUTH");
        return;
    }
    if (!smtp_command_mail(c->args, parameters(s), &mail, &r) || !check_times(v, &mail, &r)) {
        smtp_session_reply(s, &r);
        return;
    }
    if (mail.size > smtp_session_limit(s)) { /* RFC 1870 §6.1 (2) */
        smtp_session_answer(s, 552, "5.3.4", "Message too big");
        return;
    }
    if (v->hooks->mail && !v->hooks->mail(s, &mail, &r)) {
        smtp_session_reply(s, &r);
        return;
    }
    s->stage = SMTP_STAGE_MAIL;
    s->mail_utf8 = mail.utf8;
    if (!r.code)
        smtp_reply_set(&r, 250, "2.1.0", "Sender ok");
    smtp_session_reply(s, &r);
}

/* RFC 5321 §4.5.3.1.10: the surplus comes again in a transaction of its own; who goes on and on
 * gets slowed. */
static void too_many(struct smtp_session *s, unsigned limit)
{
    struct smtp_reply r;
    smtp_reply_set(&r, 452, "4.5.3", "Too many recipients; send the rest in another transaction");
    if (s->tried > limit + EXCESS_UNPUNISHED)
        smtp_session_error(s, &r);
    else
        smtp_session_reply(s, &r);
}

void smtp_envelope_rcpt(struct smtp_session *s, const struct smtp_command *c)
{
    const struct smtp_service *v = s->service;
    struct smtp_rcpt rcpt;
    struct smtp_reply r = {0};
    unsigned limit = v->recipients ? v->recipients : 1000;
    if (!smtp_command_rcpt(c->args, parameters(s), s->mail_utf8, &rcpt, &r)) {
        smtp_session_reply(s, &r);
        return;
    }
    if (s->tried < UINT32_MAX)
        s->tried++;
    if (s->accepted >= limit) {
        too_many(s, limit);
        return;
    }
    if (v->hooks->rcpt && !v->hooks->rcpt(s, &rcpt, &r)) {
        if (v->lmtp) /* the client knows its recipients from us: no guessing */
            smtp_session_say(s, &r);
        else
            smtp_session_reply(s, &r);
        return;
    }
    s->accepted++;
    if (!r.code)
        smtp_reply_set(&r, 250, "2.1.5", "Recipient ok");
    smtp_session_reply(s, &r);
}

void smtp_envelope_rset(struct smtp_session *s, const struct smtp_command *c)
{
    smtp_session_reset(s);
    smtp_session_answer(s, 250, "2.0.0", "Ok");
}
