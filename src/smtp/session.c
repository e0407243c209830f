#include "base/metrics.h"
#include "smtp/session_private.h"
#include <stdlib.h>

METRIC(errors_closed, METRIC_COUNTER, "barid_smtp_error_closes_total", "",
    "Sessions closed because of too many errors")

/* ---- replies ---- */

void smtp_session_say(struct smtp_session *s, const struct smtp_reply *r)
{
    struct buffer out;
    buffer_init(&out, (size_t)16 * 1024);
    smtp_reply_write(r, s->mail_utf8, &out);
    conn_put(s->conn, buffer_slice(&out));
    if (out.overflow || r->code == 421)
        smtp_session_close(s);
    buffer_finish(&out);
}

/* From the 10th error on the next command is looked at a second later: the bytes wait, no stack
 * does. */
static void slow_down(struct smtp_session *s)
{
    const struct smtp_service *v = s->service;
    if (s->errors >= (v->errors_slow ? v->errors_slow : 10))
        s->slow_until = deadline_in(v->error_delay ? v->error_delay : CLOCK_SEC);
}

void smtp_session_error(struct smtp_session *s, const struct smtp_reply *r)
{
    const struct smtp_service *v = s->service;
    if (++s->errors >= (v->errors_close ? v->errors_close : 20)) {
        metric_add(&errors_closed, 1);
        smtp_session_bye(s, 421, "4.7.0", "Too many errors");
        return;
    }
    slow_down(s);
    smtp_session_say(s, r);
}

void smtp_session_reply(struct smtp_session *s, const struct smtp_reply *r)
{
    if (r->code >= 500)
        smtp_session_error(s, r);
    else
        smtp_session_say(s, r);
}

void smtp_session_answer(
    struct smtp_session *s, unsigned code, const char *enhanced, const char *text)
{
    struct smtp_reply r;
    smtp_reply_set(&r, code, enhanced, "%s", text);
    smtp_session_reply(s, &r);
}

void smtp_session_bye(struct smtp_session *s, unsigned code, const char *enhanced, const char *text)
{
    struct smtp_reply r;
    if (code == 421 || code == 221) /* the host's name comes first (RFC 5321 §4.2) */
        smtp_reply_set(&r, code, enhanced, "%s %s", s->service->hostname, text);
    else
        smtp_reply_set(&r, code, enhanced, "%s", text);
    smtp_session_say(s, &r);
    smtp_session_close(s);
}

void smtp_session_close(struct smtp_session *s)
{
    if (s->phase == SMTP_PHASE_ENDING)
        return;
    s->phase = SMTP_PHASE_ENDING;
    conn_close(s->conn);
}

/* ---- the transaction ---- */

void smtp_session_reset(struct smtp_session *s)
{
    if (s->stage < SMTP_STAGE_MAIL)
        return;
    s->stage = SMTP_STAGE_READY;
    s->accepted = s->tried = 0;
    s->mail_utf8 = s->sink_waits = false; /* the sink goes with its message */
    if (s->service->hooks->reset)
        s->service->hooks->reset(s);
}

void smtp_session_forget(struct smtp_session *s)
{
    smtp_session_reset(s);
    s->stage = SMTP_STAGE_START;
    s->extended = s->authenticated = false;
    s->helo[0] = '\0';
}

static bool stranger(const struct smtp_session *s)
{
    return s->stage == SMTP_STAGE_START || (s->service->submission && !s->authenticated);
}

static int64_t patience(const struct smtp_session *s)
{
    const struct smtp_service *v = s->service;
    if (stranger(s))
        return v->timeout_greeting ? v->timeout_greeting : 60 * CLOCK_SEC;
    return v->timeout ? v->timeout : 300 * CLOCK_SEC;
}

void smtp_session_set_timeout(struct smtp_session *s)
{
    conn_set_timeout(s->conn, patience(s));
}

/* ---- input ---- */

static size_t line_max(const struct smtp_session *s, struct slice in)
{
    bool login = s->phase == SMTP_PHASE_LOGIN || slice_starts_nocase(in, S("AUTH "));
    return login ? SMTP_AUTH_LINE + 2 : SMTP_LINE_MAX;
}

/* The reply to a line that is too long comes at its end, so that replies stay in step. */
static enum conn_next feed_skip(struct smtp_session *s, struct slice in, bool eof, size_t *used)
{
    size_t lf = slice_find(in, '\n');
    *used = lf == SLICE_NONE ? in.n : lf + 1;
    s->swallowed += *used;
    if (s->swallowed > SMTP_LINE_SWALLOW) {
        s->found = SMTP_FOUND_FLOOD;
        return CONN_RUN;
    }
    if (lf == SLICE_NONE)
        return eof ? CONN_CLOSE : CONN_MORE;
    s->phase = s->in_login ? SMTP_PHASE_LOGIN : SMTP_PHASE_COMMAND;
    s->found = SMTP_FOUND_TOO_LONG;
    return CONN_RUN;
}

static enum conn_next feed_line(struct smtp_session *s, struct slice in, bool eof, size_t *used)
{
    switch (line_take(in, line_max(s, in), &s->line, used)) {
    case LINE_MORE:
        return eof ? CONN_CLOSE : CONN_MORE;
    case LINE_COMPLETE:
        s->found = SMTP_FOUND_LINE;
        return CONN_RUN;
    case LINE_BARE_LF:
        s->found = SMTP_FOUND_BARE_LF;
        return CONN_RUN;
    case LINE_TOO_LONG:
        break;
    }
    s->in_login = s->phase == SMTP_PHASE_LOGIN;
    s->phase = SMTP_PHASE_SKIP;
    s->swallowed = 0;
    return feed_skip(s, in, eof, used);
}

