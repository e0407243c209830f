/* The server's side of POP3: RFC 1939, 2449 (CAPA), 2595 (STLS), 3206 (codes), 5034 (AUTH).
 *
 * States: AUTHORIZATION (a session without a store: pop3_preauth) -> login -> TRANSACTION (a mail
 * session over a frozen list of the INBOX, under a lease) -> QUIT, UPDATE. Deletes happen in UPDATE
 * only: a lost connection, a timeout or a lease that was taken over deletes nothing.
 *
 * Sizes in STAT, LIST and RETR are octets as stored, which is CRLF form for all that came by SMTP.
 * Bytes that came by APPEND are kept as they were and made into CRLF lines on the way out: each
 * bare CR or LF is sent as CRLF, and a message that does not end with CRLF gets one, so that RETR
 * may give that many octets more than the size told (RFC 1939 §11). Dots that are stuffed are not
 * counted.
 *
 * UIDL is UIDVALIDITY.UID of the INBOX: at most 21 characters, never used again. */
#pragma once
#include "auth/auth.h"
#include "net/conn.h"
#include "store/engine.h"

/* One for all POP3 listeners; constant while sessions live. */
struct pop3_service {
    const char *hostname;
    struct store *store;
    struct auth *auth;
    bool plaintext_without_tls;       /* USER, PASS, PLAIN and LOGIN on connections without TLS */
    unsigned connections_per_account; /* auth_place_take; 0: no limit */
    int64_t timeout;                  /* ns of idleness; 0: 10 min (RFC 1939 §3) */
    int64_t timeout_preauth;          /* 0: 60 s */
};

/* For listener_options.accept; service is a struct pop3_service. */
bool pop3_accept(void *service, const struct peer *peer, const struct conn_handler **handler,
    void **session, struct slice *refusal);
