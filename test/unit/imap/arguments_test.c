#include "base/buffer.h"
#include "imap/arguments.h"
#include "mailbox/mailbox.h"
#include "unit/unit.h"

static struct arena arena;
static struct imap_lex l;

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

static struct imap_lex *lex(const char *text)
{
    l = imap_lex(slice_str(text), &arena);
    return &l;
}

#define REFUSES(parse, argument, ...)                                                              \
    do {                                                                                           \
        static const char *const bad_[] = {__VA_ARGS__};                                           \
        for (size_t i_ = 0; i_ < sizeof bad_ / sizeof *bad_; i_++) {                               \
            if (parse(lex(bad_[i_]), argument))                                                    \
                fail_msg("'%s' is taken", bad_[i_]);                                               \
            assert_non_null(l.why);                                                                \
        }                                                                                          \
    } while (0)

static void selects(void **state)
{
    struct imap_select_arguments a;
    assert_true(imap_arguments_select(lex(" INBOX"), &a) && a.valid && !a.condstore);
    assert_true(imap_arguments_select(lex(" \"a&b\" (CONDSTORE)"), &a) && !a.valid && a.condstore);
    assert_true(imap_arguments_select(lex(" x (QRESYNC (67890007 20050715194045000))"), &a));
    assert_true(a.qresync && !a.has_known && !a.has_match && a.uidvalidity == 67890007);
    assert_true(a.modseq == UINT64_C(20050715194045000));
    assert_true(imap_arguments_select(lex(" x (QRESYNC (1 2 41,43:211,214:541) CONDSTORE)"), &a));
    assert_true(a.has_known && a.known.n == 3 && !a.has_match && a.condstore);
    assert_true(imap_arguments_select(lex(" x (QRESYNC (1 2 3:4 (1,2 3,4)))"), &a));
    assert_true(a.has_known && a.has_match && a.match_uids.n == 1);
    assert_true(imap_arguments_select(lex(" x (QRESYNC (1 2 (1,2 3,4)))"), &a));
    assert_true(!a.has_known && a.has_match);
    REFUSES(imap_arguments_select, &a, "", " ", "x", " x ", " x y", " x ()", " x (OTHER)",
        " x (QRESYNC)", " x (QRESYNC (1))", " x (QRESYNC (0 1))", " x (QRESYNC (1 0))",
        " x (QRESYNC (1 2 3:*))", " x (QRESYNC (1 2 3 (1 *)))", " x (QRESYNC (1 2 3 (1)))",
        " x (QRESYNC (1 2 3 4))", " x (QRESYNC (1 2 3:4) QRESYNC (1 2))",
        " x (QRESYNC (4294967296 1))", " x (QRESYNC (1 9223372036854775808))", " x (CONDSTORE) y");
}

static void statuses(void **state)
{
    struct imap_status_arguments a;
    assert_true(imap_arguments_status(lex(" INBOX (MESSAGES recent UIDNEXT UIDVALIDITY UNSEEN "
                                          "HIGHESTMODSEQ SIZE APPENDLIMIT)"),
        &a));
    assert_int_equal(a.items, 255);
    REFUSES(imap_arguments_status, &a, " INBOX", " INBOX ()", " INBOX (OTHER)", " INBOX MESSAGES",
        " INBOX (MESSAGES", " INBOX (MESSAGES) x", " INBOX (MESSAGES  UIDNEXT)");
}

static void names(void **state)
{
    struct slice name;
    bool valid;
    assert_true(imap_arguments_mailbox(lex(" \"a b\""), &name, &valid) && valid);
    assert_slice(name, S("a b"));
    assert_false(imap_arguments_mailbox(lex(" a b"), &name, &valid));
    struct imap_rename_arguments r;
    assert_true(imap_arguments_rename(lex(" a \"b&\""), &r) && r.from_valid && !r.to_valid);
    REFUSES(imap_arguments_rename, &r, " a", " a b c", "a b");
    struct imap_copy_arguments c;
    assert_true(imap_arguments_copy(lex(" 1:* \"Sent\""), &c) && c.set.star);
    REFUSES(imap_arguments_copy, &c, " 1:*", " x Sent", " 1 a b");
}

static void creates(void **state)
{
    struct imap_create_arguments a;
    assert_true(imap_arguments_create(lex(" a/b/"), &a) && !a.uses);
    assert_true(imap_arguments_create(lex(" a (USE (\\Sent \\junk))"), &a) && !a.unknown_use);
    assert_int_equal(a.uses, 1U << MAILBOX_SENT | 1U << MAILBOX_JUNK);
    assert_true(imap_arguments_create(lex(" a (USE (\\All))"), &a) && a.unknown_use);
    assert_true(imap_arguments_create(lex(" a (USE ())"), &a) && !a.uses && !a.unknown_use);
    REFUSES(imap_arguments_create, &a, " a ()", " a (USE)", " a (USE (Sent))", " a (OTHER (x))",
        " a (USE (\\Sent)) x", " a (USE (\\Sent)");
}

