#include "base/utf8.h"
#include "message/parameter.h"
#include "message_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena;
    struct parameter_value v;
    arena_init(&arena, 8 * n + 65536);
    CHECK(parameter_parse(slice(data, n), &arena, &v));
    size_t count = 0;
    CHECK(one_line(v.type) && one_line(v.subtype));
    for (const struct parameter *p = v.first; p; p = p->next, count++) {
        struct buffer out;
        buffer_init(&out, 16 * p->value.n + 64);
        CHECK(p->name.n && p->name.n <= PARAMETER_NAME_MAX && one_line(p->name));
        CHECK(one_line(p->value));
        CHECK(parameter_decode(p, &out));
        CHECK(utf8_valid(buffer_slice(&out)) && one_line(buffer_slice(&out)));
        CHECK(parameter_find(&v, p->name) == p);
        buffer_finish(&out);
    }
    CHECK(count == v.n && count <= PARAMETER_MAX);
    arena_reset(&arena);
    return 0;
}
