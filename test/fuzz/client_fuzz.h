/* What the fuzz targets of clients have in common: a hostile server in bytes, 0xff where it waits
 * for the client. */
#pragma once
#include "base/utf8.h"
#include "unit/net/script.h"
#include <stdio.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Words for a log or a report: no controls but the '\n' between lines, valid UTF-8. */
static inline void check_clean(const char *text)
{
    CHECK(utf8_valid(slice_str(text)));
    for (const char *p = text; *p; p++)
        CHECK((unsigned char)*p >= 32 || *p == '\n');
}

/* No bare CR or LF. */
static inline void check_newlines(struct slice out)
{
    for (size_t i = 0; i < out.n; i++) {
        CHECK(out.p[i] != '\n' || (i && out.p[i - 1] == '\r'));
        CHECK(out.p[i] != '\r' || i + 1 == out.n || out.p[i + 1] == '\n');
    }
}

/* flags: the size of pieces in the low six bits, silence at the end in the next. */
static inline struct channel *hostile_channel(
    const uint8_t *data, size_t n, uint8_t flags, size_t line_max, struct buffer *output)
{
    buffer_init(output, (size_t)1 << 20);
    return script_channel(slice(data, n), flags & 0x3f, flags & 0x40, line_max, output);
}
