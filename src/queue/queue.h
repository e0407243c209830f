/* Mail that has to leave: durable entries (one for each message and recipient), what is due, and
 * who owns it meanwhile.
 *
 * A message enters in the same intent that makes its local copies, before 250. Its entries leave
 * one by one, each in the mutation that also makes what follows from it (a bounce). The blob is
 * released with the last entry. Exactly one courier owns an entry; ownership is in memory, so a
 * crash means that the entry is tried again: every message arrives at least once.
 *
 * Entries are filed under a route: the recipient's domain, or the host that the administrator chose
 * for its mail (delivery/table.h).
 * What is in memory is per route, never per entry (schedule.h): a million entries of a dead domain
 * cost what one costs. */
#pragma once
#include "base/arena.h"
#include "base/outcome.h"
#include "store/engine.h"
#include "task/task.h"

#define QUEUE_ADDRESS_MAX 400
#define QUEUE_REPLY_MAX   512 /* of a remote's words that are kept */
#define QUEUE_ROUTE_MAX   330 /* holds no NUL */
#define QUEUE_ORCPT_MAX   500 /* RFC 3461 §4.2 */
#define QUEUE_ENVID_MAX   100 /* RFC 3461 §4.4 */
#define QUEUE_REMOTE_MAX  320
#define QUEUE_TRACE_MAX   32
#define QUEUE_PUT_MAX     1000 /* recipients of one message */
#define QUEUE_ITEM_MAX    100  /* entries of one transaction */

/* Defaults; each can be given with the message. */
#define QUEUE_RETRY_FOR    (5 * INT64_C(86400)) /* s, then an entry fails */
#define QUEUE_NOTICE_AFTER (4 * INT64_C(3600))  /* s, then the sender is told of the delay */
#define QUEUE_ENTRIES_MAX  UINT64_C(10000000)

struct queue;

enum queue_notify { /* RFC 3461 §4.1; 0: not given, which is FAILURE and DELAY */
    QUEUE_NOTIFY_NEVER = 1,
    QUEUE_NOTIFY_SUCCESS = 2,
    QUEUE_NOTIFY_FAILURE = 4,
    QUEUE_NOTIFY_DELAY = 8,
};

enum queue_flag {
    QUEUE_UTF8 = 1, /* needs SMTPUTF8 */
    QUEUE_8BIT = 2,
    QUEUE_REQUIRETLS = 4,   /* RFC 8689 */
    QUEUE_TLS_OPTIONAL = 8, /* "TLS-Required: No" */
    QUEUE_RET_HEADERS = 16, /* RFC 3461 §4.3 */
    QUEUE_RET_FULL = 32,
    QUEUE_DELIVERBY_RETURN = 64, /* RFC 2852: bounce, else only tell */
    QUEUE_DELIVERBY_TRACE = 128,
    QUEUE_IS_REPORT = 256, /* a DSN of ours: it never gives rise to another */
    QUEUE_HELD_FOR = 512,  /* HOLDFOR: hold_until is created, the interval, and 1 for the part of a
                              second that created lacks */
};

struct queue_message {
    uint64_t id; /* as log, Received and trace have it: queue_id_text */
    store_blob_id blob;
    uint64_t size;
    uint64_t account;   /* who submitted; 0: not one of ours (forwarded) */
    int64_t created;    /* wall s */
    int64_t hold_until; /* FUTURERELEASE (RFC 4865); 0 */
    int64_t deliver_by; /* wall s; 0 */
    int64_t expires;    /* wall s: then its entries fail; 0 at queue_put: QUEUE_RETRY_FOR after
                           created or hold_until, or deliver_by when that is to return it */
    uint32_t flags;
    int8_t priority;     /* MT-PRIORITY (RFC 6710), -9 to 9 */
    uint32_t entries;    /* left */
    struct slice sender; /* envelope; empty: <> */
    struct slice envid;  /* as given, xtext; empty */
    struct slice trace;  /* the id that the client was told */
    struct slice alias;  /* that sends it on, for Delivered-To; empty */
};

enum queue_state {
    QUEUE_WAITING,
    QUEUE_HELD, /* by the administrator, or by a limit: not tried until released, does not expire */
    QUEUE_DOOMED, /* the administrator wants it to fail: the sender is told, then it is gone */
};

struct queue_entry {
    uint64_t message;
    uint32_t index; /* of the recipient in its message */
    enum queue_state state;
    uint32_t attempts;
    int64_t next;           /* wall s: not before */
    int64_t notice;         /* wall s: delay notice due; 0: was sent, or is not wanted */
    uint8_t notify;         /* enum queue_notify */
    struct slice recipient; /* where it goes */
    struct slice route;
    struct slice orcpt;  /* as given, with its type; empty */
    struct slice reply;  /* what the remote said last, clean; empty: not tried yet */
    struct slice remote; /* who said it: "mx.example.org [192.0.2.1]" */
};

/* ---- entering: inside the mutation of the queue's partition ---- */

struct queue_recipient {
    struct slice address, route, orcpt;
    uint8_t notify;
    bool held;
};
struct queue_new {
    struct queue_message message; /* id is chosen inside, entries is the number of recipients */
    const struct queue_recipient *recipients;
    size_t n;               /* 1 to QUEUE_PUT_MAX */
    int64_t notice_after;   /* s; 0: QUEUE_NOTICE_AFTER */
    struct queue_new *next; /* for the caller: more of the same blob */
};
/* The one partition that the queue is in; q may be NULL. */
store_partition queue_partition(const struct queue *q);
/* Retains the blob, sets id, entries and expires of the message. REFUSED: the queue is full (its
 * maximum of entries), or an address, route or the number of recipients is over its limit; what is
 * over its limit of envid, orcpt and trace is left out. */
