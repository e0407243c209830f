/* The tagged reply that a handler leaves. */
#include "imap/session_private.h"
#include <stdarg.h>
#include <stdio.h>

void imap_reply(
    struct imap_command *c, enum imap_status status, const char *code, const char *format, ...)
{
    va_list args;
    c->reply.status = status;
    snprintf(c->reply.code, sizeof c->reply.code, "%s", code ? code : "");
    va_start(args, format);
    if (vsnprintf(c->reply.text, sizeof c->reply.text, format, args) < 0)
        c->reply.text[0] = '\0';
    va_end(args);
}

void imap_reply_syntax(struct imap_command *c)
{
    int n = c->name.n < 32 ? (int)c->name.n : 32;
    imap_reply(c, IMAP_BAD_COMMAND, "", "Error in %.*s: %s", n, c->name.p,
        c->lex.why              ? c->lex.why
        : imap_lex_end(&c->lex) ? "more is expected"
                                : "too much is there");
}

static void refused(struct imap_command *c, enum mailbox_refusal refusal)
{
    static const struct {
        const char *code, *text;
    } said[] = {
        [MAILBOX_REFUSED_NOT] = {"CANNOT", "That cannot be done"},
        [MAILBOX_REFUSED_ABSENT] = {"NONEXISTENT", "There is no such mailbox"},
        [MAILBOX_REFUSED_EXISTS] = {"ALREADYEXISTS", "There is a mailbox of this name already"},
        [MAILBOX_REFUSED_INBOX] = {"CANNOT", "The INBOX stays where it is"},
        [MAILBOX_REFUSED_NAME] = {"CANNOT", "That name cannot be"},
        [MAILBOX_REFUSED_LIMIT] = {"LIMIT", "There are too many already"},
        [MAILBOX_REFUSED_QUOTA] = {"OVERQUOTA", "That does not fit into the quota"},
        [MAILBOX_REFUSED_GONE] = {"UNAVAILABLE", "The account was removed"},
        [MAILBOX_REFUSED_MISSING] = {"EXPUNGEISSUED", "Some of the messages no longer exist"},
    };
    imap_reply(c, IMAP_NO, said[refusal].code, "%s", said[refusal].text);
}

void imap_reply_outcome(struct imap_command *c, enum outcome o, enum mailbox_refusal refusal)
{
    switch (o) {
    case OUTCOME_DONE:
        imap_reply(c, IMAP_OK, "", "Done");
        break;
    case OUTCOME_REFUSED:
        refused(c, refusal);
        break;
    case OUTCOME_FAILED:
        imap_reply(c, IMAP_NO, "UNAVAILABLE", "The store does not answer, try again later");
        break;
    case OUTCOME_UNKNOWN:
        imap_reply(c, IMAP_BYE, "UNAVAILABLE",
            "The store has failed; whether the last command was carried out is not known");
        break;
    }
}
