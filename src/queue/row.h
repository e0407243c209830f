/* Rows of the queue's partition: keys, and packing and unpacking of values. Unpacking takes any
 * bytes and says no. Slices of what was unpacked point into the value. Numbers are big-endian,
 * "text" is a length of 2 bytes and bytes.
 *
 * header   version 1, reserved 3, entries 8, messages 8, bytes 8, entries max 8, last id 8, held 8
 * message  version 1, priority 1, reserved 2, flags 4, entries 4, blob 8, size 8, account 8,
 *          created 8, hold until 8, deliver by 8, expires 8, sender text, envid text, trace text,
 *          alias text when it is not empty
 * entry    version 1, state 1, notify 1, reserved 1, attempts 4, next 8, notice 8, recipient text,
 *          route text, orcpt text, reply text, remote text
 * due, deadline  version 1
 * route    version 1, reserved 3, failures 4, since 8, until 8, status text, reply text,
 *          remote text
 * filed    version 1, reserved 3, mark 4
 *
 * What waits has one due row and one deadline row, which follow from its entry and message rows;
 * what is held has neither, what is doomed a deadline row. A message row counts its entry rows, the
 * header both. */
#pragma once
#include "queue/queue.h"
#include "store/keyspace.h"

#define QUEUE_ROW_VERSION 1
#define QUEUE_ROW_KEY_MAX (2 + QUEUE_ROUTE_MAX + 28)
#define QUEUE_ROW_HEADER  52
#define QUEUE_ROW_MESSAGE (68 + 8 + 2 * QUEUE_ADDRESS_MAX + QUEUE_ENVID_MAX + QUEUE_TRACE_MAX)
#define QUEUE_ROW_ENTRY                                                                            \
    (24 + 10 + QUEUE_ADDRESS_MAX + QUEUE_ROUTE_MAX + QUEUE_ORCPT_MAX + QUEUE_REPLY_MAX +           \
        QUEUE_REMOTE_MAX)
#define QUEUE_ROW_STATUS_MAX 12
#define QUEUE_ROW_FILED      8
#define QUEUE_ROW_ROUTE      (24 + 6 + QUEUE_ROW_STATUS_MAX + QUEUE_REPLY_MAX + QUEUE_REMOTE_MAX)

static inline store_partition queue_row_partition(void)
{
    return keyspace_partition(KEYSPACE_QUEUE, 0);
}

struct queue_row_key {
    size_t n;
    char p[QUEUE_ROW_KEY_MAX];
};

static inline struct slice queue_row_key_slice(const struct queue_row_key *k)
{
    return slice(k->p, k->n);
}

/* A due row's key taken apart; route points into the key. */
struct queue_row_due {
    struct slice route;
    uint64_t account;
    int64_t next;
    uint64_t message;
    uint32_t index;
};

struct queue_row_key queue_row_key_header(void);
struct queue_row_key queue_row_key_message(uint64_t message);
struct queue_row_key queue_row_key_entry(uint64_t message, uint32_t index);
struct queue_row_key queue_row_key_due(const struct queue_row_due *due);
/* The first n of: route, account. Prefixes of due keys. */
struct queue_row_key queue_row_key_lane(struct slice route, uint64_t account);
struct queue_row_key queue_row_key_due_route(struct slice route);
struct queue_row_key queue_row_key_deadline(int64_t time, uint64_t message, uint32_t index);
struct queue_row_key queue_row_key_route(struct slice route);

/* Is it a key of its kind? entry: false for a message's. */
bool queue_row_parse_message(struct slice key, uint64_t *message);
bool queue_row_parse_entry(struct slice key, uint64_t *message, uint32_t *index);
bool queue_row_parse_due(struct slice key, struct queue_row_due *due);
bool queue_row_parse_deadline(struct slice key, int64_t *time, uint64_t *message, uint32_t *index);

struct queue_row_header {
    uint64_t entries, messages, bytes, entries_max, last;
    uint64_t held; /* entries in this state */
};

/* A route that cannot be reached. */
struct queue_row_route {
    uint32_t failures;
    int64_t since, until; /* wall s */
    struct slice status, reply, remote;
};

/* Bytes written. Texts are cut at their limits. */
size_t queue_row_pack_header(const struct queue_row_header *h, char out[QUEUE_ROW_HEADER]);
size_t queue_row_pack_message(const struct queue_message *m, char out[QUEUE_ROW_MESSAGE]);
size_t queue_row_pack_entry(const struct queue_entry *e, char out[QUEUE_ROW_ENTRY]);
size_t queue_row_pack_route(const struct queue_row_route *r, char out[QUEUE_ROW_ROUTE]);
bool queue_row_unpack_header(struct slice row, struct queue_row_header *h);
bool queue_row_unpack_message(struct slice row, uint64_t id, struct queue_message *m);
bool queue_row_unpack_entry(
    struct slice row, uint64_t message, uint32_t index, struct queue_entry *e);
bool queue_row_unpack_route(struct slice row, struct queue_row_route *r);
static inline bool queue_row_filed(struct slice row)
{
    return row.n == QUEUE_ROW_FILED && row.p[0] == QUEUE_ROW_VERSION;
}

/* When the clerk looks at an entry: its delay notice, else its expiry. */
static inline int64_t queue_row_deadline(const struct queue_message *m, const struct queue_entry *e)
{
    if (e->state == QUEUE_DOOMED)
        return 0;
    return e->notice && e->notice < m->expires ? e->notice : m->expires;
}

/* ---- inside a mutation ---- */

/* Without a row: zeros and the default maximum. */
bool queue_row_get_header(struct store_view *v, struct queue_row_header *h);
bool queue_row_get_message(struct store_view *v, uint64_t id, struct queue_message *m);
bool queue_row_get_entry(
    struct store_view *v, uint64_t message, uint32_t index, struct queue_entry *e);
void queue_row_put_header(struct store_txn *t, const struct queue_row_header *h);
/* The entry with its index rows. Slices may point into the store: all is copied first. */
void queue_row_put_entry(
    struct store_txn *t, const struct queue_message *m, const struct queue_entry *e);
/* Takes its index rows away (the entry row is to be put anew), or all of its rows. */
void queue_row_unfile(
    struct store_txn *t, const struct queue_message *m, const struct queue_entry *e);
void queue_row_del_entry(
    struct store_txn *t, const struct queue_message *m, const struct queue_entry *e);
/* Entries become or are no longer held. False: rows are broken. */
bool queue_row_count_held(struct store_txn *t, int64_t more);
/* After n entries of it went (and header->entries was counted down by the caller's call): writes
 * the message row, or ends the message and releases its blob. False: rows are broken. */
bool queue_row_settle_message(
    struct store_txn *t, uint64_t message, uint32_t gone, struct queue_row_header *h);
