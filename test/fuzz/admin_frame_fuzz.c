/* Any bytes as frames: what is read is written and read again as the same. */
#include "admin/frame.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = slice(data, n);
    json_t *value, *again;
    size_t used, same;
    while (frame_read(in, &used, &value) == FRAME_OK) {
        struct buffer out;
        if (used < 4 || used > in.n || used > FRAME_MAX + 4)
            abort();
        buffer_init(&out, FRAME_MAX + 4);
        /* Escapes may make it longer than a frame. */
        if (frame_write(json_incref(value), &out) &&
            (frame_read(buffer_slice(&out), &same, &again) != FRAME_OK || same != out.n))
            abort();
        if (out.n) {
            if (!json_equal(value, again))
                abort();
            json_decref(again);
        }
        buffer_finish(&out);
        json_decref(value);
        in = slice_from(in, used);
    }
    in = slice(data, n);
    for (struct slice raw; frame_next(in, &used, &value, &raw) == FRAME_OK;) {
        if (used < FRAME_HEAD || used > in.n || raw.n > FRAME_RAW_MAX ||
            (!value && raw.n + FRAME_HEAD != used))
            abort();
        json_decref(value);
        in = slice_from(in, used);
    }
    return 0;
}
