/* The first byte is the maximum; the rest comes byte by byte and at once. */
#include "net/conn.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    size_t max = (size_t)data[0] + 2, used = 0, first = 0, at = 0;
    struct slice in = slice(data + 1, n - 1), text, again;
    enum line line = line_take(in, max, &text, &used), step = LINE_MORE;
    while (step == LINE_MORE && at < in.n)
        step = line_take(slice_sub(in, 0, ++at), max, &again, &first);
    require(line == step);
    if (line == LINE_MORE)
        return 0;
    require(used > 0 && used <= in.n);
    if (line == LINE_TOO_LONG) {
        require(used >= max - 1 && slice_find(slice_sub(in, 0, used), '\n') == SLICE_NONE);
        return 0;
    }
    require(slice_eq(text, again) && used == at && used <= max && in.p[used - 1] == '\n');
    require(text.n + (line == LINE_COMPLETE ? 2 : 1) == used);
    return 0;
}
