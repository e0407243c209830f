#include "port/newline.h"
#include "unit/unit.h"

static void crlf_at_every_cut(struct slice in, struct slice want)
{
    struct buffer out;
    buffer_init(&out, 256);
    for (size_t cut = 0; cut <= in.n; cut++) {
        struct newline n = {0};
        buffer_reset(&out);
        assert_true(newline_crlf(&n, slice_sub(in, 0, cut), &out));
        assert_true(newline_crlf(&n, slice_from(in, cut), &out));
        assert_true(slice_eq(buffer_slice(&out), want));
    }
    buffer_finish(&out);
}

static void lf_at_every_cut(struct slice in, struct slice want)
{
    struct buffer out;
    buffer_init(&out, 256);
    for (size_t cut = 0; cut <= in.n; cut++) {
        struct newline n = {0};
        buffer_reset(&out);
        newline_lf(&n, slice_sub(in, 0, cut), &out);
        newline_lf(&n, slice_from(in, cut), &out);
        assert_true(newline_lf_end(&n, &out));
        assert_true(slice_eq(buffer_slice(&out), want));
    }
    buffer_finish(&out);
}

static void to_crlf(void **state)
{
    crlf_at_every_cut(S(""), S(""));
    crlf_at_every_cut(S("a\nb\n"), S("a\r\nb\r\n"));
    crlf_at_every_cut(S("a\r\nb\n\nc"), S("a\r\nb\r\n\r\nc"));
    crlf_at_every_cut(S("\n"), S("\r\n"));
    crlf_at_every_cut(S("a\rb\r\r\n\r"), S("a\rb\r\r\n\r"));
}

static void to_lf(void **state)
{
    lf_at_every_cut(S(""), S(""));
    lf_at_every_cut(S("a\r\nb\r\n"), S("a\nb\n"));
    lf_at_every_cut(S("a\nb\rc\r\r\n\r"), S("a\nb\rc\r\n\r"));
    lf_at_every_cut(S("\r"), S("\r"));
}

static void no_room(void **state)
{
    struct newline n = {0};
    struct buffer out;
    buffer_init(&out, 3);
    assert_true(newline_crlf(&n, S("a\n"), &out));
    assert_false(newline_crlf(&n, S("b"), &out));
    buffer_finish(&out);
    buffer_init(&out, 1);
    assert_true(newline_lf(&n, S("\r\n"), &out));
    assert_false(newline_lf(&n, S("b"), &out));
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_crlf),
        cmocka_unit_test(to_lf),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
