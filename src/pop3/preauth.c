/* AUTHORIZATION (RFC 1939 §4): a session that knows no store. It ends in a struct pop3_handover. */
#include "base/log.h"
#include "pop3/session_private.h"
#include <stdlib.h>

static int64_t timeout(const struct pop3_preauth *s)
{
    int64_t ns = s->talk.service->timeout_preauth;
    return ns ? ns : 60 * CLOCK_SEC;
}

/* A byte now and then does not keep a stranger here: each line has the time of one timeout. */
static enum conn_next feed(struct conn *c, struct slice in, bool eof, size_t *used)
{
    struct pop3_preauth *s = conn_session(c);
    size_t max = s->sasl ? POP3_AUTH_LINE + 2 : POP3_PREAUTH_LINE;
    s->talk.conn = c;
    enum conn_next next = pop3_talk_feed(&s->talk, in, eof, max, used);
    if (next == CONN_MORE && in.n && clock_now() - s->line_at > timeout(s))
        return CONN_CLOSE;
    return next;
}

static void greet(struct pop3_preauth *s)
{
    conn_set_timeout(s->talk.conn, timeout(s));
    pop3_journal_connected(&s->talk);
    pop3_talk_ok(&s->talk, "%s POP3 ready", s->talk.service->hostname);
}

static void complete(struct pop3_preauth *s)
{
    if (s->sasl) {
        pop3_auth_line(s);
    } else if (++s->commands > POP3_PREAUTH_COMMANDS) {
        pop3_talk_error(&s->talk, POP3_CODE_NONE, "Too many commands before login");
        conn_close(s->talk.conn);
    } else if (pop3_talk_line(&s->talk)) {
        pop3_dispatch_before(s);
    }
}

static void run(struct conn *c, enum conn_event event)
{
    struct pop3_preauth *s = conn_session(c);
    s->talk.conn = c;
    s->line_at = clock_now();
    switch (event) {
    case CONN_OPENED:
        greet(s);
        break;
    case CONN_SECURED: /* RFC 2595 §4: nothing of what came in clear counts */
        s->user_given = false;
        break;
    case CONN_COMPLETE:
        complete(s); /* s may be gone */
        break;
    case CONN_DRAINING:
        pop3_talk_error(&s->talk, POP3_CODE_SYS_TEMP, "Going down, try again later");
        break;
    case CONN_TIMED_OUT: /* RFC 1939 §3: without a response */
    case CONN_WOKEN:
        break;
    }
}

static void destroy(struct pop3_preauth *s)
{
    pop3_auth_forget(s);
    free(s);
}

static void closed(struct conn *c, enum conn_end why)
{
    struct pop3_preauth *s = conn_session(c);
    s->talk.conn = c;
    pop3_journal_preauth_closed(s, why);
    destroy(s);
}

const struct conn_handler pop3_preauth_handler = {
    .protocol = "pop3",
    .input_max = POP3_PREAUTH_INPUT,
    .class = TASK_PREAUTH,
    .feed = feed,
    .run = run,
    .closed = closed,
};

struct pop3_preauth *pop3_preauth_create(const struct pop3_service *service)
{
    struct pop3_preauth *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->talk.service = service;
    s->talk.bad_max = POP3_PREAUTH_BAD;
    s->line_at = clock_now();
    return s;
}

void pop3_preauth_logged_in(struct pop3_preauth *s, const struct auth_reply *who)
{
    struct pop3_reply r;
    const struct pop3_handover h = {
        .service = s->talk.service,
        .conn = s->talk.conn,
        .account = who->account,
        .address = slice_str(who->address),
    };
    bool opened = pop3_session_open(&h, &r) != NULL;
    pop3_talk_reply(&s->talk, &r);
    if (opened)
        destroy(s);
}

void pop3_preauth_refused(struct pop3_preauth *s, enum auth_result why)
{
    if (why == AUTH_BUSY || why == AUTH_FAILED) {
        pop3_talk_error(&s->talk, POP3_CODE_SYS_TEMP, "Cannot check that now, try again later");
        return;
    }
    const char *text = why == AUTH_DISABLED ? "This account is disabled" : "Wrong name or password";
    pop3_talk_error(&s->talk, POP3_CODE_AUTH, "%s", text);
    if (++s->failures >= POP3_PREAUTH_LOGINS)
        conn_close(s->talk.conn);
}

bool pop3_accept(void *service, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal)
{
    *handler = &pop3_preauth_handler;
    *session = pop3_preauth_create(service);
    if (!*session)
        *refusal = S("-ERR [SYS/TEMP] Out of memory, try again later\r\n");
    return *session;
}
