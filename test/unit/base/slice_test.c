#include "base/slice.h"
#include "unit/unit.h"

static void equality_minds_length_and_nul(void **state)
{
    assert_true(slice_eq(S("a\0b"), S("a\0b")));
    assert_false(slice_eq(S("a\0b"), S("a\0c")));
    assert_false(slice_eq(S("a"), S("ab")));
    assert_true(slice_eq(slice(NULL, 0), S("")));
    assert_true(slice_eq_nocase(S("HeLo@["), S("hElO@[")));
    assert_false(slice_eq_nocase(S("@"), S("`")));
    assert_true(slice_eq_secret(S("key"), S("key")));
    assert_false(slice_eq_secret(S("key"), S("kez")));
    assert_false(slice_eq_secret(S("key"), S("keys")));
    assert_true(slice_eq_secret(slice(NULL, 0), S("")));
}

static void parts_are_clamped(void **state)
{
    struct slice s = S("hello");
    assert_slice(slice_sub(s, 1, 3), S("ell"));
    assert_slice(slice_sub(s, 3, 99), S("lo"));
    assert_slice(slice_sub(s, 6, 1), S(""));
    assert_slice(slice_sub(s, 1, (size_t)-1), S("ello"));
    assert_slice(slice_from(s, 5), S(""));
    assert_int_equal(slice_sub(slice(NULL, 0), 3, 3).n, 0);
}

static void starts_and_ends(void **state)
{
    assert_true(slice_starts(S("abc"), S("ab")));
    assert_true(slice_starts(S("abc"), S("")));
    assert_false(slice_starts(S("ab"), S("abc")));
    assert_true(slice_ends(S("abc"), S("bc")));
    assert_false(slice_ends(S("bc"), S("abc")));
    assert_true(slice_starts_nocase(S("MAIL FROM:"), S("mail from")));
    assert_false(slice_starts_nocase(S("MA"), S("mail")));
}

static void order_is_bytewise_and_shorter_first(void **state)
{
    assert_true(slice_cmp(S("a"), S("b")) < 0);
    assert_true(slice_cmp(S("\xff"), S("a")) > 0);
    assert_true(slice_cmp(S("a"), S("ab")) < 0);
    assert_true(slice_cmp(S("ab"), S("a")) > 0);
    assert_int_equal(slice_cmp(slice(NULL, 0), S("")), 0);
}

static void finding(void **state)
{
    assert_int_equal(slice_find(S("a.b.c"), '.'), 1);
    assert_int_equal(slice_rfind(S("a.b.c"), '.'), 3);
    assert_int_equal(slice_find(S("a\0b"), '\0'), 1);
    assert_int_equal(slice_find(slice(NULL, 0), 'x'), SLICE_NONE);
    assert_int_equal(slice_rfind(S("abc"), 'x'), SLICE_NONE);
    assert_int_equal(slice_find_slice(S("aab"), S("ab")), 1);
    assert_int_equal(slice_find_slice(S("aab"), S("")), 0);
    assert_int_equal(slice_find_slice(S(""), S("a")), SLICE_NONE);
    assert_int_equal(slice_find_slice(S("ab"), S("abc")), SLICE_NONE);
    assert_true(slice_has_any(S("a b"), "\t "));
    assert_false(slice_has_any(S("ab"), "\t "));
}

static void trim_and_cut(void **state)
{
    assert_slice(slice_trim(S(" \t a b\t ")), S("a b"));
    assert_slice(slice_trim(S(" \t")), S(""));
    struct slice rest = S("a,,b");
    assert_slice(slice_cut(&rest, ','), S("a"));
    assert_slice(slice_cut(&rest, ','), S(""));
    assert_slice(slice_cut(&rest, ','), S("b"));
    assert_int_equal(rest.n, 0);
    assert_slice(slice_cut(&rest, ','), S(""));
}

static void numbers_are_whole_digits_within_the_maximum(void **state)
{
    uint64_t v = 0;
    assert_true(slice_to_u64(S("18446744073709551615"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_false(slice_to_u64(S("18446744073709551616"), UINT64_MAX, &v));
    assert_false(slice_to_u64(S("99999999999999999999"), UINT64_MAX, &v));
    assert_true(slice_to_u64(S("0000000000000000000000000255"), 255, &v));
    assert_int_equal(v, 255);
    assert_false(slice_to_u64(S("256"), 255, &v));
    assert_true(slice_to_u64(S("5"), 5, &v));
    assert_false(slice_to_u64(S("6"), 5, &v));
    assert_false(slice_to_u64(S("9"), 5, &v));
    assert_true(slice_to_u64(S("0"), 0, &v));
    assert_false(slice_to_u64(S("1"), 0, &v));
    const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "\xd9\xa1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(slice_to_u64(slice_str(bad[i]), UINT64_MAX, &v));
}

static void a_c_string_fits_or_is_empty(void **state)
{
    char out[4];
    assert_true(slice_to_cstr(S("abc"), out, sizeof out));
    assert_string_equal(out, "abc");
    assert_false(slice_to_cstr(S("abcd"), out, sizeof out));
    assert_string_equal(out, "");
    assert_false(slice_to_cstr(S("a\0b"), out, sizeof out));
    assert_string_equal(out, "");
    assert_true(slice_to_cstr(slice(NULL, 0), out, 1));
    assert_false(slice_to_cstr(S(""), out, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_minds_length_and_nul),
        cmocka_unit_test(parts_are_clamped),
        cmocka_unit_test(starts_and_ends),
        cmocka_unit_test(order_is_bytewise_and_shorter_first),
        cmocka_unit_test(finding),
        cmocka_unit_test(trim_and_cut),
        cmocka_unit_test(numbers_are_whole_digits_within_the_maximum),
        cmocka_unit_test(a_c_string_fits_or_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
