/* STARTTLS (RFC 3207). */
#include "smtp/session_private.h"

void smtp_secure_offer(struct smtp_session *s, struct buffer *keywords)
{
    if (s->service->starttls && !conn_tls(s->conn)->on)
        buffer_add(keywords, S("STARTTLS\n"));
}

void smtp_secure_start(struct smtp_session *s, const struct smtp_command *c)
{
    if (conn_tls(s->conn)->on) {
        smtp_session_answer(s, 503, "5.5.1", "TLS is already on");
    } else if (!s->service->starttls) {
        smtp_session_answer(s, 502, "5.5.1", "TLS is not available here");
    } else if (conn_start_tls(s->conn)) {
        struct smtp_reply r;
        smtp_reply_set(&r, 220, "2.0.0", "Go ahead");
        smtp_session_say(s, &r);
    } else {
        /* Plain text behind STARTTLS was put there by somebody in the middle, to be run as if it
         * had come encrypted. */
        smtp_session_bye(s, 554, "5.5.1", "Nothing may follow STARTTLS before the handshake");
    }
}
