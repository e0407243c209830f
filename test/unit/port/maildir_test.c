#include "port/maildir.h"
#include "unit/unit.h"

static void parse(
    const char *file, const char *base, uint8_t flags, bool forwarded, uint32_t keywords)
{
    struct maildir_name n;
    assert_true(maildir_name_parse(slice_str(file), &n));
    assert_true(slice_eq(n.base, slice_str(base)));
    assert_int_equal(n.flags, flags);
    assert_int_equal(n.forwarded, forwarded);
    assert_int_equal(n.keywords, keywords);
}

static void names(void **state)
{
    parse("1.2.host", "1.2.host", 0, false, 0);
    parse("1.2.host:2,", "1.2.host", 0, false, 0);
    parse("1.2.host,S=5,W=6:2,S", "1.2.host,S=5,W=6", MAILBOX_SEEN, false, 0);
    parse("x:2,DFPRST", "x",
        MAILBOX_DRAFT | MAILBOX_FLAGGED | MAILBOX_ANSWERED | MAILBOX_SEEN | MAILBOX_DELETED, true,
        0);
    parse("x:2,SSaz?\x80", "x", MAILBOX_SEEN, false, 1 | 1u << 25);
    parse("x:2,S,F", "x", MAILBOX_SEEN, false, 0); /* what stands behind a comma is an extension */
    parse("x:1,S", "x", 0, false, 0);
    parse("x:2S", "x", 0, false, 0);
    parse("x:", "x", 0, false, 0);
}

static void no_names(void **state)
{
    struct maildir_name n;
    assert_false(maildir_name_parse(S(""), &n));
    assert_false(maildir_name_parse(S(".hidden"), &n));
    assert_false(maildir_name_parse(S(":2,S"), &n));
}

static void info(void **state)
{
    char out[MAILDIR_INFO_MAX];
    struct maildir_name n = {.flags = 31, .forwarded = true, .keywords = (1u << 26) - 1};
    assert_true(slice_eq(maildir_name_info(&n, out), S(":2,DFPRSTabcdefghijklmnopqrstuvwxyz")));
    n = (struct maildir_name){0};
    assert_true(slice_eq(maildir_name_info(&n, out), S(":2,")));
}

static void keywords(void **state)
{
    struct maildir_keywords k;
    maildir_keywords_parse(S("0 work\n1 $Label1\r\n25 z\n26 no\n1 again\n2\n3 a b\n4 a(\n-5 x\n"
                             "x y\n\n6 last"),
        &k);
    assert_true(slice_eq(k.names[0], S("work")));
    assert_true(slice_eq(k.names[1], S("$Label1")));
    assert_true(slice_eq(k.names[25], S("z")));
    assert_true(slice_eq(k.names[6], S("last")));
    for (int i = 2; i < 6; i++)
        assert_null(k.names[i].p);
    maildir_keywords_parse(S(""), &k);
    assert_null(k.names[0].p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(no_names),
        cmocka_unit_test(info),
        cmocka_unit_test(keywords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
