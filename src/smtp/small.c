/* NOOP, VRFY, HELP, QUIT. */
#include "smtp/session_private.h"

void smtp_small_noop(struct smtp_session *s, const struct smtp_command *c)
{
    smtp_session_answer(s, 250, "2.0.0", "Ok");
}

/* RFC 5321 §3.5.3: 252 says that nothing was looked up. No list of who lives here for strangers
 * (§7.3). */
void smtp_small_vrfy(struct smtp_session *s, const struct smtp_command *c)
{
    if (c->args.n)
        smtp_session_answer(s, 252, "2.5.0", "Not verified here; RCPT will tell");
    else
        smtp_session_answer(s, 501, "5.5.4", "Syntax: VRFY address");
}

void smtp_small_help(struct smtp_session *s, const struct smtp_command *c)
{
    smtp_session_answer(s, 214, "2.0.0",
        s->service->lmtp ? "LMTP as in RFC 2033: LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT"
                         : "SMTP as in RFC 5321: EHLO MAIL RCPT DATA BDAT RSET VRFY NOOP QUIT");
}

void smtp_small_quit(struct smtp_session *s, const struct smtp_command *c)
{
    smtp_session_reset(s);
    smtp_session_bye(s, 221, "2.0.0", "Bye");
}
