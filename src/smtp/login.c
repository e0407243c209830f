/* AUTH (RFC 4954): the exchange of lines. What they mean is the hook's. */
#include "smtp/session_private.h"

static struct slice mechanisms(struct smtp_session *s)
{
    const struct smtp_hooks *h = s->service->hooks;
    return h->mechanisms && h->auth ? h->mechanisms(s) : (struct slice){0};
}

void smtp_login_offer(struct smtp_session *s, struct buffer *keywords)
{
    struct slice names = mechanisms(s);
    if (names.n && !s->authenticated)
        buffer_printf(keywords, "AUTH " SLICE_FMT "\n", SLICE_ARG(names));
}

/* The text of 334 is base64 and nothing else, and may be longer than a reply line. */
static void challenge(struct smtp_session *s, const struct buffer *text)
{
    conn_put(s->conn, S("334 "));
    conn_put(s->conn, buffer_slice(text));
    conn_put(s->conn, S("\r\n"));
    s->phase = SMTP_PHASE_LOGIN;
}

/* From here on it is no stranger: other stacks, more time. */
static void succeed(struct smtp_session *s, struct smtp_reply *r)
{
    s->authenticated = true;
    if (s->service->submission)
        conn_set_handler(s->conn, &smtp_session_handler_of_user, s);
    smtp_session_set_timeout(s);
    if (!r->code)
        smtp_reply_set(r, 235, "2.7.0", "Authentication succeeded");
    smtp_session_reply(s, r);
}

/* The last failed login allowed gets its reply, then the goodbye. */
static void fail(struct smtp_session *s, struct smtp_reply *r)
{
    if (!r->code)
        smtp_reply_set(r, 535, "5.7.8", "Authentication failed");
    smtp_session_reply(s, r);
    if (r->code == 535 && ++s->failed_logins >= SMTP_LOGINS)
        smtp_session_bye(s, 421, "4.7.0", "Too many failed logins");
}

static void step(struct smtp_session *s, const struct smtp_auth_request *request)
{
    struct buffer text;
    struct smtp_reply r = {0};
    buffer_init(&text, SMTP_AUTH_LINE);
    enum smtp_auth_step next = s->service->hooks->auth(s, request, &text, &r);
    s->phase = SMTP_PHASE_COMMAND;
    if (request->cancelled) {
        buffer_finish(&text);
        return;
    }
    if (next == SMTP_AUTH_CHALLENGE && !text.overflow)
        challenge(s, &text);
    else if (next == SMTP_AUTH_DONE)
        succeed(s, &r);
    else
        fail(s, &r);
    buffer_finish(&text);
}

void smtp_login_start(struct smtp_session *s, const struct smtp_command *c)
{
    struct slice response = c->args, mechanism = slice_cut(&response, ' ');
    if (s->service->submission && !conn_tls(s->conn)->on) {
        smtp_session_answer(s, 538, "5.7.11", "Passwords are taken over TLS only: STARTTLS first");
    } else if (!mechanisms(s).n && !s->authenticated) {
        smtp_session_answer(s, 502, "5.5.1", "AUTH is not available here");
    } else if (s->authenticated) {
        smtp_session_answer(s, 503, "5.5.1", "You are authenticated already");
    } else if (!mechanism.n) {
        smtp_session_answer(s, 501, "5.5.4", "Syntax: AUTH mechanism [initial-response]");
    } else {
        response = slice_trim(response);
        const struct smtp_auth_request request = {
            .mechanism = mechanism, .has_response = response.n != 0, .response = response};
        step(s, &request);
    }
}

TASK_FN
static void cancel(struct smtp_session *s)
{
    const struct smtp_auth_request request = {.cancelled = true};
    step(s, &request);
}

void smtp_login_line(struct smtp_session *s)
{
    const struct smtp_auth_request request = {.has_response = true, .response = s->line};
    if (!slice_eq(s->line, S("*"))) {
        step(s, &request);
        return;
    }
    cancel(s);
    smtp_session_answer(s, 501, "5.7.0", "Authentication cancelled");
}

void smtp_login_broken(struct smtp_session *s)
{
    cancel(s);
    if (s->found == SMTP_FOUND_TOO_LONG)
        smtp_session_answer(s, 500, "5.5.6", "Authentication line too long");
    else
        smtp_session_answer(s, 500, "5.5.2", "Lines end with CRLF, not with LF alone");
}
