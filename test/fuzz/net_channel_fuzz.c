/* Reads in every manner: the first byte is that of client_fuzz.h, the second says how many of the
 * bytes behind it are instructions. All bytes of the stream are given, once and in order, but for
 * line ends and what is cut off. */
#include "client_fuzz.h"

#define LINE_MAX_ 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct slice rest; /* of the input, what has not been seen to come out */

/* A line as the model has it. */
static void check_line(enum channel_result r, struct slice line, size_t max, bool refuse)
{
    size_t lf = slice_find(rest, '\n');
    struct slice text = slice_sub(rest, 0, lf);
    size_t end = text.n;
    if (lf != SLICE_NONE && end && text.p[end - 1] == '\r')
        end--;
    if (r == CHANNEL_OK) {
        CHECK(lf != SLICE_NONE && line.n == (end < max ? end : max) && (!refuse || end <= max));
        CHECK(slice_eq(line, slice_sub(text, 0, line.n)));
        rest = slice_from(rest, lf + 1);
    } else if (r == CHANNEL_TOO_LONG) {
        CHECK(refuse && end > max);
    }
}

static bool step(struct channel *c, uint8_t instruction)
{
    size_t size = instruction & 0x3f;
    struct slice got;
    char bytes[64];
    enum channel_result r;
    switch (instruction >> 6) {
    case 0:
    case 1:
        r = channel_line(
            c, size, instruction >> 6 ? CHANNEL_CUT : CHANNEL_REFUSE, &got, DEADLINE_NEVER);
        check_line(r, got, size, instruction >> 6 == 0);
        break;
    case 2:
        r = channel_read(c, bytes, size, DEADLINE_NEVER);
        if (r == CHANNEL_OK) {
            CHECK(slice_eq(slice(bytes, size), slice_sub(rest, 0, size)));
            rest = slice_from(rest, size);
        }
        break;
    default:
        r = channel_more(c, &got, DEADLINE_NEVER);
        if (r == CHANNEL_OK) {
            CHECK(got.n && slice_starts(rest, got));
            channel_take(c, size);
            rest = slice_from(rest, size < got.n ? size : got.n);
        }
    }
    return r == CHANNEL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buffer output;
    if (n < 2 || data[1] > n - 2)
        return 0;
    const uint8_t *bytes = data + 2 + data[1];
    rest = slice(bytes, n - 2 - data[1]);
    if (slice_find(rest, '\xff') != SLICE_NONE)
        return 0;
    struct channel *c = hostile_channel(bytes, rest.n, data[0], LINE_MAX_, &output);
    bool going = true;
    for (size_t i = 0; going && i < data[1]; i++)
        going = step(c, data[2 + i]);
    channel_destroy(c);
    buffer_finish(&output);
    return 0;
}
