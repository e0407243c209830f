#include "base/random.h"
#include "mailbox/uidmap.h"
#include "unit/unit.h"

static void roundtrip(const struct uidmap *map, size_t most)
{
    char row[UIDMAP_ROW_MAX];
    struct uidmap back;
    size_t n = uidmap_pack(map, row);
    assert_true(n <= most);
    assert_true(uidmap_unpack(slice(row, n), &back));
    assert_memory_equal(map, &back, sizeof back);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 8)
        assert_false(uidmap_unpack(slice(row, cut), &back));
}

static void small_and_full_maps_are_short(void **state)
{
    struct uidmap map = {0};
    roundtrip(&map, 5);
    for (uint32_t uid = 0; uid < UIDMAP_UIDS; uid++)
        uidmap_set(&map, uid, false);
    assert_int_equal(uidmap_count(&map), UIDMAP_UIDS);
    roundtrip(&map, 9);
    uidmap_clear(&map, 4095);
    uidmap_clear(&map, 64);
    roundtrip(&map, 13);
}

static void every_density_survives(void **state)
{
    random_seed(3);
    for (uint64_t one_in = 1; one_in < 2000; one_in *= 2) {
        struct uidmap map = {0};
        unsigned set = 0, unseen = 0;
        for (uint32_t uid = 8 * UIDMAP_UIDS; uid < 9 * UIDMAP_UIDS; uid++)
            if (random_below(one_in) == 0) {
                bool is_unseen = random_below(2);
                uidmap_set(&map, uid, is_unseen);
                set++;
                unseen += is_unseen;
                assert_true(uidmap_has(&map, uid));
                assert_int_equal(uidmap_is_unseen(&map, uid), is_unseen);
            }
        assert_int_equal(uidmap_count(&map), set);
        assert_int_equal(uidmap_count_unseen(&map), unseen);
        roundtrip(&map, UIDMAP_ROW_MAX);
    }
    random_seed(0);
}

static void the_boundary_of_ranges_and_bits(void **state)
{
    for (unsigned ranges = 126; ranges <= 129; ranges++) {
        struct uidmap map = {0};
        for (uint32_t i = 0; i < ranges; i++)
            uidmap_set(&map, i * 3, true);
        roundtrip(&map, UIDMAP_ROW_MAX);
    }
}

static void broken_rows_are_refused(void **state)
{
    struct uidmap map;
    assert_false(uidmap_unpack(S(""), &map));
    assert_false(uidmap_unpack(S("\2\0\0\0\0"), &map));           /* version */
    assert_false(uidmap_unpack(S("\1\0\1\0\5\0\4\0\0"), &map));   /* backwards */
    assert_false(uidmap_unpack(S("\1\0\1\0\0\x10\0\0\0"), &map)); /* beyond 4095 */
    assert_false(uidmap_unpack(S("\1\0\0\0\1\0\1\0\1"), &map));   /* unseen, absent */
    assert_false(uidmap_unpack(S("\1\0\0\0\0x"), &map));          /* more behind */
    assert_false(uidmap_unpack(S("\1\0\x80\0\0"), &map));         /* 128 ranges */
    assert_true(uidmap_unpack(S("\1\0\1\0\0\x0f\xff\0\1\0\1\0\1"), &map));
    assert_int_equal(uidmap_count(&map), UIDMAP_UIDS);
    assert_int_equal(uidmap_count_unseen(&map), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_and_full_maps_are_short),
        cmocka_unit_test(every_density_survives),
        cmocka_unit_test(the_boundary_of_ranges_and_bits),
        cmocka_unit_test(broken_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
