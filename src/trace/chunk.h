/* Events in a row of the store: up to CHUNK_EVENTS bytes of them, compressed, and in front of them
 * a filter over what they can be found by, so that a search opens few rows. Rows come from a disk:
 * opening takes any bytes and says no.
 *
 * An event: length of all 2, kind 1, time (wall us) 8, then fields: tag 1, length 2, bytes (a
 * number is 8 of them). Numbers are big-endian.
 *
 * A row:
 *    0  version 1, reserved 3
 *    4  CRC-32C of the bytes from 8 to the end of the filter
 *    8  time of the first event (8), of the last (8)
 *   24  number of events (4), their bytes (4)
 *   32  CRC-32C of the compressed bytes (4), bytes of the filter (4)
 *   40  the filter: a Bloom filter with CHUNK_PROBES probes
 *    -  the events, a zstd frame */
#pragma once
#include "store/keyspace.h"
#include "trace/trace.h"

#define CHUNK_EVENTS     ((size_t)32 * 1024)
#define CHUNK_HEAD       40
#define CHUNK_PROBES     7
#define CHUNK_FILTER_MAX 2048
/* zstd makes at most this of CHUNK_EVENTS that do not compress. */
#define CHUNK_ROW_MAX (CHUNK_HEAD + CHUNK_FILTER_MAX + CHUNK_EVENTS + 512)
#define CHUNK_KEY     17
#define CHUNK_LEAST   11 /* an event without fields */

static inline store_partition chunk_partition(void)
{
    return keyspace_partition(KEYSPACE_TRACE, 0);
}

/* Of a row: the latest first, since the store reads forward only. tail tells rows of one moment
 * apart. */
void chunk_key(int64_t first, uint64_t tail, char key[CHUNK_KEY]);
bool chunk_key_parse(struct slice key, int64_t *first);

/* ---- what a search asks the filter ---- */

enum chunk_class {
    CHUNK_BY_ID = 1,
    CHUNK_BY_QUEUE,
    CHUNK_BY_ADDRESS,
    CHUNK_BY_ACCOUNT,
    CHUNK_BY_BLOB,
    CHUNK_BY_MESSAGE_ID,
    CHUNK_BY_ROUTE,
};

/* ASCII case of addresses, routes and ids of ours is ignored. The same for ever: it is on disk. */
uint64_t chunk_hash(enum chunk_class class, struct slice text);
uint64_t chunk_hash_number(enum chunk_class class, uint64_t number);
/* What field i of the event is found by; 0: nothing. */
uint64_t chunk_hash_field(const struct trace_event *e, size_t i);

/* ---- events ---- */

/* Appends to `to`, which has `room` bytes. How many it took; 0: no room, nothing was written. */
size_t chunk_put(char *to, size_t room, enum trace_kind kind, int64_t time,
    const struct trace_field *fields, size_t n);
/* The next event, taken off *events; its texts point there. False: the end, or no event. Kinds and
 * tags of a later version come through; numbers that are no 8 bytes are left out. */
bool chunk_next(struct slice *events, struct trace_event *e);

/* ---- rows ---- */

struct chunk_zstd; /* working memory; one thread at a time */
struct chunk_zstd *chunk_zstd_create(void);
void chunk_zstd_destroy(struct chunk_zstd *z); /* NULL is fine */

/* events: made by chunk_put, at least one. Bytes of the row; 0: out of
 * memory. */
size_t chunk_pack(struct chunk_zstd *z, struct slice events, char row[CHUNK_ROW_MAX]);

struct chunk {
    int64_t first, last;
    uint32_t count, size;
    struct slice filter, packed; /* in the row */
    uint32_t crc;
};

/* The head alone, with its filter; `packed` is not looked at. */
bool chunk_open(struct slice row, struct chunk *c);
bool chunk_may_have(const struct chunk *c, uint64_t hash);
/* The events, c->size bytes of them. */
bool chunk_unpack(struct chunk_zstd *z, const struct chunk *c, char events[CHUNK_EVENTS]);
