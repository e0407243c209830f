/* A set that is taken resolves to ascending ranges that do not touch and that hold what was said.
 */
#include "imap/set.h"
#include "message_fuzz.h"

static bool said(const struct imap_range *r, uint32_t max, uint32_t number)
{
    uint32_t a = r->first ? r->first : max, b = r->last ? r->last : max;
    return (a <= number && number <= b) || (b <= number && number <= a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct arena arena;
    struct imap_set set;
    uint32_t max = data[0], number = data[1];
    arena_init(&arena, 1 << 20);
    if (imap_set_parse(slice(data + 2, n - 2), &arena, &set)) {
        bool expected = false, star = false;
        for (uint32_t i = 0; i < set.n; i++) {
            bool has_star = !set.ranges[i].first || !set.ranges[i].last;
            star = star || has_star;
            expected = expected || ((max || !has_star) && said(&set.ranges[i], max, number));
        }
        CHECK(set.n && set.n <= IMAP_SET_MAX && set.star == star);
        imap_set_resolve(&set, max);
        for (uint32_t i = 0; i < set.n; i++) {
            CHECK(set.ranges[i].first && set.ranges[i].first <= set.ranges[i].last);
            CHECK(!i || set.ranges[i - 1].last < set.ranges[i].first - 1);
        }
        CHECK(!number || imap_set_has(&set, number) == expected);
    }
    arena_reset(&arena);
    return 0;
}
