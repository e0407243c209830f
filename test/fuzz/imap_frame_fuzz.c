/* However the bytes are cut, the commands are the same. The first byte says where. */
#include "base/budget.h"
#include "unit/imap/framing.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool right)
{
    if (!right)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct imap_frame_limits small = {
        .line = 80, .literal = 40, .literals = 60, .literal_count = 3, .thrown = 300};
    struct buffer whole, cut;
    if (!n || n > 4096)
        return 0;
    struct slice in = slice(data + 1, n - 1);
    const struct imap_frame_limits *limits = data[0] & 1 ? &small : &imap_frame_preauth;
    buffer_init(&whole, 1 << 20);
    buffer_init(&cut, 1 << 20);
    check(framing_trace(limits, in, in.n, 1, &whole));
    check(framing_trace(limits, in, 1, 1, &cut));
    check(slice_eq(buffer_slice(&whole), buffer_slice(&cut)));
    buffer_reset(&cut);
    check(framing_trace(limits, in, data[0], in.n, &cut));
    check(slice_eq(buffer_slice(&whole), buffer_slice(&cut)));
    check(budget_used() == 0);
    buffer_finish(&whole);
    buffer_finish(&cut);
    return 0;
}
