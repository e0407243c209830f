/* STARTTLS (RFC 9051 §6.2.1). */
#include "imap/session_private.h"

static bool certificates(void)
{
    struct tls_server *t = tls_server_current();
    tls_server_release(t);
    return t;
}

bool imap_starttls_offered(const struct imap_talk *t, struct buffer *words)
{
    return t->service->starttls && !conn_tls(t->conn)->on && certificates();
}

void imap_starttls(struct imap_preauth *s, struct imap_command *c)
{
    struct imap_talk *t = &s->talk;
    if (!imap_lex_end(&c->lex)) {
        imap_reply_syntax(c);
    } else if (conn_tls(t->conn)->on) {
        imap_reply(c, IMAP_BAD_COMMAND, "", "TLS is already on");
    } else if (!t->service->starttls || !certificates()) {
        imap_reply(c, IMAP_BAD_COMMAND, "", "TLS is not available here");
    } else if (conn_start_tls(t->conn)) {
        imap_reply(c, IMAP_OK, "", "Begin the TLS handshake");
    } else {
        /* Plain text behind STARTTLS was put there by somebody in the middle, to be run as if it
         * had come encrypted. */
        imap_reply(c, IMAP_BAD_COMMAND, "", "Nothing may follow STARTTLS before the handshake");
        c->bye = "Plain text behind STARTTLS";
    }
}
