/* The commands on one page; EHLO is derived from it. */
#include "smtp/session_private.h"

#define START SMTP_STAGE_START
#define READY SMTP_STAGE_READY
#define MAIL  SMTP_STAGE_MAIL
#define BODY  SMTP_STAGE_BODY
#define ANY   SMTP_STAGE_ANY

static const struct smtp_row rows[SMTP_VERBS] = {
    [SMTP_EHLO] = {ANY, NULL, false, SMTP_ROW_SMTP, smtp_hello_extended, NULL},
    [SMTP_HELO] = {ANY, NULL, false, SMTP_ROW_SMTP, smtp_hello_plain, NULL},
    [SMTP_LHLO] = {ANY, NULL, false, SMTP_ROW_LMTP, smtp_hello_extended, NULL},
    [SMTP_MAIL] = {READY, "MAIL comes after EHLO, and one at a time", false, SMTP_ROW_BOTH,
        smtp_envelope_mail, smtp_envelope_offer},
    [SMTP_RCPT] = {MAIL, "RCPT comes after MAIL", false, SMTP_ROW_BOTH, smtp_envelope_rcpt, NULL},
    [SMTP_DATA] = {MAIL, "DATA comes after RCPT, and not after BDAT", true, SMTP_ROW_BOTH,
        smtp_body_data, NULL},
    /* Looks at the stage itself: the chunk has to be read in every one. */
    [SMTP_BDAT] = {ANY, NULL, false, SMTP_ROW_BOTH, smtp_body_bdat, smtp_body_offer},
    [SMTP_RSET] = {ANY, NULL, true, SMTP_ROW_BOTH, smtp_envelope_rset, NULL},
    [SMTP_STARTTLS] = {START | READY, "STARTTLS comes before MAIL", true, SMTP_ROW_BOTH,
        smtp_secure_start, smtp_secure_offer},
    [SMTP_AUTH] = {READY, "AUTH comes after EHLO and before MAIL", false, SMTP_ROW_BOTH,
        smtp_login_start, smtp_login_offer},
    [SMTP_NOOP] = {ANY, NULL, false, SMTP_ROW_BOTH, smtp_small_noop, NULL},
    [SMTP_VRFY] = {ANY, NULL, false, SMTP_ROW_BOTH, smtp_small_vrfy, NULL},
    [SMTP_HELP] = {ANY, NULL, false, SMTP_ROW_BOTH, smtp_small_help, NULL},
    [SMTP_QUIT] = {ANY, NULL, true, SMTP_ROW_BOTH, smtp_small_quit, NULL},
};

const struct smtp_row *smtp_dispatch_row(enum smtp_verb verb)
{
    return rows[verb].run ? &rows[verb] : NULL;
}

/* A client that does nothing but keep the line busy. */
static bool idles(struct smtp_session *s, enum smtp_verb verb)
{
    bool idle = verb == SMTP_NOOP || verb == SMTP_VRFY || verb == SMTP_HELP || verb == SMTP_RSET;
    if (!idle || s->service->lmtp)
        return false;
    return ++s->idle_commands > SMTP_IDLE_COMMANDS;
}

void smtp_dispatch(struct smtp_session *s)
{
    struct smtp_command c;
    bool clean = smtp_command_parse(s->line, &c);
    const struct smtp_row *row = smtp_dispatch_row(c.verb);
    bool lmtp = s->service->lmtp;
    if (!clean)
        smtp_session_answer(s, 500, "5.5.2", "Control characters in a command");
    else if (c.verb == SMTP_UNKNOWN)
        smtp_session_answer(s, 500, "5.5.2", "Command not recognised");
    else if (!row)
        smtp_session_answer(s, 502, "5.5.1", "Command not implemented");
    else if (lmtp && row->only == SMTP_ROW_SMTP) /* RFC 2033 §4.1 */
        smtp_session_answer(s, 500, "5.5.1", "This is LMTP: say LHLO");
    else if (!lmtp && row->only == SMTP_ROW_LMTP)
        smtp_session_answer(s, 500, "5.5.1", "This is SMTP: say EHLO");
    else if (row->no_args && c.args.n)
        smtp_session_answer(s, 501, "5.5.4", "This command takes no argument");
    else if (!(row->stages & s->stage))
        smtp_session_answer(s, 503, "5.5.1", row->wrong);
    else if (idles(s, c.verb))
        smtp_session_answer(s, 503, "5.5.1", "Send mail or QUIT");
    else
        row->run(s, &c);
}
