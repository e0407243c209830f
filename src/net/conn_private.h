/* The inside of a connection, shared by conn.c (life), conn_open.c (PROXY, TLS), conn_drive.c (feed
 * and run), conn_io.c (buffers), conn_time.c (timers).
 *
 *   OPENING --PROXY, handshake--> QUEUED --stack--> RUNNING --run returns--> IDLE
 *   IDLE --feed says RUN, timeout, wake, drain--> QUEUED
 *   RUNNING --conn_start_tls--> SECURING --flushed, handshake--> QUEUED
 *   IDLE --conn_close, feed says CLOSE, EOF--> CLOSING --flushed--> CLOSED
 *   every state but RUNNING --abort, error, time--> CLOSED (RUNNING: when run has returned) */
#pragma once
#include "base/blame.h"
#include "net/conn.h"
#include "net/meter_private.h"
#include "net/pool_private.h"

enum conn_state {
    STATE_OPENING,
    STATE_IDLE,
    STATE_QUEUED,
    STATE_RUNNING,
    STATE_SECURING,
    STATE_CLOSING,
    STATE_CLOSED,
};

/* What waits to be told to the handler. */
enum { PENDING_WOKEN = 1, PENDING_DRAIN = 2, PENDING_TIMEOUT = 4 };

/* The output holds at most this much before no more commands are taken. */
#define CONN_OUTPUT_HIGH ((size_t)64 * 1024)
/* Bytes read in one turn of the loop before others have theirs. */
#define CONN_TURN ((size_t)256 * 1024)
/* A peer that takes nothing for so long, while others queue for a stack, is closed... */
#define CONN_STALL (5 * CLOCK_SEC)
/* ... and after so long in any case (when no idle timeout says another time). */
#define CONN_STALL_LIMIT (300 * CLOCK_SEC)
/* For flushing the goodbye. */
#define CONN_CLOSING (10 * CLOCK_SEC)
/* For reading away what a peer still sends, so that the kernel does not answer with a reset that
 * would overtake our last reply. */
#define CONN_LINGER       (2 * CLOCK_SEC)
#define CONN_LINGER_BYTES ((size_t)1024 * 1024)
/* When the options name no time for the handshake. */
#define CONN_OPENING (60 * CLOCK_SEC)
/* The rate is looked at once in this time. */
#define CONN_RATE_WINDOW (60 * CLOCK_SEC)

/* Bytes of a block from `at` to `n` are there. */
struct conn_bytes {
    struct block block;
    size_t at, n;
};

/* Invariants: on a task only in RUNNING; no buffers in IDLE when nothing is unread and nothing is
 * to be sent; unread bytes do not move in QUEUED and RUNNING, so that slices into them stay valid
 * from feed to the end of run. */
struct conn {
    struct list node;   /* in its reactor's list */
    struct list kicked; /* waits to be driven in the next turn */
    struct stream *stream;
    const struct conn_handler *handler;
    void *session;
    struct watcher watcher; /* fd -1: memory stream */
    struct timer timer;
    deadline timer_at; /* DEADLINE_NEVER: not running */
    struct task_request request;
    struct event writable;
    struct conn_bytes in, out;
    struct tls_facts *tls; /* NULL: none */
    char *error;           /* NULL: none */
    const char *listener;
    const char *account; /* NULL: nobody is logged in */
    struct meter *meter;
    uint64_t network; /* counted under this key when `counted` */
    uint64_t blame;   /* the peer's key, for base/blame.h */
    uint64_t id, bytes_in, bytes_out;
    int64_t opened_at; /* wall */
    int64_t timeout, opening_timeout;
    deadline until;      /* of OPENING, SECURING, CLOSING */
    int64_t byte_at;     /* last byte from the peer */
    int64_t heard_at;    /* last byte from the peer, or since when we wait for one */
    int64_t taken_at;    /* last time that the peer took output, or since when there is some */
    int64_t held_at;     /* since when held */
    uint64_t rate;       /* bytes a second; 0: off */
    uint64_t rate_bytes; /* bytes_in when the window began */
    int64_t rate_at;     /* when it began */
    size_t burst;        /* bytes sent by the task without letting others run */
    size_t lingered;     /* bytes read away in CLOSING */
    int8_t read_wait;    /* what the stream waits for to go on reading, writing: STREAM_WANT_... */
    int8_t write_wait;
    uint8_t state, pending, event, end, inside;
    bool eof;       /* the peer has closed its side */
    bool eof_told;  /* ... and feed has seen that with nothing unread */
    bool fresh;     /* feed has not seen what is unread */
    bool again;     /* feed has said HOLD and must be asked again */
    bool readable;  /* the stream may have bytes now */
    bool large;     /* a body is streaming: read in large pieces */
    bool held;      /* CONN_HOLD */
    bool closing;   /* flush, then close */
    bool ended;     /* close without flushing, `end` says why */
    bool start_tls; /* after run */
    bool awaits;    /* its task waits for `writable` */
    bool proxy;     /* a PROXY header must come */
    bool wants_tls; /* TLS from the first byte */
    bool lingering;
    bool counted; /* under `network` */
    bool placed;  /* among the process's connections */
    bool shut;    /* the goodbye is with the kernel */
    struct peer peer, local;
};

/* conn.c */
void conn_enter(struct conn *c, enum conn_state state);
/* Drives it in the next turn of the loop. */
void conn_kick(struct conn *c);
/* No more flushing; drive, or the end of run, closes it. The first reason stays. */
void conn_end(struct conn *c, enum conn_end why);
/* Keeps a copy of the words for conn_error. */
void conn_say(struct conn *c, const char *words);
/* closed(), and frees it. Never in RUNNING. */
void conn_finish(struct conn *c);
/* It holds a place of limit_open, a count of limit_take; given back when it ends. */
void conn_placed(struct conn *c);
void conn_counted(struct conn *c, uint64_t network);
/* Asks the longest-connected idle conns that have not logged in to leave (at most n). */
void conn_shed(unsigned n);

/* conn_open.c: OPENING and SECURING */
void conn_open_step(struct conn *c);

/* conn_drive.c */
/* Does what can be done now. The conn may be gone afterwards. */
void conn_drive(struct conn *c);
void conn_queue(struct conn *c, enum conn_event event);
void conn_run_task(void *conn);
/* Arms watcher and timer for the state. */
void conn_settle(struct conn *c);

/* conn_io.c */
static inline size_t conn_bytes_left(const struct conn_bytes *b)
{
    return b->n - b->at;
}
/* One read into the input: > 0, or STREAM_... (errors are noted). */
ssize_t conn_fill(struct conn *c);
/* At most n bytes from the stream, exactly behind what is there. */
ssize_t conn_fill_exactly(struct conn *c, size_t n);
void conn_consume(struct conn *c, size_t n);
/* True: nothing is left to send. False: the peer does not take it now, or the conn has ended. */
bool conn_write_out(struct conn *c);
/* Gives back the buffers that hold nothing. */
void conn_release_buffers(struct conn *c);

/* conn_time.c */
void conn_on_timer(struct timer *t);
void conn_set_alarm(struct conn *c);
void conn_rate_restart(struct conn *c);
