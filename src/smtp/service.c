/* What hooks may ask of a session. */
#include "smtp/session_private.h"

void *smtp_arg(const struct smtp_session *s)
{
    return s->service->arg;
}

void *smtp_state(const struct smtp_session *s)
{
    return s->state;
}

void smtp_set_state(struct smtp_session *s, void *state)
{
    s->state = state;
}

struct conn *smtp_conn(const struct smtp_session *s)
{
    return s->conn;
}

const struct smtp_service *smtp_service(const struct smtp_session *s)
{
    return s->service;
}

const char *smtp_helo(const struct smtp_session *s)
{
    return s->helo;
}

void smtp_body_resume(struct smtp_session *s)
{
    s->sink_waits = false;
    conn_resume(s->conn);
}

uint64_t smtp_session_limit(const struct smtp_session *s)
{
    return s->service->message_size ? s->service->message_size : (uint64_t)50 * 1024 * 1024;
}

const char *smtp_protocol(const struct smtp_session *s, bool utf8)
{
    /* RFC 3848, RFC 6531 §4.3: by LMTP, SMTPUTF8, TLS, AUTH. */
    static const char *const names[2][2][4] = {
        {{"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"},
            {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"}},
        {{"LMTP", "LMTPA", "LMTPS", "LMTPSA"},
            {"UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA"}},
    };
    unsigned secured = conn_tls(s->conn)->on ? 2 : 0;
    if (!s->extended && !secured && !utf8 && !s->service->lmtp)
        return "SMTP";
    return names[s->service->lmtp][utf8][secured | (s->authenticated ? 1 : 0)];
}
