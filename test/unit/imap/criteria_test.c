#include "base/buffer.h"
#include "imap/criteria.h"
#include "mailbox/mailbox.h"
#include "unit/unit.h"

static struct arena arena;
static struct imap_criteria c;
static const char *why;

static int setup(void **state)
{
    arena_init(&arena, 8 << 20);
    return 0;
}

static int teardown(void **state)
{
    arena_reset(&arena);
    return 0;
}

static bool parse_slice(struct slice text)
{
    struct imap_lex l = imap_lex(text, &arena);
    bool taken = imap_criteria_parse(&l, &c);
    why = l.why;
    assert_true(taken || why);
    return taken;
}

static bool parse(const char *text)
{
    return parse_slice(slice_str(text));
}

/* Writes a node and what is below it: depth first, by recursion in the test only. */
static void show_node(struct buffer *to, uint32_t index)
{
    static const char *const names[] = {"ALL", "AND", "OR", "NOT", "FLAG", "RECENT", "NEW",
        "KEYWORD", "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "LARGER",
        "SMALLER", "SEQ", "UID", "MODSEQ", "HEADER", "BODY", "TEXT"};
    const struct imap_node *n = &c.nodes[index];
    assert_true(index < c.n);
    buffer_add(to, slice_str(names[n->key]));
    if (n->key == IMAP_KEY_FLAG)
        buffer_printf(to, "%u", n->flag);
    if (n->key >= IMAP_KEY_BEFORE && n->key <= IMAP_KEY_SENT_SINCE)
        buffer_printf(to, "%d", (int)n->day);
    if (n->key == IMAP_KEY_LARGER || n->key == IMAP_KEY_SMALLER || n->key == IMAP_KEY_MODSEQ)
        buffer_add_u64(to, n->number);
    if (n->set.n)
        buffer_printf(to, "%u:%u", n->set.ranges[0].first, n->set.ranges[0].last);
    if (n->name.p)
        buffer_printf(to, "<" SLICE_FMT ">", SLICE_ARG(n->name));
    if (n->text.p)
        buffer_printf(to, "<" SLICE_FMT ">", SLICE_ARG(n->text));
    if (n->child == IMAP_NODE_NONE)
        return;
    buffer_add_char(to, '(');
    for (uint32_t i = n->child; i != IMAP_NODE_NONE; i = c.nodes[i].next) {
        assert_true(i > index);
        if (i != n->child)
            buffer_add_char(to, ' ');
        show_node(to, i);
    }
    buffer_add_char(to, ')');
}

static void shows(const char *text, const char *expected)
{
    struct buffer b;
    if (!parse(text))
        fail_msg("'%s': %s", text, why);
    buffer_init(&b, 1 << 16);
    show_node(&b, 0);
    assert_slice(buffer_slice(&b), slice_str(expected));
    buffer_finish(&b);
}

static void every_key(void **state)
{
    shows(" ALL", "AND(ALL)");
    shows(" answered Deleted DRAFT FLAGGED SEEN", "AND(FLAG2 FLAG8 FLAG16 FLAG4 FLAG1)");
    shows(" UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN",
        "AND(NOT(FLAG2) NOT(FLAG8) NOT(FLAG16) NOT(FLAG4) NOT(FLAG1))");
    shows(" NEW OLD RECENT", "AND(NEW NOT(RECENT) RECENT)");
    shows(" BCC a CC b FROM c SUBJECT d TO e",
        "AND(HEADER<BCC><a> HEADER<CC><b> HEADER<FROM><c> HEADER<SUBJECT><d> HEADER<TO><e>)");
    shows(" HEADER X-Y \"\" BODY \"a b\" TEXT {2}\r\nxy", "AND(HEADER<X-Y><> BODY<a b> TEXT<xy>)");
    shows(" BEFORE 2-Jan-1970 ON \"1-Jan-1970\" SINCE 31-Dec-1969", "AND(BEFORE1 ON0 SINCE-1)");
    shows(" SENTBEFORE 2-Jan-1970 SENTON 1-Jan-1970 SENTSINCE 3-Jan-1970",
        "AND(SENTBEFORE1 SENTON0 SENTSINCE2)");
    shows(" LARGER 10 SMALLER 9223372036854775807", "AND(LARGER10 SMALLER9223372036854775807)");
    shows(" KEYWORD $x UNKEYWORD y", "AND(KEYWORD<$x> NOT(KEYWORD<y>))");
    shows(" 1:3 UID 7:* *", "AND(SEQ1:3 UID7:0 SEQ0:0)");
    shows(" MODSEQ 0 MODSEQ \"/flags/\\\\draft\" all 620162338", "AND(MODSEQ0 MODSEQ620162338)");
    assert_true(c.modseq);
    shows(" ALL", "AND(ALL)");
    assert_false(c.modseq || c.extended || c.bad_charset);
}

static void nesting(void **state)
{
    shows(" OR SEEN DRAFT ALL", "AND(OR(FLAG1 FLAG16) ALL)");
    shows(" OR SEEN OR DRAFT OR 1 2 3", "AND(OR(FLAG1 FLAG16 SEQ1:1 SEQ2:2) SEQ3:3)");
    shows(" OR OR 1 2 OR 3 4", "AND(OR(OR(SEQ1:1 SEQ2:2) SEQ3:3 SEQ4:4))");
    shows(" OR (1 2) NOT (OR 3 UNSEEN 4)",
        "AND(OR(AND(SEQ1:1 SEQ2:2) NOT(AND(OR(SEQ3:3 NOT(FLAG1)) SEQ4:4))))");
    shows(" NOT NOT 1 2", "AND(NOT(NOT(SEQ1:1)) SEQ2:2)");
    shows(" (1) ((2 3) 4)", "AND(AND(SEQ1:1) AND(AND(SEQ2:2 SEQ3:3) SEQ4:4))");
}

