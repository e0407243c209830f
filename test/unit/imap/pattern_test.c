#include "imap/pattern.h"
#include "mailbox/mailbox.h"
#include "unit/unit.h"

static struct arena arena;

static int setup(void **state)
{
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    arena_reset(&arena);
    return 0;
}

static bool match(const char *reference, const char *pattern, const char *name)
{
    struct imap_pattern p;
    assert_true(imap_pattern_make(slice_str(reference), slice_str(pattern), &arena, &p));
    return imap_pattern_match(&p, slice_str(name));
}

static void literals(void **state)
{
    assert_true(match("", "a/b", "a/b"));
    assert_false(match("", "a/b", "a/bc"));
    assert_false(match("", "a/b", "a/"));
    assert_false(match("", "", "a"));
    assert_true(match("a/", "b", "a/b"));
    assert_false(match("a", "b", "a/b"));
}

static void wildcards(void **state)
{
    assert_true(match("", "*", "a/b/c"));
    assert_true(match("", "%", "a"));
    assert_false(match("", "%", "a/b"));
    assert_true(match("", "%/%", "a/b"));
    assert_false(match("", "%/%", "a/b/c"));
    assert_true(match("", "a*", "a"));
    assert_true(match("", "a%", "a"));
    assert_true(match("", "*b", "a/b"));
    assert_false(match("", "%b", "a/b"));
    assert_true(match("", "*/b%", "x/y/bc"));
    assert_true(match("", "a*c%e", "a/x/c/c1e"));
    assert_false(match("", "a*c%e", "a/x/c/e"));
    assert_true(match("", "%a%", "bab"));
    assert_true(match("", "*a*a*", "xaxax"));
    assert_false(match("", "*a*a*", "xaxx"));
    assert_true(match("x/*", "%", "x/a/b"));
    assert_true(match("", "%*%", "a/b"));
    assert_true(match("", "%%", "ab"));
    assert_false(match("", "%%", "a/b"));
}

static void the_inbox(void **state)
{
    assert_true(match("", "inbox", "INBOX"));
    assert_true(match("InBox/", "a", "INBOX/a"));
    assert_true(match("", "iNBOX/%", "INBOX/a"));
    assert_false(match("", "inb%", "INBOX"));
    assert_true(match("", "INB%", "INBOX"));
}

static void what_is_known_of_a_pattern(void **state)
{
    struct imap_pattern p;
    assert_true(imap_pattern_make(S("a/"), S("b*c%%"), &arena, &p));
    assert_slice(p.text, S("a/b*c%"));
    assert_slice(p.literal, S("a/b"));
    assert_true(p.levels);
    assert_true(imap_pattern_make(S("a/"), S("b"), &arena, &p) && !p.levels);
    assert_slice(p.literal, S("a/b"));
}

static void the_longest(void **state)
{
    char text[MAILBOX_NAME_MAX + 1];
    struct imap_pattern p;
    memset(text, 'a', sizeof text);
    assert_true(imap_pattern_make(S(""), slice(text, MAILBOX_NAME_MAX), &arena, &p));
    assert_true(imap_pattern_match(&p, slice(text, MAILBOX_NAME_MAX)));
    assert_false(imap_pattern_match(&p, slice(text, MAILBOX_NAME_MAX + 1)));
    assert_false(imap_pattern_make(S(""), slice(text, MAILBOX_NAME_MAX + 1), &arena, &p));
}

/* "*%*%*%a" and the like, against "aaaa...": what backtracks would not return in this century. */
static void hostile_patterns(void **state)
{
    static const char *const units[] = {"*a", "%a", "*%a", "*a%a"};
    char name[MAILBOX_NAME_MAX], pattern[4 * MAILBOX_NAME_MAX];
    memset(name, 'a', sizeof name);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        struct slice unit = slice_str(units[u]);
        struct imap_pattern p;
        size_t n = 0;
        for (size_t i = 0; i < MAILBOX_NAME_MAX / 2 - 1; i++, n += unit.n)
            memcpy(pattern + n, unit.p, unit.n);
        pattern[n++] = 'b';
        assert_true(imap_pattern_make(S(""), slice(pattern, n), &arena, &p));
        for (unsigned i = 0; i < 10; i++)
            assert_false(imap_pattern_match(&p, slice(name, sizeof name)));
    }
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(literals),
        WITH_ARENA(wildcards),
        WITH_ARENA(the_inbox),
        WITH_ARENA(what_is_known_of_a_pattern),
        WITH_ARENA(the_longest),
        WITH_ARENA(hostile_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
