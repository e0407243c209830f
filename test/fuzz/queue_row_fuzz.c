/* Any bytes as rows of the queue: what unpacks packs to the same bytes. */
#include "queue/row.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void same(struct slice packed, struct slice value)
{
    if (!slice_eq(packed, value))
        abort();
}

static void keys(struct slice value)
{
    struct queue_row_due due;
    struct queue_row_key k;
    int64_t time;
    uint64_t message;
    uint32_t index;
    if (queue_row_parse_due(value, &due)) {
        k = queue_row_key_due(&due);
        same(queue_row_key_slice(&k), value);
    }
    if (queue_row_parse_deadline(value, &time, &message, &index)) {
        k = queue_row_key_deadline(time, message, index);
        same(queue_row_key_slice(&k), value);
    }
    if (queue_row_parse_entry(value, &message, &index)) {
        k = queue_row_key_entry(message, index);
        same(queue_row_key_slice(&k), value);
    }
    if (queue_id_parse(value, &message)) {
        char text[16];
        queue_id_text(message, text);
        same(slice_str(text), value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice value = slice(data, n);
    struct queue_row_header header;
    struct queue_row_route route;
    struct queue_message message;
    struct queue_entry entry;
    char room[QUEUE_ROW_ENTRY + QUEUE_ROW_ROUTE];
    if (queue_row_unpack_header(value, &header))
        same(slice(room, queue_row_pack_header(&header, room)), value);
    if (queue_row_unpack_message(value, 1, &message))
        same(slice(room, queue_row_pack_message(&message, room)), value);
    if (queue_row_unpack_entry(value, 1, 2, &entry))
        same(slice(room, queue_row_pack_entry(&entry, room)), value);
    if (queue_row_unpack_route(value, &route))
        same(slice(room, queue_row_pack_route(&route, room)), value);
    keys(value);
    return 0;
}
