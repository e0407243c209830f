/* Commands out of bytes: literals of all kinds, each limit passed by one, any cut. */
#include "base/budget.h"
#include "imap/frame.h"
#include "unit/imap/framing.h"
#include "unit/unit.h"

static const struct imap_frame_limits small = {
    .line = 60, .literal = 10, .literals = 15, .literal_count = 3, .thrown = 100};

static void expect(const char *input, const char *want)
{
    struct buffer trace;
    struct slice in = slice_str(input);
    buffer_init(&trace, 1 << 16);
    for (size_t first = 1; first <= in.n; first++) {
        buffer_reset(&trace);
        assert_true(framing_trace(&small, in, first, first % 3 ? in.n : 1, &trace));
        assert_slice(buffer_slice(&trace), slice_str(want));
    }
    assert_int_equal(budget_used(), 0);
    buffer_finish(&trace);
}

static void lines(void **state)
{
    expect("a NOOP\r\nb CAPABILITY\r\n", "C a NOOP\nC b CAPABILITY\n");
    expect("\r\n a\r\nb", "C \nC  a\n");
    expect("a b\rc\r\r\n", "C a b\rc\r\n");
    /* No announcements. */
    expect("a {}\r\nb {-1}\r\nc {1 }\r\nd {1}x\r\ne {1}\r\r\nf 1}\r\n",
        "C a {}\nC b {-1}\nC c {1 }\nC d {1}x\nC e {1}\r\nC f 1}\n");
}

static void literals(void **state)
{
    expect("a LOGIN {3}\r\nann {4+}\r\n\r\n\n{ x\r\nb NOOP\r\n",
        "L =3 a LOGIN {3}\r\n\n"
        "L +4 a LOGIN {3}\r\nann {4+}\r\n\n"
        "C a LOGIN {3}\r\nann {4+}\r\n\r\n\n{ x\n"
        "C b NOOP\n");
    expect("a {0}\r\n\r\nb ~{0+}\r\n x\r\n",
        "L =0 a {0}\r\n\nC a {0}\r\n\nL +0 8 b ~{0+}\r\n\nC b ~{0+}\r\n x\n");
}

static void streams(void **state)
{
    expect("s APPEND {5}\r\nhello\r\nb x\r\n",
        "L =5 s APPEND {5}\r\n\nS hello\nC s APPEND {5}\r\n\nC b x\n");
    expect("s {0+}\r\n {2+}\r\n\r\n)\r\n",
        "L +0 s {0+}\r\n\nS \nL +2 s {0+}\r\n {2+}\r\n\nS \r\n\nC s {0+}\r\n {2+}\r\n)\n");
    /* What is streamed has no limit here. */
    expect("s {70+}\r\n0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
        "L +70 s {70+}\r\n\nS 01234567890123456789012345678901234567890123456789012345678901234567"
        "89\nC s {70+}\r\n\n");
}

static void refusals(void **state)
{
    expect("r {5}\r\nb x\r\n", "L =5 r {5}\r\n\nC b x\n");
    expect("r {5+}\r\n12\r\n5 {2+}\r\n\r\n y\r\nb x\r\n", "L +5 r {5+}\r\n\nC b x\n");
    expect("r {5+}\r\n12345 {7}\r\nb x\r\n", "L +5 r {5+}\r\n\nC b x\n");
}

#define LONG  "The command is too long: T "
#define LARGE "TOOBIG The literal is too large: T "

