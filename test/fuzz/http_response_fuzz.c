/* Any bytes as a response, in one piece and byte by byte: both read the same; nothing over a limit
 * is kept. The first byte chooses the maximum of the body. */
#include "http/response.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum response_state feed(struct response *r, struct slice in, size_t piece)
{
    enum response_state state = RESPONSE_MORE;
    while (in.n && state == RESPONSE_MORE) {
        state = response_feed(r, slice_sub(in, 0, piece));
        in = slice_from(in, piece);
    }
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct response whole, pieces;
    struct buffer a, b;
    if (n < 1)
        return 0;
    struct slice in = slice(data + 1, n - 1);
    buffer_init(&a, data[0]);
    buffer_init(&b, data[0]);
    response_init(&whole, data[0] == 255 ? NULL : &a);
    response_init(&pieces, data[0] == 255 ? NULL : &b);
    enum response_state state = feed(&whole, in, in.n ? in.n : 1);
    if (feed(&pieces, in, 1) != state)
        abort();
    if (a.n > data[0] || (state == RESPONSE_BAD) != (whole.why != NULL))
        abort();
    if (state == RESPONSE_DONE &&
        (!slice_eq(buffer_slice(&a), buffer_slice(&b)) || whole.status < 200 || whole.status > 599))
        abort();
    buffer_finish(&a);
    buffer_finish(&b);
    return 0;
}