/* A byte now and then does not keep a stranger here: each line has the time of one timeout. */
static enum conn_next hurry(struct smtp_session *s, struct slice in, enum conn_next next)
{
    bool late = next == CONN_MORE && in.n && stranger(s) && clock_now() - s->line_at > patience(s);
    return late ? CONN_CLOSE : next;
}

static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct smtp_session *s = conn_session(c);
    s->conn = c;
    *used = 0;
    if (s->slow_until) {
        if (clock_now() < s->slow_until) {
            timer_start(&s->slow, s->slow_until);
            return CONN_HOLD;
        }
        s->slow_until = 0;
    }
    switch (s->phase) {
    case SMTP_PHASE_COMMAND:
    case SMTP_PHASE_LOGIN:
        return hurry(s, in, feed_line(s, in, eof, used));
    case SMTP_PHASE_SKIP:
        return hurry(s, in, feed_skip(s, in, eof, used));
    case SMTP_PHASE_DATA:
    case SMTP_PHASE_CHUNK: {
        if (s->sink_waits)
            return CONN_HOLD;
        enum conn_next next = smtp_body_feed(s, in, used);
        return next == CONN_MORE && eof ? CONN_CLOSE : next;
    }
    case SMTP_PHASE_ENDING:
        break;
    }
    *used = in.n;
    return CONN_CLOSE;
}

static void slow_over(struct timer *t)
{
    conn_resume(list_entry(t, struct smtp_session, slow)->conn);
}

/* ---- events ---- */

static void complete(struct smtp_session *s)
{
    switch (s->found) {
    case SMTP_FOUND_LINE:
        if (s->phase == SMTP_PHASE_LOGIN)
            smtp_login_line(s);
        else
            smtp_dispatch(s);
        break;
    case SMTP_FOUND_TOO_LONG:
    case SMTP_FOUND_BARE_LF: /* RFC 5321 §2.3.8 */
        if (s->phase == SMTP_PHASE_LOGIN)
            smtp_login_broken(s);
        else if (s->found == SMTP_FOUND_TOO_LONG)
            smtp_session_answer(s, 500, "5.5.2", "Line too long");
        else
            smtp_session_answer(s, 500, "5.5.2", "Lines end with CRLF, not with LF alone");
        break;
    case SMTP_FOUND_BODY:
        smtp_body_complete(s);
        break;
    case SMTP_FOUND_FLOOD:
        if (s->phase == SMTP_PHASE_SKIP)
            smtp_session_bye(s, 500, "5.5.2", "Line too long");
        else
            smtp_session_bye(s, 552, "5.3.4", "Message too big by far");
        break;
    }
}

static void run(struct conn *c, enum conn_event event)
{
    struct smtp_session *s = conn_session(c);
    s->conn = c;
    s->line_at = clock_now();
    switch (event) {
    case CONN_OPENED:
        smtp_hello_greet(s);
        break;
    case CONN_SECURED:
        smtp_session_forget(s);
        s->phase = SMTP_PHASE_COMMAND;
        smtp_session_set_timeout(s);
        break;
    case CONN_COMPLETE:
        if (s->phase != SMTP_PHASE_ENDING)
            complete(s);
        break;
    case CONN_TIMED_OUT:
        smtp_session_bye(s, 421, "4.4.2", "Timeout, closing");
        break;
    case CONN_DRAINING:
        smtp_session_bye(s, 421, "4.3.2", "Service is going down, try again later");
        break;
    case CONN_WOKEN:
        break;
    }
}

static void closed(struct conn *c, enum conn_end why)
{
    struct smtp_session *s = conn_session(c);
    s->conn = c;
    timer_stop(&s->slow);
    smtp_session_reset(s);
    s->service->hooks->closed(s, why);
    free(s->refusal);
    free(s);
}

const struct conn_handler smtp_session_handler = {
    .protocol = "smtp",
    .input_max = SMTP_INPUT_MAX,
    .class = TASK_NORMAL,
    .feed = feed,
    .run = run,
    .closed = closed,
};
const struct conn_handler smtp_session_lmtp_handler = {
    .protocol = "lmtp",
    .input_max = SMTP_INPUT_MAX,
    .class = TASK_NORMAL,
    .feed = feed,
    .run = run,
    .closed = closed,
};
const struct conn_handler smtp_session_submission_handler = {
    .protocol = "submission",
    .input_max = SMTP_INPUT_MAX,
    .class = TASK_PREAUTH,
    .feed = feed,
    .run = run,
    .closed = closed,
};
const struct conn_handler smtp_session_handler_of_user = {
    .protocol = "submission",
    .input_max = SMTP_INPUT_MAX,
    .class = TASK_NORMAL,
    .feed = feed,
    .run = run,
    .closed = closed,
};

bool smtp_accept(void *service, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal)
{
    const struct smtp_service *v = service;
    struct smtp_session *s = calloc(1, sizeof *s);
    if (!s) {
        *refusal = S("421 4.3.2 Out of memory, try again later\r\n");
        return false;
    }
    s->service = v;
    s->stage = SMTP_STAGE_START;
    s->line_at = clock_now();
    timer_init(&s->slow, slow_over);
    *handler = v->lmtp         ? &smtp_session_lmtp_handler
               : v->submission ? &smtp_session_submission_handler
                               : &smtp_session_handler;
    *session = s;
    return true;
}
