/* Not authenticated (RFC 9051 §3.1): a session that knows no store. It ends in a struct
 * imap_handover. */
#include "imap/session_private.h"
#include <stdlib.h>

static int64_t timeout(const struct imap_preauth *s)
{
    int64_t ns = s->talk.service->timeout_preauth;
    return ns ? ns : 60 * CLOCK_SEC;
}

/* ---- input ---- */

static bool is_space(char c)
{
    return c == ' ';
}

/* Does an ID command begin here? It may be long. */
static bool begins_id(struct slice in)
{
    size_t n = slice_find(in, ' ');
    if (n == SLICE_NONE || !n)
        return false;
    struct slice rest = slice_from(in, n + 1);
    return rest.n > 2 && slice_starts_nocase(rest, S("ID")) && is_space(rest.p[2]);
}

/* A response of AUTHENTICATE is a line, and no command. */
static enum conn_next feed_response(struct imap_preauth *s, struct slice in, bool eof, size_t *used)
{
    switch (line_take(in, IMAP_AUTH_LINE + 2, &s->response, used)) {
    case LINE_MORE:
        return eof ? CONN_CLOSE : CONN_MORE;
    case LINE_COMPLETE:
        s->found = IMAP_RESPONSE_LINE;
        break;
    case LINE_BARE_LF:
        s->found = IMAP_RESPONSE_BARE_LF;
        break;
    case LINE_TOO_LONG:
        s->found = IMAP_RESPONSE_TOO_LONG;
        break;
    }
    return CONN_RUN;
}

/* A byte now and then does not keep a stranger here: each command has the time of one timeout. */
static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct imap_preauth *s = conn_session(c);
    enum conn_next next;
    s->talk.conn = c;
    if (s->sasl) {
        next = feed_response(s, in, eof, used);
    } else {
        if (imap_frame_fresh(&s->talk.frame))
            s->talk.frame.limits = begins_id(in) ? &imap_frame_id : &imap_frame_preauth;
        next = imap_talk_feed(&s->talk, NULL, in, eof, used);
    }
    if (next == CONN_MORE && in.n && clock_now() - s->line_at > timeout(s))
        return CONN_CLOSE;
    return next;
}

/* ---- events ---- */

static void greet(struct imap_preauth *s)
{
    struct buffer code;
    conn_set_timeout(s->talk.conn, timeout(s));
    imap_journal_connected(&s->talk);
    imap_capability_code(&s->talk, IMAP_BEFORE, &code);
    imap_untagged(&s->talk, "OK [" SLICE_FMT "] %s barid ready", (int)code.n, code.p,
        s->talk.service->hostname);
    buffer_finish(&code);
}

TASK_FN
static void complete(struct imap_preauth *s)
{
    if (s->sasl) {
        imap_login_line(s, s->response, s->found);
        return;
    }
    if (++s->commands > IMAP_PREAUTH_COMMANDS)
        imap_talk_bye(&s->talk, "", "Too many commands before login");
    else if (s->talk.found == IMAP_FRAMED_COMMAND)
        imap_dispatch_before(s);
    else
        imap_talk_thrown(&s->talk);
    imap_frame_reset(&s->talk.frame);
}

static void destroy(struct imap_preauth *s)
{
    imap_login_forget(s);
    imap_frame_finish(&s->talk.frame);
    free(s);
}

static void run(struct conn *c, enum conn_event event)
{
    struct imap_preauth *s = conn_session(c);
    s->talk.conn = c;
    s->line_at = clock_now();
    switch (event) {
    case CONN_OPENED:
        greet(s);
        break;
    case CONN_COMPLETE:
        complete(s);
        if (conn_session(c) != s) /* it was a login */
            destroy(s);
        break;
    case CONN_DRAINING:
        imap_talk_bye(&s->talk, "UNAVAILABLE", "Going down, try again later");
        break;
    case CONN_TIMED_OUT:
        imap_talk_bye(&s->talk, "", "Nobody has logged in");
        break;
    case CONN_SECURED: /* RFC 9051 §6.2.1: nothing is said */
    case CONN_WOKEN:
        break;
    }
}

static void closed(struct conn *c, enum conn_end why)
{
    struct imap_preauth *s = conn_session(c);
    s->talk.conn = c;
    imap_journal_preauth_closed(s, why);
    destroy(s);
}

const struct conn_handler imap_preauth_handler = {
    .protocol = "imap",
    .input_max = IMAP_PREAUTH_INPUT,
    .class = TASK_PREAUTH,
    .feed = feed,
    .run = run,
    .closed = closed,
};

struct imap_preauth *imap_preauth_create(const struct imap_service *service)
{
    struct imap_preauth *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->talk.service = service;
    s->talk.bad_max = IMAP_PREAUTH_BAD;
    imap_frame_init(&s->talk.frame, &imap_frame_preauth);
    s->line_at = clock_now();
    return s;
}

/* ---- the end of an attempt to log in ---- */

void imap_preauth_logged_in(
    struct imap_preauth *s, struct imap_command *c, const struct auth_reply *who)
{
    const struct imap_handover h = {
        .service = s->talk.service,
        .conn = s->talk.conn,
        .account = who->account,
        .address = slice_str(who->address),
        .rights = MAILBOX_RIGHTS_ALL,
    };
    struct imap_session *mail = imap_session_open(&h, c);
    if (!mail)
        return;
    imap_reply(c, IMAP_OK, "", "Logged in");
    imap_capability_code(&mail->talk, IMAP_AFTER, &c->long_code);
}

void imap_preauth_refused(struct imap_preauth *s, struct imap_command *c, enum auth_result why)
{
    if (why == AUTH_BUSY || why == AUTH_FAILED) {
        imap_reply(c, IMAP_NO, "UNAVAILABLE", "Cannot check that now, try again later");
        return;
    }
    imap_reply(c, IMAP_NO, "AUTHENTICATIONFAILED", "%s",
        why == AUTH_DISABLED ? "This account is disabled" : "Wrong name or password");
    if (++s->failures >= IMAP_PREAUTH_LOGINS)
        c->bye = "Too many failed logins";
}

bool imap_accept(void *service, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal)
{
    *handler = &imap_preauth_handler;
    *session = imap_preauth_create(service);
    if (!*session)
        *refusal = S("* BYE [UNAVAILABLE] Out of memory, try again later\r\n");
    return *session;
}
