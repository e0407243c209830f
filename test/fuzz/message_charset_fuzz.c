/* The first line names the charset; one byte says how the rest is cut. */
#include "base/utf8.h"
#include "message/charset.h"
#include "message_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice text = slice(data, n);
    struct slice name = slice_cut(&text, '\n');
    size_t step = text.n ? (unsigned char)text.p[0] % 16 + 1u : 1;
    text = slice_from(text, 1);
    struct charset *c = charset_open(name);
    CHECK(!c == !charset_known(name));
    if (!c)
        return 0;
    struct buffer whole, pieces, small;
    buffer_init(&whole, 16 * n + 1024);
    buffer_init(&pieces, 16 * n + 1024);
    buffer_init(&small, n / 2);
    CHECK(charset_to_utf8(name, text, &whole));
    CHECK(utf8_valid(buffer_slice(&whole)));
    for (size_t at = 0; at < text.n; at += step)
        CHECK(charset_feed(c, slice_sub(text, at, step), &pieces));
    CHECK(charset_end(c, &pieces));
    CHECK(slice_eq(buffer_slice(&whole), buffer_slice(&pieces)));
    charset_feed(c, text, &small);
    CHECK(small.n <= n / 2);
    charset_close(c);
    buffer_finish(&whole);
    buffer_finish(&pieces);
    buffer_finish(&small);
    return 0;
}
