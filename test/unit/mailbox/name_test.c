#include "mailbox/mailbox.h"
#include "unit/unit.h"

static bool ok(struct slice name, struct slice wanted)
{
    char out[MAILBOX_NAME_MAX];
    size_t n;
    const char *why;
    if (!mailbox_name_normalise(name, out, &n, &why)) {
        assert_non_null(why);
        return false;
    }
    assert_slice(slice(out, n), wanted);
    return true;
}

static void inbox_has_one_spelling(void **state)
{
    assert_true(ok(S("inbox"), S("INBOX")));
    assert_true(ok(S("InBox/Work"), S("INBOX/Work")));
    assert_true(ok(S("Work/inbox"), S("Work/inbox")));
    assert_true(ok(S("inboxes"), S("inboxes")));
    assert_true(ok(S("Entw\xc3\xbcrfe"), S("Entw\xc3\xbcrfe")));
}

static void impossible_names(void **state)
{
    assert_false(ok(S(""), S("")));
    assert_false(ok(S("/a"), S("")));
    assert_false(ok(S("a/"), S("")));
    assert_false(ok(S("a//b"), S("")));
    assert_false(ok(S("a\nb"), S("")));
    assert_false(ok(S("a\0b"), S("")));
    assert_false(ok(S("a\x7f"), S("")));
    assert_false(ok(S("\xff\xfe"), S("")));
    assert_true(ok(S("../../etc/passwd"), S("../../etc/passwd"))); /* only a key, never a path */
}

static void lengths(void **state)
{
    char long_name[500];
    memset(long_name, 'x', sizeof long_name);
    assert_true(ok(slice(long_name, 255), slice(long_name, 255)));
    assert_false(ok(slice(long_name, 256), S("")));
    long_name[200] = '/';
    assert_true(ok(slice(long_name, 400), slice(long_name, 400)));
    assert_false(ok(slice(long_name, 401), S("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inbox_has_one_spelling),
        cmocka_unit_test(impossible_names),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
