#include "base/utf8.h"
#include "message/address.h"
#include "message_fuzz.h"

static void check_list(struct slice value)
{
    struct arena arena;
    struct address_list list;
    arena_init(&arena, value.n + sizeof(struct address) * 4000 + 65536);
    address_list(value, &arena, &list);
    size_t n = 0, depth = 0, bytes = 0;
    for (struct address *a = list.first; a; a = a->next, n++) {
        CHECK(one_line(a->name) && one_line(a->route) && one_line(a->local) && one_line(a->domain));
        bytes += a->name.n + a->route.n + a->local.n + a->domain.n;
        CHECK(a->kind != ADDRESS_MAILBOX || a->local.p);
        if (a->kind == ADDRESS_GROUP)
            CHECK(depth++ == 0 && a->name.p);
        else if (a->kind == ADDRESS_GROUP_END)
            CHECK(depth-- == 1);
    }
    CHECK(n == list.n && depth == 0 && bytes <= value.n && n <= 2 * ADDRESS_LIST_MAX);
    arena_reset(&arena);
}

static void check_spec(struct slice text)
{
    struct address_spec spec, again;
    if (!address_parse(text, true, &spec))
        return;
    struct buffer canonical, written, second;
    buffer_init(&canonical, ADDRESS_CANONICAL_MAX);
    buffer_init(&written, 2 * ADDRESS_CANONICAL_MAX);
    buffer_init(&second, ADDRESS_CANONICAL_MAX);
    CHECK(spec.utf8 == !utf8_ascii(text));
    if (address_canonical(&spec, &canonical)) {
        struct slice local, domain, c = buffer_slice(&canonical);
        CHECK(one_line(c) && utf8_valid(c));
        CHECK(address_split(c, &local, &domain) && utf8_ascii(domain));
        CHECK(address_write(c, &written));
        if (address_parse(buffer_slice(&written), true, &again)) {
            CHECK(address_canonical(&again, &second));
            CHECK(slice_eq(buffer_slice(&second), c));
        } else {
            /* Folding or quoting made it longer than an address may be. */
            CHECK(written.n - domain.n > ADDRESS_LOCAL_MAX);
        }
    }
    buffer_finish(&canonical);
    buffer_finish(&written);
    buffer_finish(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    check_list(slice(data, n));
    check_spec(slice(data, n));
    return 0;
}
