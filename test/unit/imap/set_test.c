#include "base/buffer.h"
#include "imap/set.h"
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

static bool parse(const char *text, struct imap_set *set)
{
    return imap_set_parse(slice_str(text), &arena, set);
}

/* "1:3,5" */
static void shown(const struct imap_set *set, const char *expected)
{
    struct buffer text;
    buffer_init(&text, 4096);
    for (uint32_t i = 0; i < set->n; i++)
        buffer_printf(&text, "%s%u:%u", i ? "," : "", set->ranges[i].first, set->ranges[i].last);
    assert_slice(buffer_slice(&text), slice_str(expected));
    buffer_finish(&text);
}

static void resolved(const char *text, uint32_t max, const char *expected)
{
    struct imap_set set;
    assert_true(parse(text, &set));
    imap_set_resolve(&set, max);
    shown(&set, expected);
    assert_false(set.star);
}

static void parses(void **state)
{
    struct imap_set set;
    assert_true(parse("4294967295", &set) && set.n == 1 && !set.star);
    shown(&set, "4294967295:4294967295");
    assert_true(parse("*:4,7,9:3", &set) && set.star);
    shown(&set, "0:4,3:9");
}

static void refuses(void **state)
{
    static const char *const bad[] = {"", "0", "01", "4294967296", "99999999999999999999999", "1,",
        ",1", "1,,2", ":", "1:", ":1", "1:2:3", "1:0", "a", "1 ", "-1", "+1", "1;2", "**", "*1",
        "$", "1:$"};
    struct imap_set set;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i], &set))
            fail_msg("'%s' is taken", bad[i]);
}

static void neighbours_merge(void **state)
{
    struct imap_set set;
    assert_true(parse("1,2,3,4:6,7,10,11,9,2:5", &set));
    shown(&set, "1:7,9:11,2:5");
    assert_true(parse("4294967295,1", &set) && set.n == 2);
}

/* "1,3,5,..." of n numbers */
static void odd_numbers(struct buffer *text, unsigned n)
{
    buffer_init(text, 1 << 20);
    for (unsigned i = 0; i < n; i++)
        buffer_printf(text, "%s%u", i ? "," : "", 2 * i + 1);
}

static void the_limit(void **state)
{
    struct buffer text;
    struct imap_set set;
    odd_numbers(&text, IMAP_SET_MAX);
    assert_true(imap_set_parse(buffer_slice(&text), &arena, &set));
    assert_int_equal(set.n, IMAP_SET_MAX);
    buffer_add(&text, S(",20000"));
    assert_true(imap_set_parse(buffer_slice(&text), &arena, &set));
    buffer_finish(&text);
    odd_numbers(&text, IMAP_SET_MAX + 1);
    assert_false(imap_set_parse(buffer_slice(&text), &arena, &set));
    buffer_finish(&text);
}

static void an_arena_that_is_full(void **state)
{
    struct arena small;
    struct imap_set set;
    arena_init(&small, 8 * sizeof(struct imap_range));
    assert_true(imap_set_parse(S("1,3,5,7,9,11,13,15"), &small, &set));
    assert_false(imap_set_parse(S("1,3,5,7,9,11,13,15,17"), &small, &set));
    arena_reset(&small);
}

static void resolves(void **state)
{
    resolved("559:*", 500, "500:559");
    resolved("*", 7, "7:7");
    resolved("*:*", 7, "7:7");
    resolved("3:*", 7, "3:7");
    resolved("*:3", 7, "3:7");
    resolved("9,1:2,3,8", 20, "1:3,8:9");
    resolved("5:1", 20, "1:5");
    resolved("1:4294967295,7,*", 3, "1:4294967295");
    resolved("2:*,1", 4294967295, "1:4294967295");
}

static void of_an_empty_mailbox(void **state)
{
    resolved("*", 0, "");
    resolved("*,1:*", 0, "");
    resolved("4,*", 0, "4:4");
}

static void looks_up(void **state)
{
    struct imap_set set;
    assert_true(parse("10:12,1,5:6", &set));
    imap_set_resolve(&set, 100);
    assert_int_equal(imap_set_last(&set), 12);
    unsigned found = 0;
    for (uint32_t i = 0; i < 20; i++)
        found += imap_set_has(&set, i);
    assert_int_equal(found, 6);
    assert_true(imap_set_has(&set, 1) && imap_set_has(&set, 5) && imap_set_has(&set, 6));
    assert_true(imap_set_has(&set, 10) && imap_set_has(&set, 12));
    struct imap_set empty = {0};
    assert_false(imap_set_has(&empty, 1));
    assert_int_equal(imap_set_last(&empty), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parses, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(an_arena_that_is_full, setup, teardown),
        cmocka_unit_test_setup_teardown(resolves, setup, teardown),
        cmocka_unit_test_setup_teardown(of_an_empty_mailbox, setup, teardown),
        cmocka_unit_test_setup_teardown(looks_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
