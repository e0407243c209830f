/* The record of a blob in a segment file, which describes itself, so that a lost index can be made
 * again from the segments. All numbers big-endian; a record starts at a multiple of 8.
 *
 *    0  magic "bRec"
 *    4  version 1, flags 0, two bytes 0
 *    8  size of the header: 48 + 12 for each owner, rounded up to 8
 *   12  CRC-32C of the header, this field taken as 0
 *   16  blob id (8)
 *   24  size of the bytes (8)
 *   32  date, us since 1970 (8)
 *   40  number of owners, 4 bytes 0
 *   48  owners: account (8), mailbox (4)
 *    -  the bytes
 *    -  CRC-32C of each block of 64 KiB, over blob id, number of the block and its bytes
 *    -  zeros up to a multiple of 8 */
#pragma once
#include "store/engine.h"

#define SEGMENT_BLOCK      ((size_t)64 * 1024)
#define SEGMENT_FIXED      48
#define SEGMENT_OWNER      12
#define SEGMENT_OWNERS_MAX 1024
#define SEGMENT_HEADER_MAX (SEGMENT_FIXED + SEGMENT_OWNER * SEGMENT_OWNERS_MAX)
#define SEGMENT_SIZE_MAX   (UINT64_C(1) << 40) /* of a blob */

struct segment_record {
    store_blob_id id;
    uint64_t size; /* of the bytes */
    int64_t date;
    uint32_t header_size;
    uint32_t owner_count;
};

uint32_t segment_header_size(size_t owner_count);
uint64_t segment_block_count(uint64_t size);
/* Of the whole record, a multiple of 8. */
uint64_t segment_record_size(uint32_t header_size, uint64_t size);
/* Of the checksums with the zeros behind them. */
uint64_t segment_table_size(uint64_t size);

/* Writes record->header_size bytes (which is segment_header_size(owner_count)). */
void segment_header_write(
    void *to, const struct segment_record *record, const struct store_blob_owner *owners);

enum segment_parse {
    SEGMENT_OK,
    SEGMENT_MORE, /* so far right, but the header goes on behind these bytes */
    SEGMENT_BAD,  /* no record starts here: unused space, a torn tail, damage */
};

/* The header at the start of the bytes; every field is within its bounds on OK. */
enum segment_parse segment_header_parse(struct slice bytes, struct segment_record *record);
/* Of a header that was parsed; i < owner_count. */
struct store_blob_owner segment_header_owner(struct slice bytes, uint32_t i);

uint32_t segment_block_crc(store_blob_id id, uint64_t block, const void *p, size_t n);

/* Checksums of bytes that come in pieces. The table has room for segment_block_count(size)
 * checksums of 4 bytes; segment_sum_end finishes the last one. */
struct segment_sum {
    store_blob_id id;
    uint8_t *table;
    uint64_t block;
    size_t filled; /* of the present block */
    uint32_t crc;
};

void segment_sum_start(struct segment_sum *s, store_blob_id id, void *table);
void segment_sum_add(struct segment_sum *s, struct slice bytes);
void segment_sum_end(struct segment_sum *s);
