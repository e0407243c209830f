#include "base/hash.h"
#include "base/hash_private.h"
#include "unit/unit.h"

/* Under a key of zeros, as CPython's str hash computes them. */
static void siphash_known_values(void **state)
{
    assert_true(hash_keyed(0, 0, S("hello")) == UINT64_C(0xe2e77b41cb4e1f9e));
    assert_true(hash_keyed(0, 0, S("a")) == UINT64_C(0x407448d2b89b1813));
    assert_true(hash_keyed(0, 0, S("12345678")) == UINT64_C(0x3489982430560a87));
    assert_true(hash_keyed(0, 0, S("0123456789abcdef0")) == UINT64_C(0xf738bb4f30801228));
}

static void the_key_matters(void **state)
{
    assert_true(hash_keyed(1, 0, S("a")) != hash_keyed(0, 0, S("a")));
    assert_true(hash_keyed(0, 1, S("a")) != hash_keyed(0, 0, S("a")));
    assert_true(hash_slice(S("a")) == hash_slice(S("a")));
    assert_true(hash_slice(S("a")) != hash_keyed(0, 0, S("a")));
    assert_true(hash_slice(S("")) != hash_slice(S("\0")));
    hash_slice(slice(NULL, 0));
}

/* RFC 3720 §B.4 and the usual check value */
static void crc32c_known_values(void **state)
{
    char bytes[32];
    uint32_t (*const ways[])(uint32_t, const void *, size_t) = {crc32c, hash_crc32c_portable};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ways[i](0, "", 0), 0);
        assert_int_equal(ways[i](0, "123456789", 9), 0xE3069283);
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(ways[i](0, bytes, 32), 0x8A9136AA);
        memset(bytes, 0xFF, sizeof bytes);
        assert_int_equal(ways[i](0, bytes, 32), 0x62A8AB43);
        for (int j = 0; j < 32; j++)
            bytes[j] = (char)j;
        assert_int_equal(ways[i](0, bytes, 32), 0x46DD794E);
    }
}

static void crc32c_goes_on_where_it_stopped(void **state)
{
    unsigned char bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37);
    uint32_t whole = hash_crc32c_portable(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t part = crc32c(0, bytes, cut);
        assert_int_equal(crc32c(part, bytes + cut, sizeof bytes - cut), whole);
        assert_int_equal(hash_crc32c_portable(part, bytes + cut, sizeof bytes - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_known_values),
        cmocka_unit_test(the_key_matters),
        cmocka_unit_test(crc32c_known_values),
        cmocka_unit_test(crc32c_goes_on_where_it_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
