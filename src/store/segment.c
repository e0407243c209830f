#include "store/segment.h"
#include "base/hash.h"
#include "base/pack.h"

static const char magic[4] = {'b', 'R', 'e', 'c'};

static uint64_t round8(uint64_t n)
{
    return (n + 7) & ~UINT64_C(7);
}

uint32_t segment_header_size(size_t owner_count)
{
    return (uint32_t)round8(SEGMENT_FIXED + SEGMENT_OWNER * owner_count);
}

uint64_t segment_block_count(uint64_t size)
{
    return (size + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK;
}

uint64_t segment_record_size(uint32_t header_size, uint64_t size)
{
    return round8(header_size + size + 4 * segment_block_count(size));
}

uint64_t segment_table_size(uint64_t size)
{
    return segment_record_size(0, size) - size;
}

/* The header with its checksum taken as 0. */
static uint32_t header_crc(const char *header, size_t n)
{
    static const char zeros[4];
    uint32_t crc = crc32c(0, header, 12);
    crc = crc32c(crc, zeros, sizeof zeros);
    return crc32c(crc, header + 16, n - 16);
}

void segment_header_write(
    void *to, const struct segment_record *record, const struct store_blob_owner *owners)
{
    char *p = to;
    memset(p, 0, record->header_size);
    memcpy(p, magic, sizeof magic);
    p[4] = 1;
    pack_u32(p + 8, record->header_size);
    pack_u64(p + 16, record->id);
    pack_u64(p + 24, record->size);
    pack_u64(p + 32, (uint64_t)record->date);
    pack_u32(p + 40, record->owner_count);
    for (size_t i = 0; i < record->owner_count; i++) {
        pack_u64(p + SEGMENT_FIXED + SEGMENT_OWNER * i, owners[i].account);
        pack_u32(p + SEGMENT_FIXED + SEGMENT_OWNER * i + 8, owners[i].mailbox);
    }
    pack_u32(p + 12, header_crc(p, record->header_size));
}

enum segment_parse segment_header_parse(struct slice bytes, struct segment_record *record)
{
    size_t known = bytes.n < sizeof magic ? bytes.n : sizeof magic;
    if (known && memcmp(bytes.p, magic, known) != 0)
        return SEGMENT_BAD;
    if (bytes.n < SEGMENT_FIXED)
        return SEGMENT_MORE;
    const char *p = bytes.p;
    *record = (struct segment_record){
        .id = unpack_u64(p + 16),
        .size = unpack_u64(p + 24),
        .date = (int64_t)unpack_u64(p + 32),
        .header_size = unpack_u32(p + 8),
        .owner_count = unpack_u32(p + 40),
    };
    if (p[4] != 1 || record->id == 0 || record->size > SEGMENT_SIZE_MAX ||
        record->owner_count > SEGMENT_OWNERS_MAX ||
        record->header_size != segment_header_size(record->owner_count))
        return SEGMENT_BAD;
    if (bytes.n < record->header_size)
        return SEGMENT_MORE;
    return unpack_u32(p + 12) == header_crc(p, record->header_size) ? SEGMENT_OK : SEGMENT_BAD;
}

struct store_blob_owner segment_header_owner(struct slice bytes, uint32_t i)
{
    const char *p = bytes.p + SEGMENT_FIXED + (size_t)SEGMENT_OWNER * i;
    return (struct store_blob_owner){.account = unpack_u64(p), .mailbox = unpack_u32(p + 8)};
}

/* A block that turns up in another blob or at another place does not match. */
static uint32_t block_crc_start(store_blob_id id, uint64_t block)
{
    char place[16];
    pack_u64(place, id);
    pack_u64(place + 8, block);
    return crc32c(0, place, sizeof place);
}

uint32_t segment_block_crc(store_blob_id id, uint64_t block, const void *p, size_t n)
{
    return crc32c(block_crc_start(id, block), p, n);
}

void segment_sum_start(struct segment_sum *s, store_blob_id id, void *table)
{
    *s = (struct segment_sum){.id = id, .table = table};
}

static void block_end(struct segment_sum *s)
{
    pack_u32(s->table + 4 * s->block, s->crc);
    s->block++;
    s->filled = 0;
}

void segment_sum_add(struct segment_sum *s, struct slice bytes)
{
    while (bytes.n > 0) {
        if (s->filled == 0)
            s->crc = block_crc_start(s->id, s->block);
        struct slice part = slice_sub(bytes, 0, SEGMENT_BLOCK - s->filled);
        s->crc = crc32c(s->crc, part.p, part.n);
        s->filled += part.n;
        bytes = slice_from(bytes, part.n);
        if (s->filled == SEGMENT_BLOCK)
            block_end(s);
    }
}

void segment_sum_end(struct segment_sum *s)
{
    if (s->filled > 0)
        block_end(s);
}
