#include "base/buffer.h"
#include "imap/lex.h"
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

static struct imap_lex lex(const char *text)
{
    return imap_lex(slice_str(text), &arena);
}

typedef bool (*taker)(struct imap_lex *l, struct slice *s);

/* Takes `expected` and stands before `rest`; expected NULL: no, nothing is taken, it says why. */
static void takes(taker take, const char *text, const char *expected, const char *rest)
{
    struct imap_lex l = lex(text);
    struct slice s = {NULL, 0};
    bool taken = take(&l, &s);
    if (taken != (expected != NULL))
        fail_msg("'%s' is %s", text, taken ? "taken" : "refused");
    if (!expected) {
        assert_non_null(l.why);
        assert_int_equal(l.at, 0);
        return;
    }
    assert_slice(s, slice_str(expected));
    assert_slice(slice_from(l.all, l.at), slice_str(rest));
}

static void words(void **state)
{
    struct imap_lex l = lex("Select \"x\"");
    assert_false(imap_lex_word(&l, S("SEL")));
    assert_int_equal(l.at, 0);
    assert_true(imap_lex_word(&l, S("SELECT")));
    assert_true(imap_lex_space(&l));
    assert_false(imap_lex_space(&l));
    assert_string_equal(l.why, "one space is expected here");
    assert_int_equal(imap_lex_peek(&l), '"');
    l = lex("\t");
    assert_false(imap_lex_space(&l));
    l = lex("");
    assert_false(imap_lex_space(&l) || imap_lex_more(&l) || imap_lex_word(&l, S("A")));
    assert_true(imap_lex_end(&l) && imap_lex_finish(&l));
    assert_int_equal(imap_lex_peek(&l), -1);
}

static void tags_and_atoms(void **state)
{
    takes(imap_lex_tag, "a]1 x", "a]1", " x");
    takes(imap_lex_tag, "+", NULL, "");
    takes(imap_lex_tag, "", NULL, "");
    takes(imap_lex_tag, "*", NULL, "");
    takes(imap_lex_atom, "$Fwd+[x]", "$Fwd+[x", "]");
    takes(imap_lex_atom, "\\Seen", NULL, "");
    takes(imap_lex_atom, "a\xc3\xa4", "a", "\xc3\xa4");
    takes(imap_lex_atom, "\x7f", NULL, "");
    takes(imap_lex_astring, "a]b(", "a]b", "(");
}

static void strings(void **state)
{
    takes(imap_lex_string, "\"\" ", "", " ");
    takes(imap_lex_string, "\"a b\"", "a b", "");
    takes(imap_lex_string, "\"a\\\\\\\"b\"c", "a\\\"b", "c");
    takes(imap_lex_string, "\"\xc3\xa4\"", "\xc3\xa4", "");
    takes(imap_lex_string, "\"a\\b\"", NULL, "");
    takes(imap_lex_string, "\"a\\", NULL, "");
    takes(imap_lex_string, "\"a", NULL, "");
    takes(imap_lex_string, "\"a\rb\"", NULL, "");
    takes(imap_lex_string, "\"a\nb\"", NULL, "");
    takes(imap_lex_string, "atom", NULL, "");
    struct imap_lex l = imap_lex(S("\"a\0b\""), &arena);
    struct slice s;
    assert_false(imap_lex_string(&l, &s));
}

static void literals(void **state)
{
    takes(imap_lex_string, "{3}\r\na\r\nb", "a\r\n", "b");
    takes(imap_lex_astring, "{3+}\r\nabc)", "abc", ")");
    takes(imap_lex_nstring, "{0}\r\n)", "", ")");
    takes(imap_lex_string, "{4}\r\nabc", NULL, "");
    takes(imap_lex_string, "{3}\nabc", NULL, "");
    takes(imap_lex_string, "{3 }\r\nabc", NULL, "");
    takes(imap_lex_string, "{}\r\n", NULL, "");
    takes(imap_lex_string, "{-1}\r\n", NULL, "");
    takes(imap_lex_string, "{99999999999999999999}\r\n", NULL, "");
    struct imap_lex l = imap_lex(S("{3}\r\na\0b"), &arena);
    struct slice s;
    assert_false(imap_lex_string(&l, &s));
    assert_string_equal(l.why, "a literal may not hold NUL");
}

