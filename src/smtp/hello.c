/* Greeting, EHLO, HELO, LHLO. */
#include "smtp/session_private.h"

void smtp_hello_greet(struct smtp_session *s)
{
    const struct smtp_service *v = s->service;
    struct smtp_reply r = {0};
    if (!v->hooks->connect(s, &r)) {
        if (r.code)
            smtp_session_say(s, &r);
        smtp_session_close(s);
        return;
    }
    if (conn_input_waits(s->conn)) { /* RFC 5321 §4.3.1: the client waits for the greeting */
        smtp_session_bye(s, 554, "5.5.1", "You spoke before the greeting");
        return;
    }
    s->greeted = true;
    smtp_session_set_timeout(s);
    smtp_reply_set(&r, 220, NULL, "%s %s ready", v->hostname, v->lmtp ? "LMTP" : "ESMTP");
    smtp_session_say(s, &r);
}

/* A refused one leaves the session as it was (RFC 5321 §4.1.4). */
static bool hello(struct smtp_session *s, const struct smtp_command *c, bool extended)
{
    const struct smtp_service *v = s->service;
    struct smtp_reply r = {0};
    char name[SMTP_HELO_MAX + 1], before[SMTP_HELO_MAX + 1];
    if (!smtp_command_helo(c->args, name, &r)) {
        smtp_session_reply(s, &r);
        return false;
    }
    memcpy(before, s->helo, sizeof before);
    memcpy(s->helo, name, sizeof name);
    if (v->hooks->helo && !v->hooks->helo(s, &r)) {
        memcpy(s->helo, before, sizeof before);
        r.enhanced[0] = '\0'; /* RFC 2034 §4: no codes in answers to EHLO */
        smtp_session_reply(s, &r);
        return false;
    }
    smtp_session_reset(s);
    s->stage = SMTP_STAGE_READY;
    s->extended = extended;
    smtp_session_set_timeout(s);
    return true;
}

void smtp_hello_extended(struct smtp_session *s, const struct smtp_command *c)
{
    struct buffer keywords;
    struct smtp_reply r;
    if (!hello(s, c, true))
        return;
    buffer_init(&keywords, SMTP_REPLY_TEXT);
    buffer_printf(&keywords, "%s\nPIPELINING\nENHANCEDSTATUSCODES\n", s->service->hostname);
    for (int verb = 0; verb < SMTP_VERBS; verb++) {
        const struct smtp_row *row = smtp_dispatch_row((enum smtp_verb)verb);
        if (row && row->offer)
            row->offer(s, &keywords);
    }
    keywords.n--; /* the last '\n' */
    smtp_reply_set(&r, 250, NULL, SLICE_FMT, SLICE_ARG(buffer_slice(&keywords)));
    buffer_finish(&keywords);
    smtp_session_say(s, &r);
}

void smtp_hello_plain(struct smtp_session *s, const struct smtp_command *c)
{
    struct smtp_reply r;
    if (!hello(s, c, false))
        return;
    smtp_reply_set(&r, 250, NULL, "%s", s->service->hostname);
    smtp_session_say(s, &r);
}