static void limits(void **state)
{
    /* 60 bytes with CRLF, and one more. */
    expect("a 89012345678901234567890123456789012345678901234567890123\r\n",
        "C a 89012345678901234567890123456789012345678901234567890123\n");
    expect("a 890123456789012345678901234567890123456789012345678901234\r\nb x\r\n",
        " " LONG "a 890123456789012345678901234567890123456789012345678901234\r\nC b x\n");
    expect("a {10}\r\n0123456789\r\na {11}\r\nb x\r\n",
        "L =10 a {10}\r\n\nC a {10}\r\n0123456789\nL =11 a {11}\r\n\n" LARGE "a {11}\r\n\nC b x\n");
    expect("a {11+}\r\n01234567890 {3+}\r\n\r\nx z\r\nb x\r\n",
        "L +11 a {11+}\r\n\n" LARGE "a {11+}\r\n\nC b x\n");
    expect("a {10+}\r\n0123456789{5}\r\n01234{1}\r\nb x\r\n",
        "L +10 a {10+}\r\n\nL =5 a {10+}\r\n0123456789{5}\r\n\n"
        "L =1 a {10+}\r\n0123456789{5}\r\n01234{1}\r\n\n"
        "LIMIT The literals are too large together: T a {10+}\r\n0123456789{5}\r\n01234{1}\r\n\n"
        "C b x\n");
    expect("a {0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n\r\nb x\r\n",
        "L +0 a {0+}\r\n\nL +0 a {0+}\r\n{0+}\r\n\nL +0 a {0+}\r\n{0+}\r\n{0+}\r\n\n"
        "L +0 a {0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n\n"
        "LIMIT Too many literals in one command: T a {0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n\nC b x\n");
}

static void numbers(void **state)
{
    expect("a {2147483648}\r\nb {18446744073709551616}\r\n",
        "L =2147483648 a {2147483648}\r\n\n" LARGE "a {2147483648}\r\n\n"
        "L =18446744073709551615 b {18446744073709551616}\r\n\n" LARGE
        "b {18446744073709551616}\r\n\n");
    expect("a {2147483648+}\r\nb x\r\n", "L +2147483648 a {2147483648+}\r\n\nF \n");
    expect("r {101+}\r\n", "L +101 r {101+}\r\n\nF \n");
    expect("r {100+}\r\n", "L +100 r {100+}\r\n\n");
    expect("a {00000000000000000000000000000000000000000}\r\n",
        "C a {00000000000000000000000000000000000000000}\n"); /* 41 digits */
    expect("a {0000000000000000000000000000000000000000000000000000000000002+}\r\n",
        " " LONG "a {000000000000000000000000000000000000000000000000000000000\n");
}

static void bare_newlines(void **state)
{
    expect("a x\nb y\r\n", " Lines end with CRLF, not with LF alone: T a x\n\nC b y\n");
    expect(
        "a {3+}\nb \n\r\nc z\r\n", " Lines end with CRLF, not with LF alone: T a {3+}\n\nC c z\n");
    expect("\nc z\r\n", " Lines end with CRLF, not with LF alone: T \n\nC c z\n");
}

static void floods(void **state)
{
    struct buffer in, trace;
    buffer_init(&in, 1 << 16);
    buffer_init(&trace, 1 << 16);
    buffer_add(&in, S("a "));
    for (int i = 0; i < 200; i++)
        buffer_add_char(&in, 'x');
    assert_true(framing_trace(&small, buffer_slice(&in), 7, 13, &trace));
    assert_slice(buffer_slice(&trace), S("F \n"));
    buffer_finish(&in);
    buffer_finish(&trace);
}

static void the_budget(void **state)
{
    struct imap_frame f;
    size_t used;
    budget_set(4);
    imap_frame_init(&f, &small);
    assert_int_equal(imap_frame_feed(&f, S("a {5}\r\n"), &used), IMAP_FRAMED_LITERAL);
    assert_false(imap_frame_take(&f));
    assert_int_equal(imap_frame_feed(&f, S(""), &used), IMAP_FRAMED_TOO_LONG);
    assert_true(f.busy);
    assert_string_equal(f.code, "LIMIT");
    imap_frame_reset(&f);
    assert_false(f.busy);
    assert_true(imap_frame_fresh(&f));
    assert_int_equal(imap_frame_feed(&f, S("a {4}\r\n"), &used), IMAP_FRAMED_LITERAL);
    assert_true(imap_frame_take(&f));
    assert_int_equal(budget_used(), 4);
    imap_frame_finish(&f);
    assert_int_equal(budget_used(), 0);
    budget_set(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(literals),
        cmocka_unit_test(streams),
        cmocka_unit_test(refusals),
        cmocka_unit_test(limits),
        cmocka_unit_test(numbers),
        cmocka_unit_test(bare_newlines),
        cmocka_unit_test(floods),
        cmocka_unit_test(the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
