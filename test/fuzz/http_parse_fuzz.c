/* Any bytes as the head of a request: what is taken holds what the header promises, and a prefix of
 * it is never taken for something else. */
#include "http/parse.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = slice(data, n);
    struct parse_head head, again;
    enum parse_answer answer = parse_head(in, &head);
    if (answer == PARSE_MORE)
        return 0;
    if (head.size > n || !slice_ends(slice_sub(in, 0, head.size), S("\r\n\r\n")))
        abort();
    if (answer == PARSE_OK &&
        (!slice_starts(head.path, S("/")) || slice_has_any(head.path, "\r\n ?") ||
            slice_has_any(head.query, "\r\n ")))
        abort();
    if (parse_head(slice_sub(in, 0, head.size), &again) != answer || again.size != head.size)
        abort();
    if (parse_head(slice_sub(in, 0, head.size - 1), &again) != PARSE_MORE)
        abort();
    return 0;
}