static void returns(void **state)
{
    assert_true(parse(" RETURN (MIN max COUNT) ALL") && c.extended);
    assert_int_equal(c.returns, IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_COUNT);
    assert_true(parse(" RETURN () CHARSET UTF-8 ALL"));
    assert_int_equal(c.returns, IMAP_RETURN_ALL);
    assert_false(parse(" RETURN (SAVE) ALL"));
    assert_false(parse(" RETURN (MIN ALL"));
    assert_false(parse(" RETURN MIN ALL"));
    assert_false(parse(" RETURN (ALL)"));
    assert_false(parse(" CHARSET UTF-8 RETURN () ALL"));
}

static void charsets(void **state)
{
    shows(" CHARSET ISO-8859-1 TEXT {1}\r\n\xe4", "AND(TEXT<\xc3\xa4>)");
    shows(" charset utf-8 SUBJECT \"\xc3\xa4\"", "AND(HEADER<SUBJECT><\xc3\xa4>)");
    shows(" TEXT \"\xc3\xa4\"", "AND(TEXT<\xc3\xa4>)");
    assert_false(parse(" TEXT {1}\r\n\xe4"));
    assert_true(parse(" CHARSET KOI-99 TEXT {1}\r\n\xe4") && c.bad_charset);
    assert_false(parse(" CHARSET KOI-99 TEXT"));
}

static void refuses(void **state)
{
    static const char *const bad[] = {"", " ", "ALL", "  ALL", " ALL ", " ALL  ALL", " ()", " (ALL",
        " ALL)", " (ALL ) ", " ( ALL)", " NOT", " NOT ", " OR 1", " OR 1 ", " OR (1 2)", " OTHER",
        " SEENX", " FROM", " FROM (a)", " HEADER a", " BEFORE", " BEFORE 1-1-2026", " LARGER",
        " LARGER x", " LARGER 9223372036854775808", " KEYWORD", " KEYWORD \\Seen", " KEYWORD \"x\"",
        " UID", " UID ALL", " UID 0", " 0", " 1:", " 4294967296", " MODSEQ", " MODSEQ x",
        " MODSEQ 9223372036854775808", " MODSEQ \"/flags/\" all 1", " MODSEQ \"/x/y\" all 1",
        " MODSEQ \"/flags/x\" any 1", " MODSEQ \"/flags/x\" 1", " \"ALL\"", " CHARSET",
        " CHARSET x", " CHARSET UTF-8", " CHARSET UTF-8 ", " (1)(2)", " 1(2)", " NOT NOT",
        " \\Seen", " 1 NOT)"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i]))
            fail_msg("'%s' is taken", bad[i]);
}

/* n times before, the middle, n times behind */
static bool nested(const char *before, const char *middle, const char *behind, unsigned n)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    buffer_add_char(&text, ' ');
    for (unsigned i = 0; i < n; i++)
        buffer_add(&text, slice_str(before));
    buffer_add(&text, slice_str(middle));
    for (unsigned i = 0; i < n; i++)
        buffer_add(&text, slice_str(behind));
    bool taken = parse_slice(buffer_slice(&text));
    buffer_finish(&text);
    return taken;
}

static void limits(void **state)
{
    assert_true(nested("(", "ALL", ")", IMAP_DEPTH_MAX));
    assert_false(nested("(", "ALL", ")", IMAP_DEPTH_MAX + 1));
    assert_string_equal(why, "parentheses are more than 100 deep");
    assert_true(nested("(NOT ", "ALL", ")", IMAP_DEPTH_MAX));
    /* the root is one of the 1,000 */
    assert_true(nested("ALL ", "ALL", "", IMAP_NODES_MAX - 2));
    assert_int_equal(c.n, IMAP_NODES_MAX);
    assert_false(nested("ALL ", "ALL", "", IMAP_NODES_MAX - 1));
    assert_string_equal(why, "more than 1,000 search keys");
    assert_true(nested("NOT ", "ALL", "", IMAP_NODES_MAX - 2));
    assert_false(nested("NOT ", "ALL", "", IMAP_NODES_MAX - 1));
    /* a row of ORs to the right is one node, to the left it is one each */
    assert_true(nested("OR ALL ", "ALL", "", IMAP_NODES_MAX - 3));
    assert_false(nested("OR ALL ", "ALL", "", IMAP_NODES_MAX - 2));
    assert_true(nested("OR ", "ALL", " ALL", 499));
    assert_false(nested("OR ", "ALL", " ALL", 500));
    assert_false(nested("UNSEEN ", "ALL", "", IMAP_NODES_MAX / 2));
}

static void an_arena_that_is_full(void **state)
{
    struct arena small;
    arena_init(&small, 3000);
    struct imap_lex l =
        imap_lex(S(" ALL ALL ALL ALL ALL ALL ALL ALL ALL ALL ALL ALL ALL ALL ALL ALL"
                   " ALL ALL"),
            &small);
    assert_false(imap_criteria_parse(&l, &c));
    assert_string_equal(l.why, "the command is too large");
    arena_reset(&small);
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(every_key),
        WITH_ARENA(nesting),
        WITH_ARENA(returns),
        WITH_ARENA(charsets),
        WITH_ARENA(refuses),
        WITH_ARENA(limits),
        WITH_ARENA(an_arena_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
