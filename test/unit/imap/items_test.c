#include "base/buffer.h"
#include "imap/items.h"
#include "unit/unit.h"

static struct arena arena;
static struct imap_items items;

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

static bool parse(const char *text)
{
    struct imap_lex l = imap_lex(slice_str(text), &arena);
    bool taken = imap_items_parse(&l, &items);
    assert_true(taken || l.why);
    return taken;
}

static void macros(void **state)
{
    assert_true(parse(" ALL"));
    assert_int_equal(items.items,
        IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE | IMAP_ITEM_ENVELOPE);
    assert_true(parse(" fast"));
    assert_int_equal(items.items, IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE);
    assert_true(parse(" Full (CHANGEDSINCE 5)"));
    assert_true(items.items & IMAP_ITEM_BODY && items.since && items.changed_since == 5);
    assert_false(parse(" (ALL)"));
    assert_false(parse(" ALL FLAGS"));
}

static void plain_items(void **state)
{
    assert_true(parse(" (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY MODSEQ)"));
    assert_int_equal(items.items, 255);
    assert_int_equal(items.section_n, 0);
    assert_true(parse(" uid"));
    assert_int_equal(items.items, IMAP_ITEM_UID);
}

static void section(const char *text, enum imap_section_kind kind, bool peek, const char *label)
{
    assert_true(parse(text));
    assert_int_equal(items.section_n, 1);
    assert_int_equal(items.sections[0].kind, kind);
    assert_int_equal(items.sections[0].peek, peek);
    assert_slice(items.sections[0].label, slice_str(label));
}

static void sections(void **state)
{
    section(" BODY[]", IMAP_SECTION_ALL, false, "BODY[]");
    section(" body.peek[]", IMAP_SECTION_ALL, true, "BODY[]");
    section(" BODY[Text]", IMAP_SECTION_TEXT, false, "BODY[TEXT]");
    section(" BODY.PEEK[1.2.mime]", IMAP_SECTION_MIME, true, "BODY[1.2.MIME]");
    assert_int_equal(items.sections[0].path_n, 2);
    assert_int_equal(items.sections[0].path[1], 2);
    section(" BODY[1]", IMAP_SECTION_ALL, false, "BODY[1]");
    section(" BODY[4294967295.HEADER]", IMAP_SECTION_HEADER, false, "BODY[4294967295.HEADER]");
    section(" BODY[HEADER.FIELDS (From \"a b\" {1}\r\n\xe4)]", IMAP_SECTION_FIELDS, false,
        "BODY[HEADER.FIELDS (From \"a b\" {1}\r\n\xe4)]");
    assert_int_equal(items.sections[0].field_n, 3);
    assert_slice(items.sections[0].fields[1], S("a b"));
    section(" BODY[2.HEADER.FIELDS.NOT (To)]", IMAP_SECTION_FIELDS_NOT, false,
        "BODY[2.HEADER.FIELDS.NOT (To)]");
    section(" RFC822", IMAP_SECTION_ALL, false, "RFC822");
    section(" RFC822.HEADER", IMAP_SECTION_HEADER, true, "RFC822.HEADER");
    section(" rfc822.text", IMAP_SECTION_TEXT, false, "RFC822.TEXT");
    assert_true(parse(" (BODY[1] BODY[2] BODY[3] BODY[4] UID BODY[5] BODY BODY[6])"));
    assert_int_equal(items.section_n, 6);
    assert_slice(items.sections[0].label, S("BODY[1]"));
    assert_slice(items.sections[5].label, S("BODY[6]"));
}

static void partials(void **state)
{
    section(" BODY[]<0.1>", IMAP_SECTION_ALL, false, "BODY[]<0>");
    assert_true(items.sections[0].partial && items.sections[0].length == 1);
    section(" BODY[]<4294967295.4294967295>", IMAP_SECTION_ALL, false, "BODY[]<4294967295>");
    static const char *const bad[] = {" BODY[]<0.0>", " BODY[]<0>", " BODY[]<.1>", " BODY[]<0.>",
        " BODY[]<4294967296.1>", " BODY[]<0.4294967296>", " BODY[]<-1.1>", " BODY[]<0.1",
        " RFC822<0.1>", " BODY[]<0.1>x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i]))
            fail_msg("'%s' is taken", bad[i]);
}

static void modifiers(void **state)
{
    assert_true(parse(" (FLAGS) (CHANGEDSINCE 9223372036854775807 VANISHED)"));
    assert_true(items.since && items.vanished && items.changed_since == INT64_MAX);
    assert_false(parse(" FLAGS (CHANGEDSINCE 9223372036854775808)"));
    assert_false(parse(" FLAGS (VANISHED)"));
    assert_false(parse(" FLAGS (CHANGEDSINCE)"));
    assert_false(parse(" FLAGS ()"));
    assert_false(parse(" FLAGS (OTHER 1)"));
    assert_false(parse(" FLAGS (CHANGEDSINCE 1"));
}

static void refuses(void **state)
{
    static const char *const bad[] = {"", " ", "FLAGS", "  FLAGS", " ()", " (FLAGS", " (FLAGS )",
        " ( FLAGS)", " (FLAGS  UID)", " FLAGS UID", " FLAGSX", " FLAGS]", " BODY[", " BODY[1",
        " BODY[0]", " BODY[01]", " BODY[1.]", " BODY[1..2]", " BODY[.1]", " BODY[1.2.]",
        " BODY[MIME]", " BODY[TEXT.1]", " BODY[1TEXT]", " BODY[4294967296]", " BODY[HEADER.FIELDS]",
        " BODY[HEADER.FIELDS ()]", " BODY[HEADER.FIELDS (a]", " BODY[HEADER (a)]", " BODY[OTHER]",
        " BODY.PEEK", " ENVELOPE[]", " RFC822.OTHER", " BINARY[1]", " ((FLAGS))", " \"FLAGS\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i]))
            fail_msg("'%s' is taken", bad[i]);
}

/* prefix, n times item with commas or so between, suffix */
static bool repeated(
    const char *prefix, const char *item, const char *between, const char *suffix, unsigned n)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    buffer_add(&text, slice_str(prefix));
    for (unsigned i = 0; i < n; i++) {
        buffer_add(&text, slice_str(i ? between : ""));
        buffer_add(&text, slice_str(item));
    }
    buffer_add(&text, slice_str(suffix));
    struct imap_lex l = imap_lex(buffer_slice(&text), &arena);
    bool taken = imap_items_parse(&l, &items);
    buffer_finish(&text);
    return taken;
}

static void limits(void **state)
{
    assert_true(repeated(" BODY[", "1", ".", "]", IMAP_PATH_MAX));
    assert_false(repeated(" BODY[", "1", ".", "]", IMAP_PATH_MAX + 1));
    assert_true(repeated(" (", "BODY[]", " ", ")", IMAP_SECTIONS_MAX));
    assert_int_equal(items.section_n, IMAP_SECTIONS_MAX);
    assert_false(repeated(" (", "BODY[]", " ", ")", IMAP_SECTIONS_MAX + 1));
    assert_true(repeated(" BODY[HEADER.FIELDS (", "a", " ", ")]", 1000));
    assert_false(repeated(" BODY[HEADER.FIELDS (", "a", " ", ")]", 1001));
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(macros),
        WITH_ARENA(plain_items),
        WITH_ARENA(sections),
        WITH_ARENA(partials),
        WITH_ARENA(modifiers),
        WITH_ARENA(refuses),
        WITH_ARENA(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
