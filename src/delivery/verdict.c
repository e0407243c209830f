#include "delivery/verdict.h"
#include <stdio.h>

/* RFC 3463, behind the class. */
static const char *const details[SMTP_STAGES] = {
    [SMTP_AT_GREETING] = "3.2",
    [SMTP_AT_HELLO] = "5.0",
    [SMTP_AT_STARTTLS] = "7.0",
    [SMTP_AT_TLS] = "7.5",
    [SMTP_AT_AUTH] = "7.0",
    [SMTP_AT_MAIL] = "0.0",
    [SMTP_AT_RCPT] = "0.0",
    [SMTP_AT_DATA] = "0.0",
    [SMTP_AT_BODY] = "0.0",
    [SMTP_AT_END] = "0.0",
    [SMTP_AT_RSET] = "0.0",
    [SMTP_AT_QUIT] = "0.0",
};

/* More recipients than it takes at once: 452, or 552 as RFC 821 had it (RFC 5321 §4.5.3.1.10). A
 * 552 that says something else, like a full mailbox, means it. */
static bool too_many(const struct smtp_outcome *o)
{
    const char *enhanced = o->reply.enhanced;
    if (o->stage != SMTP_AT_RCPT || (o->reply.code != 452 && o->reply.code != 552))
        return false;
    return !strcmp(enhanced, "4.5.3") || !strcmp(enhanced, "5.5.3") ||
           (o->reply.code == 552 && !*enhanced);
}

/* RFC 4954 §6; 538 is what its forerunner had for "not without TLS". */
static bool wants_login(unsigned code)
{
    return code == 530 || code == 534 || code == 535 || code == 538;
}

static enum queue_verdict permanent(const struct smtp_outcome *o, const struct delivery_facts *f)
{
    unsigned code = o->reply.code;
    if (o->stage < SMTP_AT_MAIL)
        return code == 521 && !f->chosen ? QUEUE_FAILED : QUEUE_DEFERRED;
    if (o->stage == SMTP_AT_RSET) /* it is not about the message */
        return QUEUE_DEFERRED;
    if (code == 530 && f->without_tls) /* RFC 3207 §4: STARTTLS first */
        return QUEUE_DEFERRED;
    if (f->chosen && wants_login(code))
        return QUEUE_DEFERRED;
    return QUEUE_FAILED;
}

static enum queue_verdict verdict_of(const struct smtp_outcome *o, const struct delivery_facts *f)
{
    if (too_many(o))
        return f->some_taken ? QUEUE_UNTRIED : QUEUE_DEFERRED;
    switch (o->answer) {
    case ANSWER_OK:
        return f->dsn ? QUEUE_DELIVERED : QUEUE_RELAYED;
    case ANSWER_PERMANENT:
        return permanent(o, f);
    case ANSWER_UNSUPPORTED:
        return o->stage < SMTP_AT_MAIL ? QUEUE_DEFERRED : QUEUE_FAILED;
    case ANSWER_CANCELLED:
        return QUEUE_UNTRIED;
    default:
        return QUEUE_DEFERRED;
    }
}

/* The remote's enhanced code, if it is of the class that the verdict has. */
static void set_status(const struct smtp_outcome *o, struct queue_settlement *s)
{
    const char *enhanced = o->reply.enhanced, *detail = details[o->stage % SMTP_STAGES];
    bool lost = o->answer == ANSWER_LOST || o->answer == ANSWER_UNKNOWN;
    char class = s->verdict == QUEUE_FAILED                                    ? '5'
                 : s->verdict == QUEUE_DEFERRED || s->verdict == QUEUE_UNTRIED ? '4'
                                                                               : '2';
    if (*enhanced && enhanced[1] == '.')
        detail = enhanced + 2;
    else if (too_many(o))
        detail = "5.3";
    else if (o->reply.code == 535)
        detail = "7.8";
    else if (lost && o->stage > SMTP_AT_GREETING)
        detail = "4.2";
    else if (lost)
        detail = "4.1";
    else if (o->answer == ANSWER_PROTOCOL)
        detail = "5.0";
    else if (o->answer == ANSWER_LOCAL)
        detail = "3.0";
    snprintf(s->status, sizeof s->status, "%c.%.9s", class, detail);
}

static void flatten(char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            *text = ' ';
}

void delivery_verdict(const struct smtp_outcome *o, const struct delivery_facts *facts,
    char reply[QUEUE_REPLY_MAX], struct queue_settlement *s)
{
    const struct smtp_reply *r = &o->reply;
    int n;
    *s = (struct queue_settlement){.verdict = verdict_of(o, facts), .remote_said = r->code != 0};
    set_status(o, s);
    if (r->code)
        n = snprintf(reply, QUEUE_REPLY_MAX, "%u%s%s%s%s", r->code, *r->enhanced ? " " : "",
            r->enhanced, *r->text ? " " : "", r->text);
    else
        n = snprintf(reply, QUEUE_REPLY_MAX, "%s%s%s", r->text,
            o->stage < SMTP_STAGES ? ", at " : "", smtp_stage_name(o->stage));
    flatten(reply);
    s->reply = slice(reply, n < QUEUE_REPLY_MAX ? (size_t)n : QUEUE_REPLY_MAX - 1);
}

void delivery_own_verdict(
    enum queue_verdict verdict, const char *status, struct slice words, struct queue_settlement *s)
{
    *s = (struct queue_settlement){.verdict = verdict, .reply = words, .why = words};
    snprintf(s->status, sizeof s->status, "%s", status);
}
