/* A connection: a stream with bounded input and output, driven by its reactor.
 *
 * Between commands it holds no stack: handshake, framing, bodies and the flush of output that the
 * socket would not take run on the reactor. The protocol is a handler with two halves: `feed` looks
 * at unread bytes with no stack and decides what they are; `run` works on a task. A conn whose
 * handler wants more, with nothing buffered and nothing to send, is parked: its buffers go back to
 * the reactor's pool and it costs a few hundred bytes.
 *
 * States: OPENING (PROXY header, TLS handshake) -> IDLE <-> QUEUED (waits for a stack) -> RUNNING
 * -> ... -> CLOSING (flushes) -> closed. Everything here is called on the conn's reactor. */
#pragma once
#include "base/buffer.h"
#include "net/peer.h"
#include "net/stream.h"
#include "net/tls.h"
#include "task/task.h"

struct conn;

enum conn_next {
    CONN_MORE,  /* not complete: call feed again when more bytes are there */
    CONN_RUN,   /* complete: call run on a task */
    CONN_HOLD,  /* cannot take bytes now (a body sink is full): stop reading until conn_resume, then
                   feed is called again, perhaps with nothing */
    CONN_CLOSE, /* flush what is to be sent, then close */
};

enum conn_event {
    CONN_OPENED,    /* accepted and, on a TLS port, through its handshake: send the greeting */
    CONN_SECURED,   /* the handshake asked for with conn_start_tls is through */
    CONN_COMPLETE,  /* feed said CONN_RUN */
    CONN_TIMED_OUT, /* nothing came in time (conn_set_timeout), or too slowly (conn_set_rate): say
                       goodbye; closes after run */
    CONN_WOKEN,     /* conn_wake was called: a watch fired */
    CONN_DRAINING,  /* the server is going down, wants the place, or somebody ended the session: say
                       goodbye (421, BYE); closes  after run */
};

enum conn_end {
    CONN_END_PEER, /* the peer closed or reset */
    CONN_END_SELF, /* we closed it, all sent */
    CONN_END_TIMEOUT,
    CONN_END_TLS,      /* handshake or record failure; conn_error says why */
    CONN_END_SLOW,     /* held a stack while others queued, or never read its output */
    CONN_END_OVERFLOW, /* input over its maximum that feed did not consume */
};

struct conn_handler {
    const char *protocol;  /* "smtp", "pop3": for log and metrics */
    size_t input_max;      /* the most bytes kept unread; feed must consume or end by then */
    enum task_class class; /* which stacks it draws from */
    /* Reactor, no stack. `in` is all unread bytes; consumes the first *used. May be called with
     * bytes it has seen. With eof the peer has closed: no more will come. What lies in `in` stays
     * where it is until run returns. */
    enum conn_next (*feed)(struct conn *c, struct slice in, bool eof, size_t *used);
    /* Task. Replies through conn_put and conn_send, changes state, returns. Called again (same
     * stack) while feed says RUN. */
    TASK_FN
    void (*run)(struct conn *c, enum conn_event event);
    /* Reactor, last call: free the session; the conn is gone afterwards. Never while run is on its
     * way. */
    void (*closed)(struct conn *c, enum conn_end why);
};

struct conn_options {
    struct stream *stream; /* owned from here on */
    int fd; /* to watch: the bottom's fd; -1 for a memory stream, which is then polled at once */
    struct peer peer, local;
    bool tls;   /* handshake first (ports 465, 993, 995) */
    bool proxy; /* a PROXY header v1 or v2 must come first, from a peer that was checked */
    const char *listener; /* for the log: "smtp", "pop3s"; outlives the conn */
    const struct conn_handler *handler;
    void *session;
    int64_t timeout; /* ns for PROXY + handshake together */
};

/* NULL: out of memory; the stream is destroyed, the session is the caller's. Otherwise
 * run(CONN_OPENED) or closed() follows, never inside this call. */
