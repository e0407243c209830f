#include "store/segment.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Whatever parses is within its bounds and is written again as the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char again[SEGMENT_HEADER_MAX];
    static struct store_blob_owner owners[SEGMENT_OWNERS_MAX];
    struct segment_record r;
    struct slice bytes = slice(data, n);
    if (segment_header_parse(bytes, &r) != SEGMENT_OK)
        return 0;
    if (r.owner_count > SEGMENT_OWNERS_MAX || r.header_size > n || r.size > SEGMENT_SIZE_MAX)
        abort();
    for (uint32_t i = 0; i < r.owner_count; i++)
        owners[i] = segment_header_owner(bytes, i);
    segment_header_write(again, &r, owners);
    struct segment_record back;
    if (segment_header_parse(slice(again, r.header_size), &back) != SEGMENT_OK || back.id != r.id ||
        back.size != r.size || back.owner_count != r.owner_count)
        abort();
    if (segment_record_size(r.header_size, r.size) % 8 != 0)
        abort();
    return 0;
}
