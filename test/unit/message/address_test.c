#include "message/address.h"
#include "message_test.h"

static struct slice canonical(struct slice text, struct buffer *b)
{
    struct address_spec spec;
    buffer_reset(b);
    return address_parse(text, true, &spec) && address_canonical(&spec, b) ? buffer_slice(b)
                                                                           : S("none");
}

static void good_addresses(void **state)
{
    static const char *const good[] = {"a@b", "a.b+tag@example.org", "\"a b\"@example.org",
        "\"\\\"\"@d", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a@[ipv6:::1]", "postmaster@x-y.z",
        "a/./b@d", "a%b@d", "a!b@d", "a@my_host.example", "a@1.2.3.4"};
    struct address_spec spec;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(address_parse(slice_str(good[i]), false, &spec));
    assert_true(address_parse(S("\"a b\"@[192.0.2.1]"), false, &spec));
    assert_true(spec.quoted && spec.literal && !spec.utf8);
    assert_slice(spec.local, S("\"a b\""));
    assert_slice(spec.domain, S("[192.0.2.1]"));
}

static void bad_addresses(void **state)
{
    static const char *const bad[] = {"", "@", "a", "a@", "@d", "\"\"@d", "\"\"", "<a@b>", "a@b>",
        ".a@d", "a.@d", "a..b@d", "a/../b@d", "a b@d", "a@d d", "a@.d", "a@d.", "a@d..e", "a@-d",
        "a@d-", "a@[]", "a@[", "a@[1.2.3]", "a@[1.2.3.4", "a@[1.2.3.4]x", "a@[IPv6:1.2.3.4]",
        "a@[x:y]", "\"a@d", "\"a\\", "a\"b\"@d", "\"a\"b@d", ";cmd@d", "@a,@b:c@d", "a@b@c",
        "\"a\x01\"@d", "a@d\n", "\xc3\xa4@d", "a@\xc3\xa4", "a,b@d", "a(c)@d", "$(x)@d",
        "\"a\rb\"@d"};
    struct address_spec spec;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (address_parse(slice_str(bad[i]), false, &spec))
            fail_msg("taken: %s", bad[i]);
    assert_false(address_parse(S("a\0@d"), true, &spec));
    assert_false(address_parse(S("a@d\0"), true, &spec));
    assert_false(address_parse(S("\xc3@d"), true, &spec));
    assert_false(address_parse(S("a@\xc3"), true, &spec));
    assert_true(address_parse(S("\xc3\xa4@\xc3\xa4"), true, &spec));
    assert_true(spec.utf8);
}

static void lengths(void **state)
{
    struct address_spec spec;
    char text[400];
    memset(text, 'a', sizeof text);
    text[64] = '@';
    assert_true(address_parse(slice(text, 66), false, &spec));
    text[64] = 'a';
    text[65] = '@';
    assert_false(address_parse(slice(text, 67), false, &spec));
    memset(text, 'a', sizeof text);
    text[1] = '@';
    for (size_t at = 2 + 63; at < sizeof text; at += 64)
        text[at] = '.';
    assert_true(address_parse(slice(text, 2 + 255), false, &spec));
    assert_int_equal(spec.domain.n, ADDRESS_DOMAIN_MAX);
    assert_false(address_parse(slice(text, 2 + 256), false, &spec));
    memset(text + 2, 'a', 64);
    assert_true(address_parse(slice(text, 2 + 63), false, &spec));
    assert_false(address_parse(slice(text, 2 + 64), false, &spec));
    memset(text, 'a', 66);
    text[0] = text[63] = '"';
    text[64] = '@';
    assert_true(address_parse(slice(text, 66), false, &spec));
    text[63] = 'a';
    text[64] = '"';
    text[65] = '@';
    assert_false(address_parse(slice(text, 67), false, &spec));
}

static void taken_from_a_command(void **state)
{
    struct cursor c = cursor(S("<ann@example.org> SIZE=1"));
    struct address_spec spec;
    assert_false(address_take(&c, false, &spec));
    assert_true(cursor_take_char(&c, '<'));
    assert_true(address_take(&c, false, &spec));
    assert_slice(cursor_rest(&c), S("> SIZE=1"));
}

static void canonical_forms(void **state)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"Ann@EXAMPLE.org", "ann@example.org"},
        {"\"Ann\"@x", "ann@x"},
        {"\"a\\b\"@x", "ab@x"},
        {"\"a@B\"@x", "a@b@x"},
        {"J\xc3\x96RG@B\xc3\x9c"
         "CHER.example",
            "j\xc3\xb6rg@xn--bcher-kva.example"},
        {"jo\xcc\x88rg@x", "j\xc3\xb6rg@x"},
        {"STRASSE@x", "strasse@x"},
        {"stra\xc3\x9f"
         "e@x",
            "strasse@x"},
        {"a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"},
        {"a@b\xc3\xbc"
         "cher.example",
            "a@xn--bcher-kva.example"},
        {"a@[IPv6:2001:0DB8:0:0::1]", "a@[IPv6:2001:db8::1]"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]"},
        {"a@\xef\xbc\xa0.example", "none"}, /* a full-width '@' */
        {"a@\xef\xbd\x81.example", "a@a.example"},
    };
    struct buffer b;
    buffer_init(&b, ADDRESS_CANONICAL_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_slice(canonical(slice_str(cases[i].text), &b), slice_str(cases[i].canonical));
    buffer_finish(&b);
    buffer_init(&b, 6);
    assert_slice(canonical(S("a@b.cd"), &b), S("a@b.cd"));
    assert_slice(canonical(S("a@b.cde"), &b), S("none"));
    assert_int_equal(b.n, 0);
    buffer_finish(&b);
}

static void written_again(void **state)
{
    struct buffer b;
    struct slice local, domain;
    buffer_init(&b, 100);
    assert_true(address_write(S("a@b@x"), &b));
    assert_slice(buffer_slice(&b), S("\"a@b\"@x"));
    buffer_reset(&b);
    assert_true(address_quote(S("a b\"\\"), &b));
    assert_slice(buffer_slice(&b), S("\"a b\\\"\\\\\""));
    buffer_reset(&b);
    assert_true(address_quote(S("a.b"), &b));
    assert_slice(buffer_slice(&b), S("a.b"));
    assert_false(address_quote(S("a\nb"), &b));
    assert_false(address_quote(S("a\xff"), &b));
    assert_slice(buffer_slice(&b), S("a.b"));
    assert_false(address_split(S("@x"), &local, &domain));
    assert_false(address_split(S("a@"), &local, &domain));
    assert_false(address_split(S("a"), &local, &domain));
    assert_false(address_write(S("@x"), &b));
    struct address_spec spec;
    buffer_reset(&b);
    assert_true(address_parse(S("\"a\\\"b c\"@x"), false, &spec));
    assert_true(address_unquote(&spec, &b));
    assert_slice(buffer_slice(&b), S("a\"b c"));
    buffer_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses),
        cmocka_unit_test(bad_addresses),
        cmocka_unit_test(lengths),
        cmocka_unit_test(taken_from_a_command),
        cmocka_unit_test(canonical_forms),
        cmocka_unit_test(written_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
