#include "base/utf8.h"
#include "imap/needles.h"
#include "unit/unit.h"

static struct arena arena;
static struct needles needles;

static int setup(void **state)
{
    arena_init(&arena, 4 << 20);
    assert_true(needles_init(&needles, 8, &arena));
    return 0;
}

static int teardown(void **state)
{
    needles_finish(&needles);
    arena_reset(&arena);
    return 0;
}

static void folds(const char *text, const char *expected)
{
    struct buffer b;
    buffer_init(&b, 4096);
    assert_true(needles_fold(slice_str(text), &b));
    assert_slice(buffer_slice(&b), slice_str(expected));
    buffer_finish(&b);
}

static void folding(void **state)
{
    folds("", "");
    folds("abcXYZ019{|", "ABCXYZ019{|");
    folds("\xc3\xa4", "A\xcc\x88");             /* ä: A and two dots */
    folds("a\xcc\x88", "A\xcc\x88");            /* the same, written in two */
    folds("\xc3\x84", "A\xcc\x88");             /* Ä */
    folds("\xef\xac\x81", "fi");                /* the ligature decomposes: RFC 5051 §2 step 2 */
    folds("\xd0\xb6", "\xd0\x96");              /* Cyrillic */
    folds("\xe1\xba\xad", "A\xcc\xa3\xcc\x82"); /* decomposes twice */
    folds("\xff", "\xef\xbf\xbd");
}

static uint32_t add(const char *text, uint8_t where)
{
    uint32_t index;
    assert_true(needles_add(&needles, slice_str(text), where, &arena, &index));
    return index;
}

/* Found in the text, in pieces of n bytes of ASCII? */
static bool found(const char *needle, const char *text, size_t n)
{
    uint32_t i = add(needle, NEEDLES_BODY);
    struct slice rest = slice_str(text);
    needles_begin(&needles, NEEDLES_BODY);
    while (rest.n) {
        assert_true(needles_feed(&needles, slice_sub(rest, 0, n)));
        rest = slice_from(rest, n);
    }
    needles_end(&needles);
    return needles.list[i].found;
}

static void pieces(void **state)
{
    assert_true(found("lo wO", "Hello World", 1));
    assert_true(found("Hello World", "hello world", 3));
    assert_false(found("Hello World", "hello worl", 3));
    assert_true(found("", "anything", 2));
    assert_true(found("", "", 2));
    assert_true(found("d", "hello world", 100));
}

/* A text ends where it ends: what begins in one is not found to end in the next. */
static void texts_are_apart(void **state)
{
    uint32_t i = add("ab", NEEDLES_BODY), k = add("b", NEEDLES_HEADER);
    for (unsigned n = 0; n < 2; n++) {
        needles_begin(&needles, NEEDLES_BODY);
        assert_true(needles_feed(&needles, n ? S("b") : S("a")));
        needles_end(&needles);
    }
    assert_false(needles.list[i].found || needles.list[k].found);
    assert_true(needles_wanted(&needles, NEEDLES_HEADER) && needles_wanted(&needles, NEEDLES_BODY));
    needles_begin(&needles, NEEDLES_HEADER);
    assert_true(needles_feed(&needles, S("ab")));
    needles_end(&needles);
    assert_true(!needles.list[i].found && needles.list[k].found);
    assert_false(needles_wanted(&needles, NEEDLES_HEADER));
    needles_reset(&needles);
    assert_true(needles_wanted(&needles, NEEDLES_HEADER));
}

/* Across every border of the window, with bytes that grow when folded before it. */
static void across_windows(void **state)
{
    enum { AROUND = 200, SIZE = 300000 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    uint32_t i = add("needle \xc3\xa4", NEEDLES_BODY);
    for (size_t border = 65536 - AROUND; border < 65536 + AROUND; border++) {
        memset(text, 'x', SIZE);
        memcpy(text + border, "nEEdle \xc3\x84", 9);
        needles_reset(&needles);
        needles_begin(&needles, NEEDLES_BODY);
        assert_true(needles_feed(&needles, slice(text, SIZE / 2)));
        needles_end(&needles);
        if (!needles.list[i].found)
            fail_msg("not found at %zu", border);
    }
    free(text);
}

/* What folds to eleven bytes for one. */
static void the_worst_growth(void **state)
{
    enum { TIMES = 50000 };
    struct buffer b;
    buffer_init(&b, TIMES * 3 + 1);
    uint32_t i = add("\xef\xb7\xba", NEEDLES_BODY), k = add("z", NEEDLES_BODY);
    for (unsigned n = 0; n < TIMES; n++)
        buffer_add(&b, S("\xef\xb7\xba"));
    needles_begin(&needles, NEEDLES_BODY);
    assert_true(needles_feed(&needles, buffer_slice(&b)));
    needles_end(&needles);
    assert_true(needles.list[i].found && !needles.list[k].found);
    assert_true(needles.list[i].text.n <= 3 * NEEDLES_GROWTH);
    buffer_finish(&b);
}

static void limits(void **state)
{
    uint32_t i;
    for (unsigned n = 0; n < 8; n++)
        add("x", NEEDLES_BODY);
    assert_false(needles_add(&needles, S("x"), NEEDLES_BODY, &arena, &i));
}

#define WITH_NEEDLES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_NEEDLES(folding),
        WITH_NEEDLES(pieces),
        WITH_NEEDLES(texts_are_apart),
        WITH_NEEDLES(across_windows),
        WITH_NEEDLES(the_worst_growth),
        WITH_NEEDLES(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
