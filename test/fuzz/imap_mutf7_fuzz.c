/* What is decoded encodes to the same text; what is encoded decodes to the same name. */
#include "base/utf8.h"
#include "imap/mutf7.h"
#include "message_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = slice(data, n);
    struct buffer one, two;
    buffer_init(&one, n * 8 + 16);
    buffer_init(&two, n * 8 + 16);
    if (mutf7_decode(in, &one)) {
        CHECK(utf8_valid(buffer_slice(&one)));
        CHECK(mutf7_encode(buffer_slice(&one), &two));
        CHECK(slice_eq(buffer_slice(&two), in));
    }
    buffer_reset(&one);
    buffer_reset(&two);
    if (utf8_valid(in)) {
        CHECK(mutf7_encode(in, &one) && utf8_ascii(buffer_slice(&one)));
        CHECK(mutf7_decode(buffer_slice(&one), &two));
        CHECK(slice_eq(buffer_slice(&two), in));
    }
    buffer_finish(&one);
    buffer_finish(&two);
    return 0;
}