enum outcome queue_put(struct store_txn *t, struct queue_new *new);
/* After the mutation is durable: its routes are looked at now, or at hold_until. Any reactor. */
void queue_wake(struct queue *q, const struct queue_new *new);

/* 11 letters and digits, and back; false: none. */
void queue_id_text(uint64_t id, char out[16]);
bool queue_id_parse(struct slice text, uint64_t *id);

/* ---- life ---- */

struct queue_batch;
struct queue_reporter; /* queue/reporter.h */
struct queue_options {
    struct store *store;
    /* Carries a batch of one route out (delivery/remote.h, courier tasks), calls queue_settle for
     * each entry, then returns. */
    TASK_FN
    void (*carry)(void *arg, struct queue_batch *batch);
    void *arg;
    /* Where bounces, delay and success notices go; they are stored with the settling. Lives as long
     * as the queue. NULL: there are none. */
    const struct queue_reporter *reporter;
    unsigned couriers;       /* at once, all reactors; 0: 200 */
    unsigned couriers_route; /* 0: 20 */
    uint64_t entries_max;    /* 0: 10 million */
    size_t routes_max;       /* (route, account) pairs in memory; more are found again in the store
                                when there is room; 0: 262,144 */
    /* ns: what has expired, or would be told as late, when the queue begins or when the clock leaps
     * ahead has so long to be tried before it is. */
    int64_t calm;
};
/* Reads which routes have mail. NULL: why, in one line. */
TASK_FN
struct queue *queue_open(const struct queue_options *options, char why[256], deadline until);
/* Starts the schedule on every reactor. */
void queue_start(struct queue *q);
/* Takes no new work; couriers end at their next border, and are cancelled when `until` has passed;
 * returns when all have ended. Harmless when it was not started. */
TASK_FN
void queue_stop(struct queue *q, deadline until);
/* After queue_stop, when nobody wakes it any more. NULL is fine. */
void queue_close(struct queue *q);
/* Expiries and delay notices that are due now; the queue does so by itself every 30 s. On the
 * reactor that opened the queue. */
TASK_FN
void queue_tend(struct queue *q);
struct queue_figures {
    uint64_t entries, messages, bytes;    /* in the store */
    uint64_t held;                        /* of the entries */
    size_t routes, routes_down, couriers; /* as seen when each reactor last looked */
};
/* False: the store failed. */
TASK_FN
bool queue_figures(struct queue *q, struct queue_figures *f, deadline until);

/* ---- for couriers: one task works through what is due for one route ---- */

struct queue_item {
    struct queue_message message;
    struct queue_entry *entries; /* of one transaction: at most 100 */
    size_t n;
};
struct slice queue_batch_route(const struct queue_batch *b);
/* The next message that is due for this route, with its entries: they are the batch's until they
 * are settled, or the batch ends. In the arena (of 1 MiB at least). False: nothing more, or others'
 * turn, or the queue is stopping: return from carry. */
TASK_FN
bool queue_next(
    struct queue_batch *b, struct arena *arena, struct queue_item *item, deadline until);

/* When nothing more is due: waits for the next message of the route, with the connection open.
 * False: none came in time, or the courier is wanted elsewhere: return from carry. */
TASK_FN
bool queue_await(struct queue_batch *b, deadline until);

enum queue_verdict {
    QUEUE_DELIVERED, /* the remote took it and speaks DSN, or it is at its end */
    QUEUE_RELAYED,   /* the remote took it and does not speak DSN */
    QUEUE_DEFERRED,  /* again later: 4yz, lost connection, resolver down */
    QUEUE_FAILED,    /* never: 5yz, null MX, TLS that must be and cannot */
    QUEUE_UNTRIED,   /* gives it back as it was (connection limit, stopping) */
};
struct queue_settlement {
    enum queue_verdict verdict;
    char status[12];     /* "5.1.10" (RFC 3463) */
    struct slice reply;  /* the remote's own words, clean; or ours */
    bool remote_said;    /* reply is the remote's */
    bool at_end;         /* DELIVERED: into a mailbox, nobody else reports that */
    bool expanded;       /* at_end: into several mailboxes (RFC 3461 §5.2.7.3) */
    bool tell;           /* DELIVERED, RELAYED: unless NOTIFY=NEVER, the sender is told that it was
                            handed on (RFC 2852 §4.1.4) */
    struct slice remote; /* "mx.example.org [192.0.2.1]"; empty */
    struct slice tls;    /* of the connection: "TLSv1.3 ..."; empty: none */
    struct slice why;    /* one plain sentence for people; empty: made from the status */
    int64_t not_before;  /* DEFERRED: wall s; 0: the schedule decides */
};
/* One for each entry of the item, in order. Durable when it returns true: entry gone or put off,
 * report made. False: the store failed; the entries stay the batch's and will be tried again. */
TASK_FN
bool queue_settle(struct queue_batch *b, const struct queue_item *item,
    const struct queue_settlement *settlements, deadline until);
/* The route itself cannot be reached: nothing of it is tried until it has backed off; what is owned
 * goes back unsettled. The words are shown for all its entries. */
TASK_FN
void queue_route_down(struct queue_batch *b, const struct queue_settlement *why);
