/* Whatever the order in which bytes come, the answer is that for all of them, and no byte behind
 * the header is asked for. */
#include "net/proxy_private.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice all = slice(data, n);
    struct proxy_header header, stepwise;
    size_t used, more, at = 0;
    enum proxy_answer whole = proxy_parse(all, &header, &used), step;
    while ((step = proxy_parse(slice_sub(all, 0, at), &stepwise, &more)) == PROXY_MORE) {
        if (more == 0 || at + more > PROXY_MAX)
            abort();
        if (at + more > n)
            return 0;
        at += more;
    }
    if (step != whole || (whole == PROXY_DONE && (used != at || used > n)))
        abort();
    if (whole == PROXY_DONE && header.named &&
        (!header.source.address[0] || header.source.unix_socket))
        abort();
    return 0;
}
