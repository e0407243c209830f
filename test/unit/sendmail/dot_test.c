#include "base/buffer.h"
#include "sendmail/dot.h"
#include "unit/unit.h"

static bool add(void *arg, struct slice piece)
{
    return buffer_add(arg, piece);
}

/* In pieces of every length: always the same. */
static void check(const char *in, const char *wanted, bool ended)
{
    struct slice all = slice_str(in);
    for (size_t piece = 1; piece <= all.n; piece++) {
        struct sendmail_dot d = {0};
        struct buffer out;
        buffer_init(&out, 1000);
        for (size_t at = 0; at < all.n; at += piece)
            assert_true(sendmail_dot_feed(&d, slice_sub(all, at, piece), add, &out));
        assert_slice(buffer_slice(&out), slice_str(wanted));
        assert_int_equal(d.ended, ended);
        buffer_finish(&out);
    }
}

static void a_dot_alone_ends(void **state)
{
    check("a\n.\nb\n", "a\n", true);
    check("a\r\n.\r\nb\r\n", "a\r\n", true);
    check(".\nb", "", true);
    check("a\n.", "a\n", false); /* the end of input ends it */
    check("a\n.\r", "a\n", false);
}

static void other_dots_stay(void **state)
{
    check("a\n..\n. \n.b\n.\rb\nc.\n", "a\n..\n. \n.b\n.\rb\nc.\n", false);
    check("..", "..", false);
    check("a.\n\n.x\n.\n", "a.\n\n.x\n", true);
}

static bool refuse(void *arg, struct slice piece)
{
    return false;
}

static void a_writer_may_refuse(void **state)
{
    struct sendmail_dot d = {0};
    assert_false(sendmail_dot_feed(&d, S("a"), refuse, NULL));
    d = (struct sendmail_dot){0};
    assert_false(sendmail_dot_feed(&d, S(".a"), refuse, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dot_alone_ends),
        cmocka_unit_test(other_dots_stay),
        cmocka_unit_test(a_writer_may_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
