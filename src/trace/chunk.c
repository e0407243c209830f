#include "trace/chunk.h"
#include "base/hash.h"
#include "base/pack.h"
#include <stdlib.h>
#include <zstd.h>

#define VERSION      1
#define LEVEL        1
#define FIELD_HEAD   3
#define FILTER_LEAST 64
#define BITS_A_KEY   10

/* ---- keys ---- */

void chunk_key(int64_t first, uint64_t tail, char key[CHUNK_KEY])
{
    key[0] = KEY_TRACE_CHUNK;
    pack_u64(key + 1, (uint64_t)(INT64_MAX - first));
    pack_u64(key + 9, tail);
}

bool chunk_key_parse(struct slice key, int64_t *first)
{
    if (key.n != CHUNK_KEY || key.p[0] != KEY_TRACE_CHUNK)
        return false;
    uint64_t turned = unpack_u64(key.p + 1);
    *first = turned > INT64_MAX ? 0 : INT64_MAX - (int64_t)turned;
    return true;
}

/* ---- hashes ---- */

/* FNV-1a, mixed so that each bit depends on all. */
static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    h ^= h >> 31;
    return h ? h : 1;
}

uint64_t chunk_hash(enum chunk_class class, struct slice text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uint64_t) class;
    bool exact = class == CHUNK_BY_QUEUE || class == CHUNK_BY_MESSAGE_ID;
    for (size_t i = 0; i < text.n; i++) {
        char c = exact ? text.p[i] : ascii_lower(text.p[i]);
        h = (h ^ (unsigned char)c) * UINT64_C(0x100000001b3);
    }
    return mix(h);
}

uint64_t chunk_hash_number(enum chunk_class class, uint64_t number)
{
    return mix(mix(number) + (uint64_t) class);
}

uint64_t chunk_hash_field(const struct trace_event *e, size_t i)
{
    const struct trace_field *f = &e->fields[i];
    switch (f->tag) {
    case TRACE_ID:
        return chunk_hash(CHUNK_BY_ID, f->text);
    case TRACE_QUEUE:
        return chunk_hash(CHUNK_BY_QUEUE, f->text);
    case TRACE_FROM:
    case TRACE_TO:
    case TRACE_LOGIN:
    case TRACE_ALIAS:
        return chunk_hash(CHUNK_BY_ADDRESS, f->text);
    case TRACE_MESSAGE_ID:
        return chunk_hash(CHUNK_BY_MESSAGE_ID, f->text);
    case TRACE_ROUTE:
        return e->kind == TRACE_ROUTE_DOWN || e->kind == TRACE_HOST
                   ? chunk_hash(CHUNK_BY_ROUTE, f->text)
                   : 0;
    case TRACE_ACCOUNT:
        return e->kind == TRACE_FETCHED ? 0 : chunk_hash_number(CHUNK_BY_ACCOUNT, f->number);
    case TRACE_BLOB:
        return chunk_hash_number(CHUNK_BY_BLOB, f->number);
    default:
        return 0;
    }
}

/* ---- events ---- */

static size_t length_of(const struct trace_field *f)
{
    if (f->tag >= TRACE_NUMBERS)
        return 8;
    return f->text.n < TRACE_TEXT_MAX ? f->text.n : TRACE_TEXT_MAX;
}

static size_t put_field(char *to, const struct trace_field *f, size_t n)
{
    to[0] = (char)f->tag;
    pack_u16(to + 1, (uint16_t)n);
    if (f->tag >= TRACE_NUMBERS)
        pack_u64(to + FIELD_HEAD, f->number);
    else
        memcpy(to + FIELD_HEAD, f->text.p, n);
    return FIELD_HEAD + n;
}

size_t chunk_put(char *to, size_t room, enum trace_kind kind, int64_t time,
    const struct trace_field *fields, size_t n)
{
    size_t lengths[TRACE_FIELDS], all = CHUNK_LEAST, at = CHUNK_LEAST;
    n = n < TRACE_FIELDS ? n : TRACE_FIELDS;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = fields[i].tag ? length_of(&fields[i]) : 0;
        if (all + FIELD_HEAD + lengths[i] > TRACE_EVENT_MAX)
            lengths[i] = 0;
        all += lengths[i] ? FIELD_HEAD + lengths[i] : 0;
    }
    if (all > room)
        return 0;
    pack_u16(to, (uint16_t)all);
    to[2] = (char)kind;
    pack_u64(to + 3, (uint64_t)time);
    for (size_t i = 0; i < n; i++)
        if (lengths[i])
            at += put_field(to + at, &fields[i], lengths[i]);
    return all;
}

bool chunk_next(struct slice *events, struct trace_event *e)
{
    if (events->n < CHUNK_LEAST)
        return false;
    size_t all = unpack_u16(events->p);
    if (all < CHUNK_LEAST || all > events->n)
        return false;
    struct slice rest = slice_sub(*events, CHUNK_LEAST, all - CHUNK_LEAST);
    e->kind = (enum trace_kind)(unsigned char)events->p[2];
    e->time = (int64_t)unpack_u64(events->p + 3);
    e->n = 0;
    while (rest.n) {
        size_t n = rest.n < FIELD_HEAD ? rest.n : unpack_u16(rest.p + 1);
        uint8_t tag = (uint8_t)rest.p[0];
        if (rest.n < FIELD_HEAD || n > rest.n - FIELD_HEAD)
            return false;
        struct slice bytes = slice_sub(rest, FIELD_HEAD, n);
        rest = slice_from(rest, FIELD_HEAD + n);
        bool number = tag >= TRACE_NUMBERS;
        if (e->n == TRACE_FIELDS || (number && n != 8))
            continue;
        e->fields[e->n++] = (struct trace_field){
            .tag = tag, .text = bytes, .number = number ? unpack_u64(bytes.p) : 0};
    }
    *events = slice_from(*events, all);
    return true;
}