static void the_longest_literal(void **state)
{
    static char text[IMAP_STRING_MAX + 32];
    struct slice s;
    for (unsigned over = 0; over < 2; over++) {
        int head = snprintf(text, sizeof text, "{%zu}\r\n", IMAP_STRING_MAX + over);
        memset(text + head, 'x', IMAP_STRING_MAX + over);
        struct imap_lex l = imap_lex(slice(text, (size_t)head + IMAP_STRING_MAX + over), &arena);
        assert_int_equal(imap_lex_string(&l, &s), !over);
        text[0] = '"';
        text[head + (int)IMAP_STRING_MAX + (int)over] = '"';
        l = imap_lex(slice(text + head - 1, IMAP_STRING_MAX + over + 2), &arena);
        text[head - 1] = '"';
        assert_int_equal(imap_lex_string(&l, &s), !over);
    }
}

static void nil(void **state)
{
    struct imap_lex l = lex("nil)");
    struct slice s = S("x");
    assert_true(imap_lex_nstring(&l, &s));
    assert_null(s.p);
    takes(imap_lex_nstring, "NILS", NULL, "");
    takes(imap_lex_nstring, "\"NIL\"", "NIL", "");
    takes(imap_lex_astring, "NIL", "NIL", "");
}

static void numbers(void **state)
{
    uint32_t n;
    uint64_t wide;
    struct imap_lex l = lex("4294967295");
    assert_true(imap_lex_number(&l, &n) && n == UINT32_MAX);
    l = lex("4294967296");
    assert_false(imap_lex_number(&l, &n));
    assert_string_equal(l.why, "a number is larger than 2^32-1");
    assert_true(imap_lex_number64(&l, &wide) && wide == UINT64_C(4294967296));
    l = lex("9223372036854775807");
    assert_true(imap_lex_number64(&l, &wide) && wide == INT64_MAX);
    l = lex("9223372036854775808");
    assert_false(imap_lex_number64(&l, &wide));
    l = lex("-1");
    assert_false(imap_lex_number(&l, &n));
    l = lex("007");
    assert_true(imap_lex_number(&l, &n) && n == 7);
}

static void sets(void **state)
{
    struct imap_set set;
    struct imap_lex l = lex("1:3,* (");
    assert_true(imap_lex_set(&l, &set) && set.n == 2 && l.at == 5);
    l = lex("1:3x");
    assert_false(imap_lex_set(&l, &set));
    assert_int_equal(l.at, 0);
    l = lex("0");
    assert_false(imap_lex_set(&l, &set));
    l = lex("");
    assert_false(imap_lex_set(&l, &set));
}

static void a_mailbox(const char *text, const char *expected, bool valid)
{
    struct imap_lex l = lex(text);
    struct slice name;
    bool is;
    assert_true(imap_lex_mailbox(&l, &name, &is));
    assert_int_equal(is, valid);
    if (valid)
        assert_slice(name, slice_str(expected));
}

static void mailboxes(void **state)
{
    a_mailbox("INBOX", "INBOX", true);
    a_mailbox("\"\"", "", true);
    a_mailbox("\"a b\"", "a b", true);
    a_mailbox("Entw&APw-rfe", "Entw\xc3\xbcrfe", true);
    a_mailbox("{5}\r\na&-b\\", "a&b\\", true);
    a_mailbox("\"a&b\"", "", false);
    a_mailbox("\"a\xc3\xa4\"", "", false);
    a_mailbox("\"a\tb\"", "", false);
    struct imap_lex l = lex("a*");
    struct slice name;
    bool valid;
    assert_true(imap_lex_mailbox(&l, &name, &valid) && l.at == 1);
    l = lex("%");
    assert_false(imap_lex_mailbox(&l, &name, &valid));
    assert_true(imap_lex_pattern(&l, &name, &valid) && valid);
    l = lex("Entw&APw-%/*]");
    assert_true(imap_lex_pattern(&l, &name, &valid) && valid);
    assert_slice(name, S("Entw\xc3\xbc%/*]"));
    l = lex("(");
    assert_false(imap_lex_pattern(&l, &name, &valid));
}

