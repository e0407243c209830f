#include "port/folder.h"
#include "unit/unit.h"
#include <stdio.h>

static struct folder_name to(struct slice path, bool maildir)
{
    struct folder_name n;
    char normal[MAILBOX_NAME_MAX];
    size_t length;
    const char *why;
    folder_to_mailbox(path, maildir, &n);
    assert_true(mailbox_name_normalise(slice(n.text, n.n), normal, &length, &why));
    assert_true(slice_eq(slice(normal, length), slice(n.text, n.n)));
    return n;
}

static void is(const char *path, bool maildir, const char *want, bool changed)
{
    struct folder_name n = to(slice_str(path), maildir);
    if (!slice_eq(slice(n.text, n.n), slice_str(want)) || n.changed != changed)
        fail_msg("'%s' is '%.*s'%s", path, (int)n.n, n.text, n.changed ? ", changed" : "");
}

static void from_maildir(void **state)
{
    is("", true, "INBOX", false);
    is(".Sent", true, "Sent", false);
    is(".Sub.Folder", true, "Sub/Folder", false);
    is(".INBOX.x", true, "INBOX/x", false);
    is(".inbox", true, "INBOX", false);
    is(".Entw&APw-rfe", true, "Entwürfe", false);
    is(".R&-D", true, "R&D", false);
    is(".R&D", true, "R&D", false); /* none of modified UTF-7: as it stands */
    is(".Entwürfe", true, "Entwürfe", false);
    is(".john&AC4-doe", true, "john.doe", false);
    is("Work/2020", true, "Work/2020", false);
    is("Work/.a.b", true, "Work/a/b", false);
    is("john.doe", true, "john.doe", false);
}

static void from_files(void **state)
{
    is("Work", false, "Work", false);
    is("Work.sbd/2020", false, "Work/2020", false);
    is("Work/2020", false, "Work/2020", false);
    is("x.sbd", false, "x.sbd", false); /* a file */
    is(".sbd/x", false, ".sbd/x", false);
    is("&AC4-&AC4-", false, "..", false);
}

static void hostile(void **state)
{
    char text[FOLDER_PATH_MAX];
    is("..", false, "..", false); /* a mailbox is no path */
    is("...", true, "_", true);
    is(".a..b.", true, "a/b", true);
    is(".a\x01\x7f\xff", true, "a___", true);
    is(".a&AC8-b", true, "a&AC8-b", false); /* "/" in base64 is none of modified UTF-7 */
    is("//", false, "_", true);
    is("\n", false, "_", true);
    for (size_t n = 1; n < sizeof text; n++) {
        memset(text, 'x', n);
        struct folder_name name = to(slice(text, n), false);
        assert_int_equal(name.n, n < 255 ? n : 255);
        assert_int_equal(name.changed, n > 255);
        for (size_t i = 0; i < n; i++)
            text[i] = i % 3 ? 'x' : '/';
        name = to(slice(text, n), false);
        assert_true(name.n <= MAILBOX_NAME_MAX);
    }
    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 2 <= 300; i += 2)
        memcpy(text + i, "ä", 2);
    assert_int_equal(to(slice(text, 300), false).n, 254); /* no half of a character */
}

static void specials(void **state)
{
    assert_true(slice_eq(folder_special(S("Sent Items")), S("Sent")));
    assert_true(slice_eq(folder_special(S("SPAM")), S("Junk")));
    assert_true(slice_eq(folder_special(S("sent")), S("Sent")));
    assert_true(slice_eq(folder_special(S("Deleted Messages")), S("Trash")));
    assert_true(slice_eq(folder_special(S("Draft")), S("Drafts")));
    assert_int_equal(folder_special(S("Sent")).n, 0);
    assert_int_equal(folder_special(S("Work/Sent")).n, 0);
    assert_int_equal(folder_special(S("")).n, 0);
}

static const char *const names[] = {"Sent", "a/b/c", "INBOX/x", "Entwürfe/日本語", "R&D",
    "john.doe/a.b", "..", "a/../b", ".hidden", "x.sbd", "x.sbd/y", "mail.msf", "&AC4-", "a&AC4-b",
    "~", "-", "a b", "&"};

static void round_trips(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char dir[FOLDER_FILE_MAX + 1], path[FOLDER_PATH_MAX];
        assert_true(folder_of_maildir(slice_str(names[i]), dir));
        assert_null(strchr(dir, '/'));
        is(dir, true, names[i], false);
        assert_true(folder_of_file(slice_str(names[i]), path));
        assert_true(
            path[0] != '.' && !strstr(path, "/.") && !slice_ends(slice_str(path), S(".msf")));
        is(path, false, names[i], false);
    }
    char dir[FOLDER_FILE_MAX + 1];
    assert_true(folder_of_maildir(S("INBOX"), dir));
    assert_string_equal(dir, "");
}

/* Names that no file can have are cut, and differ all the same. */
static void too_long(void **state)
{
    char one[FOLDER_FILE_MAX + 1], two[FOLDER_FILE_MAX + 1], path[FOLDER_PATH_MAX], name[400];
    memset(name, '.', sizeof name);
    name[200] = '/';
    assert_false(folder_of_maildir(slice(name, 399), one));
    assert_false(folder_of_maildir(slice(name, 400), two));
    assert_int_equal(strlen(one), FOLDER_FILE_MAX);
    assert_string_not_equal(one, two);
    assert_false(folder_of_file(slice(name, 400), path));
    for (size_t i = 1; i < sizeof name; i += 2)
        name[i] = '/';
    assert_true(folder_of_file(slice(name, 399), path));
    assert_true(strlen(path) < FOLDER_PATH_MAX);
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 4 == 3 ? '/' : '.';
    assert_true(folder_of_file(slice(name, 399), path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_maildir),
        cmocka_unit_test(from_files),
        cmocka_unit_test(hostile),
        cmocka_unit_test(specials),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
