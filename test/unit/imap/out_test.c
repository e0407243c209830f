#include "imap/out.h"
#include "unit/unit.h"

static struct buffer out;

static int setup(void **state)
{
    buffer_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    buffer_finish(&out);
    return 0;
}

static void expect(const char *text)
{
    assert_slice(buffer_slice(&out), slice_str(text));
    buffer_reset(&out);
}

static void strings(void **state)
{
    imap_out_string(&out, S(""));
    expect("\"\"");
    imap_out_string(&out, S("a\"b\\c\td"));
    expect("\"a\\\"b\\\\c\td\"");
    imap_out_string(&out, S("a\r\nb"));
    expect("{4}\r\na\r\nb");
    imap_out_string(&out, S("\xc3\xa4"));
    expect("{2}\r\n\xc3\xa4");
    imap_out_string(&out, S("a\0b\0"));
    expect("{4}\r\na\x80"
           "b\x80");
    imap_out_nstring(&out, (struct slice){NULL, 0});
    expect("NIL");
    imap_out_nstring(&out, S("NIL"));
    expect("\"NIL\"");
}

static void long_ones_are_literals(void **state)
{
    char text[1001];
    memset(text, 'x', sizeof text);
    imap_out_string(&out, slice(text, 1000));
    assert_int_equal(out.p[0], '"');
    buffer_reset(&out);
    imap_out_string(&out, slice(text, 1001));
    assert_true(slice_starts(buffer_slice(&out), S("{1001}\r\nx")));
    buffer_reset(&out);
    imap_out_astring(&out, slice(text, 1001));
    assert_int_equal(out.p[0], '{');
}

static void astrings(void **state)
{
    imap_out_astring(&out, S("a.b-c/d"));
    expect("a.b-c/d");
    imap_out_astring(&out, S(""));
    expect("\"\"");
    imap_out_astring(&out, S("nil"));
    expect("\"nil\"");
    imap_out_astring(&out, S("a b"));
    expect("\"a b\"");
    imap_out_astring(&out, S("a*"));
    expect("\"a*\"");
}

static void mailboxes(void **state)
{
    imap_out_mailbox(&out, S("INBOX"));
    expect("INBOX");
    imap_out_mailbox(&out, S("Entw\xc3\xbcrfe & mehr"));
    expect("\"Entw&APw-rfe &- mehr\"");
    char name[MAILBOX_NAME_MAX];
    memset(name, '\x01', sizeof name);
    for (size_t i = 0; i < sizeof name; i += 2)
        name[i] = 'a';
    imap_out_mailbox(&out, slice(name, sizeof name));
    assert_false(out.overflow);
}

static void flags(void **state)
{
    struct slice names[MAILBOX_KEYWORDS] = {[0] = S("$Fwd"), [1] = S("a b"), [63] = S("last")};
    imap_out_flags(&out, 0, false, 0, names);
    expect("");
    imap_out_flags(&out, 31, true, UINT64_C(1) << 63 | 7, names);
    expect("\\Answered \\Flagged \\Deleted \\Seen \\Draft \\Recent $Fwd last");
    imap_out_flags(&out, 0, false, 1, names);
    expect("$Fwd");
    imap_out_flags(&out, 0, true, 0, names);
    expect("\\Recent");
}

static void dates_and_uids(void **state)
{
    imap_out_date_time(&out, 0, 60);
    expect("\" 1-Jan-1970 01:00:00 +0100\"");
    const struct mailbox_uids ranges[] = {{1, 3}, {5, 5}, {4294967295, 4294967295}};
    imap_out_uids(&out, ranges, 3);
    expect("1:3,5,4294967295");
    imap_out_uids(&out, ranges, 0);
    expect("");
}

#define WITH_BUFFER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BUFFER(strings),
        WITH_BUFFER(long_ones_are_literals),
        WITH_BUFFER(astrings),
        WITH_BUFFER(mailboxes),
        WITH_BUFFER(flags),
        WITH_BUFFER(dates_and_uids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
