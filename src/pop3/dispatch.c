/* The commands on one page; CAPA is derived from it. */
#include "pop3/session_private.h"

static const struct pop3_row rows[POP3_VERBS] = {
    [POP3_CAPA] = {pop3_capa_before, pop3_capa_after, NULL},
    [POP3_STLS] = {pop3_stls_start, NULL, pop3_stls_offer},
    [POP3_USER] = {pop3_auth_user, NULL, pop3_auth_offer_user},
    [POP3_PASS] = {pop3_auth_pass, NULL, NULL},
    [POP3_AUTH] = {pop3_auth_start, NULL, pop3_auth_offer_sasl},
    [POP3_STAT] = {NULL, pop3_maildrop_stat, NULL},
    [POP3_LIST] = {NULL, pop3_maildrop_list, NULL},
    [POP3_UIDL] = {NULL, pop3_maildrop_uidl, pop3_maildrop_offer_uidl},
    [POP3_RETR] = {NULL, pop3_retr_all, NULL},
    [POP3_TOP] = {NULL, pop3_retr_top, pop3_retr_offer_top},
    [POP3_DELE] = {NULL, pop3_maildrop_dele, NULL},
    [POP3_NOOP] = {NULL, pop3_maildrop_noop, NULL},
    [POP3_RSET] = {NULL, pop3_maildrop_rset, NULL},
    [POP3_QUIT] = {pop3_quit_before, pop3_quit_update, NULL},
};

const struct pop3_row *pop3_dispatch_row(enum pop3_verb verb)
{
    return &rows[verb];
}

static bool parse(struct pop3_talk *t, struct pop3_command *c)
{
    switch (pop3_command_parse(t->line, c)) {
    case POP3_PARSE_OK:
        return true;
    case POP3_PARSE_UNKNOWN:
        pop3_talk_bad(t, "Unknown command");
        break;
    case POP3_PARSE_SYNTAX:
        pop3_talk_bad(t, "Syntax: %s", c->syntax);
        break;
    case POP3_PARSE_CONTROLS:
        pop3_talk_bad(t, "Control characters in a command");
        break;
    }
    return false;
}

void pop3_dispatch_before(struct pop3_preauth *s)
{
    struct pop3_command c;
    bool fine = parse(&s->talk, &c);
    /* RFC 1939 §7: PASS comes immediately behind USER. */
    if (c.verb != POP3_PASS && c.verb != POP3_USER)
        s->user_given = false;
    if (!fine)
        return;
    if (rows[c.verb].before)
        rows[c.verb].before(s, &c);
    else
        pop3_talk_bad(&s->talk, "Log in first");
}

void pop3_dispatch_after(struct pop3_session *s)
{
    struct pop3_command c;
    if (!parse(&s->talk, &c))
        return;
    if (rows[c.verb].after)
        rows[c.verb].after(s, &c);
    else
        pop3_talk_bad(&s->talk, "You are logged in already");
}