/* ---- rows ---- */

struct chunk_zstd {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
};

struct chunk_zstd *chunk_zstd_create(void)
{
    return calloc(1, sizeof(struct chunk_zstd));
}

void chunk_zstd_destroy(struct chunk_zstd *z)
{
    if (!z)
        return;
    ZSTD_freeCCtx(z->pack);
    ZSTD_freeDCtx(z->unpack);
    free(z);
}

/* Two halves of the hash stand for all probes; scaled to the bits there are. */
static size_t bit(uint64_t hash, unsigned probe, size_t filter_n)
{
    uint32_t at = (uint32_t)hash + probe * ((uint32_t)(hash >> 32) | 1);
    return (size_t)((uint64_t)at * (filter_n * 8) >> 32);
}

static void add(char *filter, size_t n, uint64_t hash)
{
    for (unsigned i = 0; i < CHUNK_PROBES; i++) {
        size_t at = bit(hash, i, n);
        filter[at / 8] = (char)((unsigned char)filter[at / 8] | 1u << at % 8);
    }
}

bool chunk_may_have(const struct chunk *c, uint64_t hash)
{
    for (unsigned i = 0; i < CHUNK_PROBES; i++) {
        size_t at = bit(hash, i, c->filter.n);
        if (!((unsigned char)c->filter.p[at / 8] >> at % 8 & 1))
            return false;
    }
    return true;
}

/* How many fields a search finds events by, at most. */
static size_t count_keys(struct slice events)
{
    struct trace_event e;
    size_t keys = 0;
    while (chunk_next(&events, &e))
        for (size_t i = 0; i < e.n; i++)
            keys += e.fields[i].tag < TRACE_PROTOCOL || e.fields[i].tag == TRACE_ALIAS ||
                    e.fields[i].tag == TRACE_ACCOUNT || e.fields[i].tag == TRACE_BLOB;
    return keys;
}

static void look(struct slice events, char *filter, size_t filter_n, struct chunk *c)
{
    struct trace_event e;
    c->count = 0;
    while (chunk_next(&events, &e)) {
        if (!c->count || e.time < c->first)
            c->first = e.time;
        if (!c->count || e.time > c->last)
            c->last = e.time;
        c->count++;
        for (size_t i = 0; i < e.n; i++) {
            uint64_t hash = chunk_hash_field(&e, i);
            if (hash)
                add(filter, filter_n, hash);
        }
    }
}

size_t chunk_pack(struct chunk_zstd *z, struct slice events, char row[CHUNK_ROW_MAX])
{
    struct chunk c;
    size_t filter_n = count_keys(events) * BITS_A_KEY / 8 + FILTER_LEAST;
    if (filter_n > CHUNK_FILTER_MAX)
        filter_n = CHUNK_FILTER_MAX;
    memset(row, 0, CHUNK_HEAD + filter_n);
    look(events, row + CHUNK_HEAD, filter_n, &c);
    char *packed = row + CHUNK_HEAD + filter_n;
    if (!z->pack && !(z->pack = ZSTD_createCCtx()))
        return 0;
    size_t n = ZSTD_compressCCtx(
        z->pack, packed, CHUNK_ROW_MAX - CHUNK_HEAD - filter_n, events.p, events.n, LEVEL);
    if (ZSTD_isError(n))
        return 0;
    row[0] = VERSION;
    pack_u64(row + 8, (uint64_t)c.first);
    pack_u64(row + 16, (uint64_t)c.last);
    pack_u32(row + 24, c.count);
    pack_u32(row + 28, (uint32_t)events.n);
    pack_u32(row + 32, crc32c(0, packed, n));
    pack_u32(row + 36, (uint32_t)filter_n);
    pack_u32(row + 4, crc32c(0, row + 8, CHUNK_HEAD - 8 + filter_n));
    return CHUNK_HEAD + filter_n + n;
}

bool chunk_open(struct slice row, struct chunk *c)
{
    if (row.n < CHUNK_HEAD || row.p[0] != VERSION)
        return false;
    size_t filter_n = unpack_u32(row.p + 36);
    if (!filter_n || filter_n > CHUNK_FILTER_MAX || filter_n > row.n - CHUNK_HEAD ||
        unpack_u32(row.p + 4) != crc32c(0, row.p + 8, CHUNK_HEAD - 8 + filter_n))
        return false;
    *c = (struct chunk){.first = (int64_t)unpack_u64(row.p + 8),
        .last = (int64_t)unpack_u64(row.p + 16),
        .count = unpack_u32(row.p + 24),
        .size = unpack_u32(row.p + 28),
        .crc = unpack_u32(row.p + 32),
        .filter = slice_sub(row, CHUNK_HEAD, filter_n),
        .packed = slice_from(row, CHUNK_HEAD + filter_n)};
    return c->size <= CHUNK_EVENTS && c->first <= c->last;
}

bool chunk_unpack(struct chunk_zstd *z, const struct chunk *c, char events[CHUNK_EVENTS])
{
    if (crc32c(0, c->packed.p, c->packed.n) != c->crc)
        return false;
    if (!z->unpack && !(z->unpack = ZSTD_createDCtx()))
        return false;
    size_t n = ZSTD_decompressDCtx(z->unpack, events, CHUNK_EVENTS, c->packed.p, c->packed.n);
    return !ZSTD_isError(n) && n == c->size;
}
