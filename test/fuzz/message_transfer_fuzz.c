#include "message/transfer.h"
#include "message_fuzz.h"

static void check(enum transfer transfer, struct slice text, size_t step)
{
    struct transfer_decoder d;
    struct buffer whole, pieces;
    buffer_init(&whole, text.n + TRANSFER_SLACK);
    buffer_init(&pieces, text.n + 2 * TRANSFER_SLACK);
    transfer_init(&d, transfer);
    CHECK(transfer_feed(&d, text, &whole) && transfer_end(&d, &whole));
    bool bad = d.bad;
    transfer_init(&d, transfer);
    for (size_t at = 0; at < text.n; at += step)
        CHECK(transfer_feed(&d, slice_sub(text, at, step), &pieces));
    CHECK(transfer_end(&d, &pieces));
    CHECK(bad == d.bad && slice_eq(buffer_slice(&whole), buffer_slice(&pieces)));
    CHECK(whole.n <= text.n);
    buffer_finish(&whole);
    buffer_finish(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    struct slice text = slice(data + 1, n - 1);
    size_t step = data[0] ? data[0] : 1;
    check(TRANSFER_BASE64, text, step);
    check(TRANSFER_QUOTED_PRINTABLE, text, step);
    check(TRANSFER_BINARY, text, step);
    transfer_named(text);
    return 0;
}
