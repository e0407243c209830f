#include "base/buffer.h"
#include "pop3/dot.h"
#include "unit/unit.h"

/* Sends one piece, checks that nothing is lost on the way. */
static void feed(struct pop3_dot *d, struct slice in, struct buffer *out)
{
    struct slice piece;
    while (pop3_dot_next(d, &in, &piece))
        assert_true(buffer_add(out, piece));
    assert_int_equal(in.n, 0);
}

static void check_split(struct slice from, size_t a, size_t b, struct slice want)
{
    struct pop3_dot d = {0};
    struct buffer out;
    buffer_init(&out, 1 << 20);
    feed(&d, slice_sub(from, 0, a), &out);
    feed(&d, slice_sub(from, a, b - a), &out);
    feed(&d, slice_from(from, b), &out);
    buffer_add(&out, pop3_dot_end(&d));
    assert_slice(buffer_slice(&out), want);
    buffer_finish(&out);
}

/* Cut in three at every two positions. */
static void check_all(struct slice from, struct slice want)
{
    for (size_t a = 0; a <= from.n; a++)
        for (size_t b = a; b <= from.n; b++)
            check_split(from, a, b, want);
}

static void stuffing(void **state)
{
    check_all(S("a\r\n.b\r\n..\r\n.\r\nc.\r\n"), S("a\r\n..b\r\n...\r\n..\r\nc.\r\n.\r\n"));
    check_all(S(".\r\n"), S("..\r\n.\r\n"));
    check_all(S("\r\n.\r\n"), S("\r\n..\r\n.\r\n"));
    check_all(S("...a..\r\n"), S("....a..\r\n.\r\n"));
}

static void the_end(void **state)
{
    check_all(S(""), S(".\r\n"));
    check_all(S("a"), S("a\r\n.\r\n"));
    check_all(S("a\r\n"), S("a\r\n.\r\n"));
    check_all(S("a\r"), S("a\r\n.\r\n"));
    check_all(S("a\n"), S("a\r\n.\r\n"));
    check_all(S("a\r\n."), S("a\r\n..\r\n.\r\n"));
    check_all(S("\r\n\r\n"), S("\r\n\r\n.\r\n"));
}

static void bare_newlines(void **state)
{
    check_all(S("a\nb\n.c\n"), S("a\r\nb\r\n..c\r\n.\r\n"));
    check_all(S("a\rb\r.c\r"), S("a\r\nb\r\n..c\r\n.\r\n"));
    check_all(S("\n\r\n\r\r\n\n"), S("\r\n\r\n\r\n\r\n\r\n.\r\n"));
    check_all(S("a\n.\nb"), S("a\r\n..\r\nb\r\n.\r\n"));
}

static void long_lines(void **state)
{
    static char text[3000], want[3010];
    for (size_t n = 500; n < 530; n++) { /* around the look-ahead */
        memset(text, 'x', sizeof text);
        memcpy(text + n, "\r\n.y", 4);
        memcpy(want, text, n + 2);
        memcpy(want + n + 2, "..y", 3);
        size_t rest = sizeof text - n - 4;
        memcpy(want + n + 5, text + n + 4, rest);
        memcpy(want + n + 5 + rest, "\r\n.\r\n", 5);
        check_split(slice(text, sizeof text), n, n + 1, slice(want, n + rest + 10));
        check_split(slice(text, sizeof text), 0, 0, slice(want, n + rest + 10));
    }
}

static void plain_runs_are_not_cut(void **state)
{
    struct pop3_dot d = {0};
    struct slice in = S("one\r\ntwo\r\nthree\r\n"), piece;
    assert_true(pop3_dot_next(&d, &in, &piece));
    assert_slice(piece, S("one\r\ntwo\r\nthree\r\n"));
    assert_false(pop3_dot_next(&d, &in, &piece));
}

/* What TOP shows, cut at every two positions, as it goes over the wire. */
static void check_top(struct slice from, uint64_t lines, struct slice want)
{
    for (size_t a = 0; a <= from.n; a++) {
        struct pop3_top t = {.lines = lines};
        struct pop3_dot d = {0};
        struct buffer out;
        buffer_init(&out, 1 << 16);
        struct slice first = slice_sub(from, 0, a), second = slice_from(from, a);
        first.n = pop3_top_take(&t, first);
        feed(&d, first, &out);
        if (!t.done) {
            second.n = pop3_top_take(&t, second);
            feed(&d, second, &out);
        }
        buffer_add(&out, pop3_dot_end(&d));
        assert_slice(buffer_slice(&out), want);
        buffer_finish(&out);
    }
}

static void top(void **state)
{
    struct slice m = S("A: b\r\nC: d\r\n\r\n1\r\n.2\r\n3\r\n");
    check_top(m, 0, S("A: b\r\nC: d\r\n\r\n.\r\n"));
    check_top(m, 1, S("A: b\r\nC: d\r\n\r\n1\r\n.\r\n"));
    check_top(m, 2, S("A: b\r\nC: d\r\n\r\n1\r\n..2\r\n.\r\n"));
    check_top(m, 3, S("A: b\r\nC: d\r\n\r\n1\r\n..2\r\n3\r\n.\r\n"));
    check_top(m, 4, S("A: b\r\nC: d\r\n\r\n1\r\n..2\r\n3\r\n.\r\n"));
    check_top(m, UINT64_MAX, S("A: b\r\nC: d\r\n\r\n1\r\n..2\r\n3\r\n.\r\n"));
    check_top(m, UINT64_C(1) << 63, S("A: b\r\nC: d\r\n\r\n1\r\n..2\r\n3\r\n.\r\n"));
}

static void top_of_odd_messages(void **state)
{
    check_top(S(""), 0, S(".\r\n"));
    check_top(S("A: b"), 0, S("A: b\r\n.\r\n"));
    check_top(S("A: b\r\n"), 5, S("A: b\r\n.\r\n"));
    check_top(S("\r\n1\r\n2\r\n"), 1, S("\r\n1\r\n.\r\n"));
    check_top(S("A: b\n\n1\n2\n"), 1, S("A: b\r\n\r\n1\r\n.\r\n"));
    check_top(S("A: b\r\r1\r2\r"), 1, S("A: b\r\n\r\n1\r\n.\r\n"));
    check_top(S("A: b\r\n\r\n\r\n\r\n2\r\n"), 2, S("A: b\r\n\r\n\r\n\r\n.\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stuffing),
        cmocka_unit_test(the_end),
        cmocka_unit_test(bare_newlines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(plain_runs_are_not_cut),
        cmocka_unit_test(top),
        cmocka_unit_test(top_of_odd_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