struct conn *conn_create(const struct conn_options *options);

void *conn_session(struct conn *c);
/* The handover from a pre-auth session to a mail session: unread bytes stay. In run only; takes
 * effect at once, run of the new handler is called with CONN_COMPLETE only for input that comes
 * behind. */
void conn_set_handler(struct conn *c, const struct conn_handler *handler, void *session);
const struct peer *conn_peer(const struct conn *c); /* after PROXY: the client it names */
const struct peer *conn_local(const struct conn *c);
const struct tls_facts *conn_tls(const struct conn *c);
bool conn_channel_binding(const struct conn *c, const char **type, char data[64], size_t *n);
uint64_t conn_id(const struct conn *c); /* unique in the process's life, for the log */
const char *conn_listener(const struct conn *c);
int64_t conn_opened_at(const struct conn *c); /* wall, us */
int64_t conn_heard_at(const struct conn *c);  /* clock of base/clock.h: the last byte of the peer */
/* Who is logged in, for `barid session` and for commands that end the sessions of an account: every
 * protocol says it once, right behind its login. The canonical address, in the session's own
 * memory, valid until closed() has returned. */
void conn_set_account(struct conn *c, const char *address);
const char *conn_account(const struct conn *c); /* NULL: nobody */
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);
const char *conn_error(const struct conn *c);

/* ---- output: bounded, written in one go when run returns and no complete input is waiting ---- */

#define CONN_OUTPUT_MAX ((size_t)256 * 1024)

/* Copies into the output; for replies. What would pass CONN_OUTPUT_MAX closes the conn (END_SLOW).
 */
void conn_put(struct conn *c, struct slice s);
void conn_printf(struct conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Task: for data of any length: takes it in pieces, waits for the peer when the output holds more
 * than 64 KiB. False: the conn is ending (slow, gone): stop and return from run. A peer that takes
 * nothing for 5 s while others queue for a stack is closed. */
TASK_FN
bool conn_send(struct conn *c, struct slice s);

/* ---- control ---- */

/* In run: after the reply is flushed, TLS handshake, then run(CONN_SECURED). False: unread bytes
 * are there, somebody injected plain text behind STARTTLS (or TLS is on already); the handler
 * refuses and closes. */
bool conn_start_tls(struct conn *c);
/* Bytes that are here and not consumed. */
struct slice conn_unread(const struct conn *c);
/* Are there any, or bytes that the kernel has and nobody has read (looked at without TLS only)? */
bool conn_input_waits(const struct conn *c);
/* In run or on the reactor: flush, then close. */
void conn_close(struct conn *c);
/* Reactor: at once, nothing flushed. Not in run. */
void conn_abort(struct conn *c, enum conn_end why);
/* Idle timeout in ns: time without a byte from the peer, counted while the conn waits for input. */
void conn_set_timeout(struct conn *c, int64_t ns);
/* While a body is coming: at least `rate` bytes a second over each minute, else CONN_TIMED_OUT; 0:
 * off. */
void conn_set_rate(struct conn *c, uint64_t rate);
/* After CONN_HOLD. */
void conn_resume(struct conn *c);
/* Reactor: run(CONN_WOKEN) when it is idle; coalesced; while it is running or sending, afterwards.
 */
void conn_wake(struct conn *c);
/* Reactor: run(CONN_DRAINING) as soon as it is idle. */
void conn_drain(struct conn *c);

/* ---- lines: what most feeds need ---- */

enum line { LINE_MORE, LINE_COMPLETE, LINE_TOO_LONG, LINE_BARE_LF };

/* Looks for CRLF in `in`. COMPLETE: *text is the line without it, *used counts it. BARE_LF: ended
 * by LF alone, text and used likewise. TOO_LONG: no end within max bytes (CRLF counted): *used are
 * all bytes, to be thrown away until a LF. */
enum line line_take(struct slice in, size_t max, struct slice *text, size_t *used);
