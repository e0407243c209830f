/* An answer in the making: the messages that a question is about, the lines of each, and what leads
 * on from there. */
#pragma once
#include "base/table.h"
#include "trace/search.h"

#define FIND_ROOM     ((size_t)16 * 1024 * 1024)
#define FIND_FOUND    (2 * TRACE_MESSAGES_MAX + 64) /* messages that are looked at for the latest */
#define FIND_COPIES   4096                          /* of the messages, in mailboxes */
#define FIND_LEGS     4096                          /* message and route */
#define FIND_ROW_SPAN (INT64_C(600) * 1000000)      /* us that a row may last */

struct found_message {
    struct table_node node;
    struct slice id;
    int64_t latest;
    unsigned order; /* 0: shown first */
};

/* A message in a mailbox. */
struct found_copy {
    uint64_t blob, account;
    struct slice id;
    int64_t fetched;
    struct slice packed; /* its first FETCHED; empty: none */
};

/* Recipients of a message that go one way. */
struct found_leg {
    struct slice id;
    uint64_t route; /* chunk_hash */
    int64_t from, to;
    int left; /* not yet delivered or failed */
};

struct found_line {
    struct trace_line line;
    int64_t time;
    unsigned message, number; /* number: falls as time rises */
};

struct find {
    struct store *store;
    const struct trace_question *question;
    struct trace_answer *answer;
    deadline until;
    struct found_message *messages;
    struct table by_id;
    size_t message_n, limit;
    int64_t floor; /* enough are found: older ones are of no use */
    struct found_copy *copies;
    size_t copy_n;
    struct found_leg *legs;
    size_t leg_n;
    struct found_line *lines;
    size_t line_n;
    uint64_t *keys;
};

/* find_lines.c: every line of the messages; then fetches and routes that could not be reached. */
TASK_FN
enum outcome find_lines(struct find *f);
/* A place in messages; NULL: none of them. */
struct found_message *find_message(const struct find *f, struct slice id);
