#include "base/pack.h"
#include "unit/unit.h"

static void bytes_are_big_endian(void **state)
{
    uint8_t b[8];
    pack_u16(b, 0x0102);
    assert_memory_equal(b, "\x01\x02", 2);
    pack_u32(b, 0xFF020304);
    assert_memory_equal(b, "\xFF\x02\x03\x04", 4);
    pack_u64(b, UINT64_C(0x8002030405060708));
    assert_memory_equal(b, "\x80\x02\x03\x04\x05\x06\x07\x08", 8);
}

static void each_comes_back_at_any_alignment(void **state)
{
    uint8_t b[9];
    const uint64_t values[] = {0, 1, 0x80, 0xFFFF, 0x80000000, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        pack_u16(b + 1, (uint16_t)values[i]);
        assert_int_equal(unpack_u16(b + 1), (uint16_t)values[i]);
        pack_u32(b + 1, (uint32_t)values[i]);
        assert_int_equal(unpack_u32(b + 1), (uint32_t)values[i]);
        pack_u64(b + 1, values[i]);
        assert_true(unpack_u64(b + 1) == values[i]);
    }
}

static void byte_order_is_sort_order(void **state)
{
    const uint64_t values[] = {0, 1, 255, 256, 65535, 65536, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 1; i < sizeof values / sizeof *values; i++) {
        uint8_t a[8], b[8];
        pack_u64(a, values[i - 1]);
        pack_u64(b, values[i]);
        assert_true(memcmp(a, b, 8) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_big_endian),
        cmocka_unit_test(each_comes_back_at_any_alignment),
        cmocka_unit_test(byte_order_is_sort_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
