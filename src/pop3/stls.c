/* STLS (RFC 2595 §4). */
#include "pop3/session_private.h"

static bool certificates(void)
{
    struct tls_server *t = tls_server_current();
    tls_server_release(t);
    return t;
}

void pop3_stls_offer(const struct pop3_talk *t, bool mail, struct buffer *lines)
{
    if (!mail && !conn_tls(t->conn)->on && certificates())
        buffer_add(lines, S("STLS\r\n"));
}

void pop3_stls_start(struct pop3_preauth *s, const struct pop3_command *c)
{
    struct pop3_talk *t = &s->talk;
    if (conn_tls(t->conn)->on) {
        pop3_talk_bad(t, "TLS is already on");
    } else if (!certificates()) {
        pop3_talk_bad(t, "TLS is not available here");
    } else if (conn_start_tls(t->conn)) {
        pop3_talk_ok(t, "Begin the TLS handshake");
    } else {
        /* Plain text behind STLS was put there by somebody in the middle, to be run as if it had
         * come encrypted. */
        pop3_talk_error(t, POP3_CODE_NONE, "Nothing may follow STLS before the handshake");
        conn_close(t->conn);
    }
}