static void lists(void **state)
{
    struct imap_list_arguments a;
    assert_true(imap_arguments_list(lex(" \"\" *"), &a) && !a.options && a.pattern_n == 1);
    assert_true(imap_arguments_list(lex(" () \"\" %"), &a));
    assert_int_equal(a.options, IMAP_LIST_EXTENDED);
    assert_true(
        imap_arguments_list(lex(" (SUBSCRIBED REMOTE recursivematch SPECIAL-USE SUBSCRIBED) "
                                "ref (a% \"b *\" \"a&b\") RETURN (SUBSCRIBED CHILDREN "
                                "SPECIAL-USE STATUS (MESSAGES UNSEEN))"),
            &a));
    assert_int_equal(a.options, 511);
    assert_int_equal(a.status, IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN);
    assert_int_equal(a.pattern_n, 3);
    assert_slice(a.reference, S("ref"));
    assert_slice(a.patterns[1], S("b *"));
    assert_true(a.valid[1] && !a.valid[2] && a.reference_valid);
    assert_true(imap_arguments_list(lex(" \"\" \"\" RETURN ()"), &a));
    assert_int_equal(a.options, IMAP_LIST_EXTENDED);
    REFUSES(imap_arguments_list, &a, "", " \"\"", " \"\" ()", " \"\" (a",
        " (RECURSIVEMATCH) \"\" *", " (REMOTE RECURSIVEMATCH) \"\" *", " (OTHER) \"\" *",
        " (SUBSCRIBED \"\" *", " \"\" * RETURN", " \"\" * RETURN (OTHER)",
        " \"\" * RETURN (STATUS)", " \"\" * RETURN (STATUS ())", " \"\" * (CHILDREN)", " \"\" * *",
        " \"\" * RETURN () x");
    assert_true(imap_arguments_lsub(lex(" \"\" %"), &a) && !a.options);
    REFUSES(imap_arguments_lsub, &a, " \"\" (%)", " (SUBSCRIBED) \"\" *", " \"\" * RETURN ()");
}

static void the_most_patterns(void **state)
{
    struct imap_list_arguments a;
    for (unsigned n = IMAP_PATTERNS_MAX; n <= IMAP_PATTERNS_MAX + 1; n++) {
        struct buffer text;
        buffer_init(&text, 1024);
        buffer_add(&text, S(" \"\" (a"));
        for (unsigned i = 1; i < n; i++)
            buffer_add(&text, S(" a"));
        buffer_add_char(&text, ')');
        l = imap_lex(buffer_slice(&text), &arena);
        assert_int_equal(imap_arguments_list(&l, &a), n == IMAP_PATTERNS_MAX);
        buffer_finish(&text);
    }
    assert_string_equal(l.why, "more than 64 patterns in one LIST");
}

static void stores(void **state)
{
    struct imap_store_arguments a;
    assert_true(imap_arguments_store(lex(" 1:3 +FLAGS (\\Deleted)"), &a));
    assert_true(a.how == IMAP_STORE_ADD && !a.silent && a.list.flags == MAILBOX_DELETED);
    assert_true(imap_arguments_store(lex(" * -flags.silent \\Seen $x"), &a));
    assert_true(a.how == IMAP_STORE_REMOVE && a.silent && a.set.star && a.list.keyword_n == 1);
    assert_true(imap_arguments_store(lex(" 1 (UNCHANGEDSINCE 0) FLAGS ()"), &a));
    assert_true(a.conditional && !a.unchanged_since && a.how == IMAP_STORE_REPLACE);
    REFUSES(imap_arguments_store, &a, " 1 FLAGS", " 1 FLAGS ", " FLAGS (x)", " 1 *FLAGS (x)",
        " 1 + FLAGS (x)", " 1 FLAGS.LOUD (x)", " 1 (OTHER 1) FLAGS (x)", " 1 () FLAGS (x)",
        " 1 (UNCHANGEDSINCE x) FLAGS (x)", " 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS (x)",
        " 0 FLAGS (x)", " 1 FLAGS (x) y", " 1 FLAGSX (x)");
}

static void appends(void **state)
{
    struct imap_append_arguments a;
    assert_true(imap_arguments_append(lex(" INBOX "), &a) && !a.has_date);
    assert_true(imap_arguments_append(lex(" INBOX (\\Seen) \" 2-Nov-2026 15:04:05 +0000\" "), &a));
    assert_true(a.has_date && a.list.flags == MAILBOX_SEEN);
    assert_true(imap_arguments_append(lex(" {3}\r\na b () "), &a));
    assert_slice(a.name, S("a b"));
    REFUSES(imap_arguments_append, &a, " INBOX", "", " INBOX (\\Seen)", " INBOX  ",
        " INBOX \"2-Nov-2026\" ", " INBOX \\Seen ", " INBOX \" 2-Nov-2026 15:04:05 +0000\" () ");
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(selects),
        WITH_ARENA(statuses),
        WITH_ARENA(names),
        WITH_ARENA(creates),
        WITH_ARENA(lists),
        WITH_ARENA(the_most_patterns),
        WITH_ARENA(stores),
        WITH_ARENA(appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
