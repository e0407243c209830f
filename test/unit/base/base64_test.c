#include "base/base64.h"
#include "unit/unit.h"

/* RFC 4648 §10 */
static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

static void the_vectors_both_ways(void **state)
{
    struct buffer b;
    buffer_init(&b, 100);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        buffer_reset(&b);
        assert_true(base64_encode(slice_str(vectors[i][0]), &b));
        assert_slice(buffer_slice(&b), slice_str(vectors[i][1]));
        buffer_reset(&b);
        assert_true(base64_decode(slice_str(vectors[i][1]), &b));
        assert_slice(buffer_slice(&b), slice_str(vectors[i][0]));
    }
    buffer_finish(&b);
}

static void every_byte_comes_back(void **state)
{
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct buffer text, back;
    buffer_init(&text, 1000);
    buffer_init(&back, 1000);
    for (size_t n = 0; n <= sizeof all; n++) {
        buffer_reset(&text);
        buffer_reset(&back);
        assert_true(base64_encode(slice(all, n), &text));
        assert_true(base64_decode(buffer_slice(&text), &back));
        assert_slice(buffer_slice(&back), slice(all, n));
        buffer_reset(&text);
        buffer_reset(&back);
        assert_true(hex_encode(slice(all, n), &text));
        assert_true(hex_decode(buffer_slice(&text), &back));
        assert_slice(buffer_slice(&back), slice(all, n));
    }
    buffer_finish(&text);
    buffer_finish(&back);
}

static void what_is_not_canonical_is_refused(void **state)
{
    const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "=",
        "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm=v", "Zm9v\n", "Zm 9", "Zm9v====", "Zm-_",
        "Zm9\xff", "Zm9vZg=v"};
    struct buffer b;
    buffer_init(&b, 100);
    buffer_add(&b, S("kept"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(base64_decode(slice_str(bad[i]), &b));
        assert_slice(buffer_slice(&b), S("kept"));
    }
    assert_false(base64_decode(S("Zg=\0"), &b));
    assert_false(b.overflow);
    buffer_finish(&b);
}

static void the_maximum_holds_to_the_byte(void **state)
{
    struct buffer b;
    buffer_init(&b, 4);
    assert_true(base64_decode(S("Zm9vYg=="), &b));
    buffer_reset(&b);
    assert_false(base64_decode(S("Zm9vYmE="), &b));
    assert_true(b.overflow);
    buffer_reset(&b);
    assert_true(base64_encode(S("foo"), &b));
    buffer_reset(&b);
    assert_false(base64_encode(S("foob"), &b));
    assert_int_equal(b.n, 0);
    buffer_finish(&b);
}

static void hex_takes_either_case_and_pairs_only(void **state)
{
    struct buffer b;
    buffer_init(&b, 100);
    assert_true(hex_decode(S("00fFAb"), &b));
    assert_slice(buffer_slice(&b), S("\0\xff\xab"));
    assert_false(hex_decode(S("0"), &b));
    assert_false(hex_decode(S("0g"), &b));
    assert_false(hex_decode(S("00 1"), &b));
    assert_int_equal(b.n, 3);
    buffer_reset(&b);
    assert_true(hex_encode(S("\0\xff\xab"), &b));
    assert_slice(buffer_slice(&b), S("00ffab"));
    buffer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_both_ways),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(what_is_not_canonical_is_refused),
        cmocka_unit_test(the_maximum_holds_to_the_byte),
        cmocka_unit_test(hex_takes_either_case_and_pairs_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
