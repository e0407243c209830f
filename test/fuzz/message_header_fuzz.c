#include "message/envelope.h"
#include "message/header.h"
#include "message_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice message = slice(data, n);
    struct header_reader r = header_reader(message);
    struct header_field f, found;
    struct arena arena;
    arena_init(&arena, 16 * n + 65536);
    size_t at = 0;
    while (header_next(&r, &f)) {
        CHECK(f.raw.p == message.p + at && f.raw.n);
        CHECK(within(f.name, f.raw) && within(f.value, f.raw));
        at += f.raw.n;
        CHECK(r.at == at);
        CHECK(f.broken || f.name.n);
        CHECK(slice_find(f.name, '\n') == SLICE_NONE);
        if (f.name.n && at < 4096) {
            CHECK(header_find(message, f.name, &found) && found.raw.p <= f.raw.p);
            CHECK(header_count(message, f.name) > 0);
        }
        struct buffer b;
        buffer_init(&b, f.value.n);
        CHECK(header_unfold(f.value, &b) && one_line(buffer_slice(&b)));
        struct slice text = header_text(f.value, &arena);
        CHECK(text.p && slice_eq(text, buffer_slice(&b)));
        buffer_finish(&b);
        struct slice id, rest = f.value;
        while (envelope_next_id(&rest, &id))
            CHECK(within(id, f.value) && id.n > 2 && one_line(slice_sub(id, 0, 1)));
    }
    CHECK(!header_next(&r, &f));
    CHECK(r.at == header_end(message) && r.at - at <= 2);
    struct envelope e;
    envelope_parse(message, &arena, &e);
    CHECK(e.to.n <= 3 * ADDRESS_LIST_MAX);
    arena_reset(&arena);
    return 0;
}
