#include "imap/mutf7.h"
#include "unit/unit.h"

static const struct {
    const char *utf8, *text;
} pairs[] = {
    {"", ""},
    {"INBOX", "INBOX"},
    {"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
        "~peter/mail/&U,BTFw-/&ZeVnLIqe-"}, /* RFC 3501 §5.1.3 */
    {"Entw\xc3\xbcrfe", "Entw&APw-rfe"},
    {"a&b", "a&-b"},
    {"&&", "&-&-"},
    {"\xc3\xa4&", "&AOQ-&-"},
    {"&\xc3\xa4", "&-&AOQ-"},
    {"\xc3\xa4-", "&AOQ--"},
    {"\xf0\x9f\x93\xa7", "&2D3c5w-"},
    {"\x01\x7f", "&AAEAfw-"},
};

static void both_ways(void **state)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct buffer b;
        buffer_init(&b, 1024);
        assert_true(mutf7_encode(slice_str(pairs[i].utf8), &b));
        assert_slice(buffer_slice(&b), slice_str(pairs[i].text));
        buffer_reset(&b);
        assert_true(mutf7_decode(slice_str(pairs[i].text), &b));
        assert_slice(buffer_slice(&b), slice_str(pairs[i].utf8));
        buffer_finish(&b);
    }
}

static void refuses(void **state)
{
    static const char *const bad[] = {
        "a&b",
        "&",
        "&AOQ",
        "a\xc3\xa4", /* never closed, 8-bit */
        "&AOQ=-",
        "&AOQ/-",
        "&AO Q-", /* not of the alphabet */
        "&AOR-",
        "&AOQA-",
        "&AOQAA-", /* loose bits, a loose sextet */
        "&AGE-",
        "&ACY-",
        "&AOQAYQ-",   /* ASCII in base64 */
        "&AOQ-&AOQ-", /* one shift would do */
        "&2D0-",
        "&3Oc-",
        "&2D0AYQ-", /* surrogates alone */
        "&U,BTFw-&ZeVnLIqe-",
        "a\x01",
        "a\x7f",
        "&A-",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buffer b;
        buffer_init(&b, 1024);
        if (mutf7_decode(slice_str(bad[i]), &b))
            fail_msg("'%s' is taken", bad[i]);
        buffer_finish(&b);
    }
}

static void no_room(void **state)
{
    struct buffer b;
    buffer_init(&b, 3);
    assert_false(mutf7_decode(S("abcd"), &b));
    buffer_reset(&b);
    assert_false(mutf7_encode(S("\xc3\xa4"), &b));
    buffer_reset(&b);
    assert_true(mutf7_decode(S("abc"), &b));
    buffer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(refuses),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