static void dates(void **state)
{
    struct date d;
    struct imap_lex l = lex("2-Nov-2026)");
    assert_true(imap_lex_day(&l, &d) && d.day == 2 && d.month == 11 && d.year == 2026);
    assert_int_equal(imap_lex_peek(&l), ')');
    l = lex("\"02-nov-2026\"");
    assert_true(imap_lex_day(&l, &d) && imap_lex_end(&l));
    static const char *const bad[] = {"31-Feb-2026", "2-11-2026", "2-Nov-26", "\" 2-Nov-2026\"", "",
        "\"2-Nov-2026", "2 Nov 2026"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        l = lex(bad[i]);
        assert_false(imap_lex_day(&l, &d));
        assert_int_equal(l.at, 0);
    }
    l = lex("\" 2-Nov-2026 15:04:05 +0130\"");
    assert_true(imap_lex_date_time(&l, &d) && d.hour == 15 && d.zone == 90);
    l = lex("\"2-Nov-2026 15:04:05 +0130\"");
    assert_false(imap_lex_date_time(&l, &d));
    l = lex("{26}\r\n 2-Nov-2026 15:04:05 +0130");
    assert_false(imap_lex_date_time(&l, &d));
}

static void flags(void **state)
{
    struct imap_flag_list list;
    struct imap_lex l = lex("(\\Seen \\fLAGGED $Forwarded \\Recent $forwarded x)");
    assert_true(imap_lex_flags(&l, false, &list) && imap_lex_end(&l));
    assert_int_equal(list.flags, MAILBOX_SEEN | MAILBOX_FLAGGED);
    assert_int_equal(list.keyword_n, 2);
    assert_slice(list.keywords[0], S("$Forwarded"));
    assert_null(list.unknown.p);
    l = lex("()");
    assert_true(imap_lex_flags(&l, false, &list) && !list.flags && !list.keyword_n);
    l = lex("\\Draft \\Answered \\Deleted\r");
    assert_false(imap_lex_flags(&l, false, &list));
    assert_true(imap_lex_flags(&l, true, &list));
    assert_int_equal(list.flags, MAILBOX_DRAFT | MAILBOX_ANSWERED | MAILBOX_DELETED);
    l = lex("(\\Seen \\All \\Else)");
    assert_true(imap_lex_flags(&l, false, &list));
    assert_slice(list.unknown, S("\\All"));
    static const char *const bad[] = {"", "(", "( )", "(a", "(a )", "( a)", "(a  b)", "(\\)",
        "(\\*)", "(\\\\Seen)", "(\"a\")", "(a,b))x", ")", "a "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        l = lex(bad[i]);
        if (imap_lex_flags(&l, true, &list) && imap_lex_end(&l))
            fail_msg("'%s' is taken", bad[i]);
    }
}

static void the_most_keywords(void **state)
{
    struct buffer text;
    struct imap_flag_list list;
    buffer_init(&text, 4096);
    buffer_add(&text, S("(k"));
    for (unsigned i = 1; i < MAILBOX_KEYWORDS; i++)
        buffer_printf(&text, " k%u", i);
    buffer_add(&text, S(" K1)"));
    struct imap_lex l = imap_lex(buffer_slice(&text), &arena);
    assert_true(imap_lex_flags(&l, false, &list));
    assert_int_equal(list.keyword_n, MAILBOX_KEYWORDS);
    text.n--;
    buffer_add(&text, S(" another)"));
    l = imap_lex(buffer_slice(&text), &arena);
    assert_false(imap_lex_flags(&l, false, &list));
    assert_string_equal(l.why, "more than 64 keywords");
    buffer_finish(&text);
}

static void an_arena_that_is_full(void **state)
{
    struct arena none;
    struct slice s;
    bool valid;
    struct imap_flag_list list;
    arena_init(&none, 0);
    struct imap_lex l = imap_lex(S("\"a\\\"\""), &none);
    assert_false(imap_lex_string(&l, &s));
    assert_int_equal(l.at, 0);
    l = imap_lex(S("&AOQ-"), &none);
    assert_false(imap_lex_mailbox(&l, &s, &valid));
    assert_int_equal(l.at, 0);
    l = imap_lex(S("(a)"), &none);
    assert_false(imap_lex_flags(&l, false, &list));
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(words),
        WITH_ARENA(tags_and_atoms),
        WITH_ARENA(strings),
        WITH_ARENA(literals),
        WITH_ARENA(the_longest_literal),
        WITH_ARENA(nil),
        WITH_ARENA(numbers),
        WITH_ARENA(sets),
        WITH_ARENA(mailboxes),
        WITH_ARENA(dates),
        WITH_ARENA(flags),
        WITH_ARENA(the_most_keywords),
        WITH_ARENA(an_arena_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
