#include "smtp/path.h"
#include "unit/unit.h"

static enum smtp_path_result take(
    const char *text, enum smtp_path_kind kind, struct smtp_path *path, size_t *used)
{
    struct cursor c = cursor(slice_str(text));
    enum smtp_path_result r = smtp_path_take(&c, kind, path);
    *used = c.at;
    return r;
}

static void is(const char *text, const char *written)
{
    struct smtp_path path;
    struct buffer out;
    size_t used;
    assert_int_equal(take(text, SMTP_FORWARD, &path, &used), SMTP_PATH_OK);
    assert_int_equal(used, strlen(text));
    buffer_init(&out, SMTP_PATH_TEXT);
    smtp_path_write(&path, &out);
    assert_true(slice_eq(buffer_slice(&out), slice_str(written)));
    buffer_finish(&out);
}

static void good_ones(void **state)
{
    is("<a@b>", "a@b");
    is("<a.b+c@d.e>", "a.b+c@d.e");
    is("<\"a.b\"@d>", "a.b@d");
    is("<\"a b\"@d>", "\"a b\"@d");
    is("<\"a\\\"\\\\b\"@d>", "\"a\\\"\\\\b\"@d");
    is("<\"\\a\"@d>", "a@d");
    is("<\"\"@d>", "\"\"@d");
    is("<\"a..b\"@d>", "\"a..b\"@d");
    is("<@a,@b.c:x@d>", "x@d");
    is("<a@[192.0.2.1]>", "a@[192.0.2.1]");
    is("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]");
    is("<a@[ipv6:::1]>", "a@[ipv6:::1]");
    is("<Postmaster>", "Postmaster");
    is("<j\xc3\xb6@d\xc3\xb6.e>", "j\xc3\xb6@d\xc3\xb6.e");
}

static void bad_ones(void **state)
{
    static const char *const bad[] = {"", "<", "<>", "<a", "<a@", "<a@b", "a@b", "<@b>", "<a@b@c>",
        "<a b@c>", "<.a@b>", "<a.@b>", "<a..b@c>", "<a@.b>", "<a@b.>", "<a@-b>", "<\"a@b>",
        "<\"a\\", "<\"a\"b@c>", "<a\"b\"@c>", "<a@[1.2.3.256]>", "<a@[::1]>", "<a@[IPv6:1.2.3.4]>",
        "<a@[]>", "<a@[x]y>", "<root>", "<@a:b>", "<@a,:b@c>", "<@:b@c>", "<a\x01@b>",
        "<\"a\x01\"@b>", "<\"a\x7f\"@b>", "<a@b\x80>", "<\xff@b>", "<\"\xc3\"@b>"};
    struct smtp_path path;
    size_t used;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (take(bad[i], SMTP_FORWARD, &path, &used) == SMTP_PATH_OK)
            fail_msg("%s", bad[i]);
        assert_int_equal(used, 0);
    }
    struct cursor c = cursor(S("<a\0b@c>"));
    assert_int_equal(smtp_path_take(&c, SMTP_FORWARD, &path), SMTP_PATH_SYNTAX);
    assert_int_equal(take("<Postmaster>", SMTP_REVERSE, &path, &used), SMTP_PATH_SYNTAX);
    assert_int_equal(take("<>", SMTP_REVERSE, &path, &used), SMTP_PATH_OK);
    assert_true(path.null);
}

/* n times 'x' as the local part, m octets of domain in labels. */
static enum smtp_path_result sized(size_t n, size_t m, enum smtp_path_kind kind)
{
    static char text[80 * 1024];
    struct smtp_path path;
    size_t used;
    text[0] = '<';
    memset(text + 1, 'x', n);
    text[1 + n] = '@';
    for (size_t i = 0; i < m; i++)
        text[2 + n + i] = i % 50 == 49 && i + 1 < m ? '.' : 'd';
    memcpy(text + 2 + n + m, ">", 2);
    return take(text, kind, &path, &used);
}

static void limits(void **state)
{
    assert_int_equal(sized(64, 10, SMTP_FORWARD), SMTP_PATH_OK);
    assert_int_equal(sized(65, 10, SMTP_FORWARD), SMTP_PATH_LOCAL_LONG);
    assert_int_equal(sized(65536, 10, SMTP_FORWARD), SMTP_PATH_LOCAL_LONG);
    assert_int_equal(sized(200, 10, SMTP_REVERSE), SMTP_PATH_OK);
    assert_int_equal(sized(257, 1, SMTP_REVERSE), SMTP_PATH_LOCAL_LONG);
    assert_int_equal(sized(3, 250, SMTP_FORWARD), SMTP_PATH_OK); /* 256 with the brackets */
    assert_int_equal(sized(4, 250, SMTP_FORWARD), SMTP_PATH_LONG);
    assert_int_equal(sized(1, 256, SMTP_FORWARD), SMTP_PATH_DOMAIN_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(bad_ones),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
