/* A conn without sockets, reactor or tasks, for tests and fuzzing of sessions: bytes go in as the
 * test says, replies are collected. Also has the timers that a session uses. */
#pragma once
#include "net/conn.h"

struct conn {
    const struct conn_handler *handler;
    void *session;
    struct buffer in, out;
    bool eof, held, closing, closed, start_tls;
    enum conn_end end;
    struct tls_facts tls;
    struct peer peer, local;
    int64_t timeout;
    uint64_t rate;
    unsigned runs;
    char *view; /* an exact copy of what feed was shown, so that a sanitizer sees a read past it */
    struct timer *timer;
    deadline timer_at;
};

/* early: what the client sends before the greeting. */
void fake_open(
    struct conn *c, const struct conn_handler *handler, void *session, const char *early);
/* The client sends, at once or in pieces of n bytes. */
void fake_send(struct conn *c, struct slice bytes);
void fake_send_pieces(struct conn *c, struct slice bytes, size_t n);
void fake_say(struct conn *c, const char *text);
/* Timeout, draining, ... */
void fake_event(struct conn *c, enum conn_event event);
/* The handshake that STARTTLS began is done. */
void fake_secure(struct conn *c);
/* The timer fires. */
void fake_fire(struct conn *c);
/* The client is gone. Harmless when the session has closed. Frees all. */
void fake_gone(struct conn *c);
/* What came out since the last time, NUL-terminated; valid until the next call. */
const char *fake_heard(struct conn *c);
