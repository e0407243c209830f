/* What happened to each message, kept for a while, so that "where is my message" has an answer.
 *
 * Rooms note events as they log; the process has one trace, and without one notes cost a load. A
 * note is copied into memory of the reactor that calls; once a second what is new is written to the
 * store. So a crash may lose the last second of the trace, never mail, and mail never waits for the
 * trace: what finds no room is dropped and counted.
 *
 * Events of a message carry its id (intake: told in the 250, in Received and in the queue), reports
 * that of the message they are about. Some kinds have none: FETCHED has account and blob, HOST and
 * ROUTE_DOWN have the route; trace_find brings them together. */
#pragma once
#include "base/arena.h"
#include "base/outcome.h"
#include "store/engine.h"
#include "task/task.h"

#define TRACE_EVENT_MAX 4096 /* bytes of a packed event; fields that do not fit are left out */
#define TRACE_TEXT_MAX  1024 /* longer texts are cut */
#define TRACE_FIELDS    32   /* of an event */
#define TRACE_ID_SIZE   16   /* letters of a message's id */

enum trace_kind {
    TRACE_ACCEPTED = 1, /* the client got its 250 */
    TRACE_REFUSED,      /* a sender, recipient or message was not taken */
    TRACE_UNKNOWN,      /* no reply was given: the store does not know */
    TRACE_RECIPIENT,    /* a further recipient of the transaction was taken */
    TRACE_STORED,       /* in a mailbox */
    TRACE_QUEUED,       /* one recipient */
    TRACE_ATTEMPT,      /* one recipient */
    TRACE_ROUTE_DOWN,   /* the servers of a route cannot be reached: an attempt for all in it */
    TRACE_EXPIRED,      /* tried for too long, or failed by the administrator */
    TRACE_REPORT,       /* the sender was told: in a mailbox, or queued */
    TRACE_HELD,         /* by the administrator, as the next three */
    TRACE_RELEASED,
    TRACE_RETRIED,
    TRACE_REMOVED,
    TRACE_FETCHED, /* the whole message, by POP3 or IMAP */
    TRACE_LOOP,    /* an alias did not send it on: it had been there before */
    TRACE_HOST,    /* one address of a route could not be used: the next one is tried */
    TRACE_KINDS
};

/* A text or a number, by tag. Marked with *: what a search finds the event by. */
enum trace_tag {
    TRACE_ID = 1,     /* * */
    TRACE_QUEUE,      /* * id in the queue */
    TRACE_FROM,       /* * */
    TRACE_TO,         /* * */
    TRACE_LOGIN,      /* * address of the account that submitted */
    TRACE_MESSAGE_ID, /* * without its angle brackets */
    TRACE_ROUTE,      /* * of HOST and ROUTE_DOWN alone */
    TRACE_PROTOCOL,
    TRACE_PEER,
    TRACE_HELO,
    TRACE_TLS,
    TRACE_STATUS, /* "4.7.1" */
    TRACE_REPLY,  /* somebody's words */
    TRACE_REMOTE, /* who said them: "mx.example.org [192.0.2.1]" */
    TRACE_WHAT,   /* of an attempt: its verdict; of a report: what it tells */
    TRACE_ALIAS,  /* * that sent it on */
    TRACE_NUMBERS = 64,
    TRACE_ACCOUNT = TRACE_NUMBERS, /* * but in FETCHED */
    TRACE_BLOB,                    /* * */
    TRACE_MAILBOX,
    TRACE_SIZE,
    TRACE_RECIPIENTS,
    TRACE_CODE,
    TRACE_ATTEMPTS,
    TRACE_NEXT, /* wall s */
    TRACE_TAGS_END
};

struct trace_field {
    uint8_t tag; /* 0: left out; so are empty texts */
    struct slice text;
    uint64_t number;
};

static inline struct trace_field trace_slice(enum trace_tag tag, struct slice text)
{
    return (struct trace_field){.tag = (uint8_t)tag, .text = text};
}

static inline struct trace_field trace_text(enum trace_tag tag, const char *text)
{
    return trace_slice(tag, slice_str(text));
}

static inline struct trace_field trace_number(enum trace_tag tag, uint64_t number)
{
    return (struct trace_field){.tag = (uint8_t)tag, .number = number};
}

/* Reactor; does not suspend, does not allocate. time: wall us; 0: now. */
void trace_write(enum trace_kind kind, int64_t time, const struct trace_field *fields, size_t n);
/* Is anything noted at all? */
bool trace_on(void);

/* Of what came at this time (wall s): is anything still kept? */
bool trace_covers(int64_t seconds);

#define trace_note(kind, ...) trace_note_at((kind), 0, __VA_ARGS__)
#define trace_note_at(kind, time, ...)                                                             \
    do {                                                                                           \
        if (trace_on()) {                                                                          \
            const struct trace_field trace_fields_[] = {__VA_ARGS__};                              \
            trace_write(                                                                           \
                (kind), (time), trace_fields_, sizeof trace_fields_ / sizeof *trace_fields_);      \
        }                                                                                          \
    } while (0)

/* ---- life ---- */

/* Task. keep: ns; 0: nothing is noted, and what is there is deleted. False: out of memory, there is
 * no trace. The store outlives it. */
TASK_FN
bool trace_start(struct store *s, int64_t keep);
/* Any thread: from a reload. */
void trace_keep(int64_t keep);
/* Task: what was noted so far is in the store when it returns, unless that does not take it. Nobody
 * stops the trace meanwhile. Harmless without one. */
TASK_FN
void trace_flush(void);
/* Task, on the reactor of trace_start: writes what was noted. Harmless without one. */
TASK_FN
void trace_stop(void);

/* ---- asking ---- */

struct trace_event {
    enum trace_kind kind;
    int64_t time; /* wall, us */
    size_t n;
    struct trace_field fields[TRACE_FIELDS];
};

/* Empty when it is not there; the first when there are more. */
struct slice trace_event_text(const struct trace_event *e, enum trace_tag tag);
uint64_t trace_event_number(const struct trace_event *e, enum trace_tag tag);

#define TRACE_NAMES        4     /* of one question */
#define TRACE_MESSAGES_MAX 1000  /* of one answer */
#define TRACE_EVENTS_MAX   20000 /* of one answer */

struct trace_question {
    /* A message's id, its id in the queue, or its Message-ID; or else addresses, ASCII case
     * ignored: the message was from or for one of them. */
    struct slice id;
    struct slice addresses[TRACE_NAMES];
    size_t address_n;
    uint64_t account; /* 0, or in whose mailbox it was put */
    int64_t since;    /* wall us */
    size_t messages;  /* at most TRACE_MESSAGES_MAX, the latest */
};

struct trace_line {
    struct slice id;     /* the message's */
    struct slice packed; /* trace_line_event */
};

struct trace_answer {
    struct arena arena;
    struct trace_line *lines; /* the latest message first; of a message in order of time */
    size_t n;
    bool more; /* than fits: not all is there */
};

/* What is noted of messages. DONE, or FAILED (what was found until then). Finish the answer in both
 * cases. */
TASK_FN
enum outcome trace_find(struct store *s, const struct trace_question *question,
    struct trace_answer *answer, deadline until);
void trace_line_event(const struct trace_line *line, struct trace_event *e);
void trace_answer_finish(struct trace_answer *answer);
/* When a message's id was made, in wall us; false: it is none. */
bool trace_id_time(struct slice id, int64_t *time);

/* For `barid verify`: rows that cannot be read, each told in a line. False: the store failed. */
TASK_FN
bool trace_verify(
    struct store *s, void (*fault)(void *arg, const char *text), void *arg, uint64_t *chunks);
