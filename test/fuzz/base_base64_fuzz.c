#include "base/base64.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What decodes has one spelling only; what was encoded decodes to itself. */
static void round_trip(struct slice in, bool (*encode)(struct slice, struct buffer *),
    bool (*decode)(struct slice, struct buffer *), bool fold)
{
    struct buffer a, b;
    buffer_init(&a, in.n * 2 + 4);
    buffer_init(&b, in.n * 2 + 4);
    if (decode(in, &a)) {
        if (!encode(buffer_slice(&a), &b))
            abort();
        if (fold ? !slice_eq_nocase(buffer_slice(&b), in) : !slice_eq(buffer_slice(&b), in))
            abort();
    } else if (a.n) {
        abort();
    }
    buffer_reset(&a);
    buffer_reset(&b);
    if (!encode(in, &a) || !decode(buffer_slice(&a), &b) || !slice_eq(buffer_slice(&b), in))
        abort();
    buffer_finish(&a);
    buffer_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    round_trip(slice(data, n), base64_encode, base64_decode, false);
    round_trip(slice(data, n), hex_encode, hex_decode, true);
    return 0;
}
