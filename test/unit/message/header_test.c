#include "message/header.h"
#include "message_test.h"

static void fields_in_order(void **state)
{
    struct slice m = S("A: one\r\nB:two\r\n three\r\n\tfour\r\n\r\nbody: x\r\n");
    struct header_reader r = header_reader(m);
    struct header_field f;
    assert_true(header_next(&r, &f));
    assert_slice(f.name, S("A"));
    assert_slice(f.value, S(" one"));
    assert_false(f.broken);
    assert_true(header_next(&r, &f));
    assert_slice(f.raw, S("B:two\r\n three\r\n\tfour\r\n"));
    assert_slice(f.value, S("two\r\n three\r\n\tfour"));
    assert_false(header_next(&r, &f));
    assert_false(header_next(&r, &f));
    assert_slice(slice_from(m, r.at), S("body: x\r\n"));
    assert_int_equal(header_end(m), r.at);
}

static void the_end_of_the_header(void **state)
{
    assert_int_equal(header_end(S("")), 0);
    assert_int_equal(header_end(S("\n")), 1);
    assert_int_equal(header_end(S("\r\n")), 2);
    assert_int_equal(header_end(S("\r")), 1);
    assert_int_equal(header_end(S("A: b")), 4);
    assert_int_equal(header_end(S("A: b\n\nc")), 6);
    assert_int_equal(header_end(S("A: b\r\n\nc")), 7);
    assert_int_equal(header_end(S("A: b\n\r\nc")), 7);
    /* A CR alone ends no line; a line of blanks is folding. */
    assert_int_equal(header_end(S("A: b\n\r\r\nc")), 9);
    assert_int_equal(header_end(S("A: b\n \n\nc")), 8);
}

static void broken_fields(void **state)
{
    static const struct {
        struct slice line, name, value;
    } cases[] = {
        {{"no colon", 8}, {"", 0}, {"no colon", 8}},
        {{" folded first: x", 16}, {"", 0}, {" folded first: x", 16}},
        {{": x", 3}, {"", 0}, {" x", 2}},
        {{"From \t: x", 9}, {"From", 4}, {" x", 2}},
        {{"Fr om: x", 8}, {"Fr om", 5}, {" x", 2}},
        {{"From\0: x", 8}, {"From\0", 5}, {" x", 2}},
        {{"A: x\0y", 6}, {"A", 1}, {" x\0y", 4}},
        {{"A\nB: x", 6}, {"", 0}, {"A", 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct header_reader r = header_reader(cases[i].line);
        struct header_field f;
        assert_true(header_next(&r, &f));
        assert_true(f.broken);
        assert_slice(f.name, cases[i].name);
        assert_slice(f.value, cases[i].value);
    }
}

static void found_by_name(void **state)
{
    struct slice m = S("Received: 1\nreceived : 2\nX: 3\nRECEIVED: 4\n\nReceived: 5\n");
    struct header_field f;
    assert_int_equal(header_count(m, S("Received")), 3);
    assert_int_equal(header_count(m, S("Receive")), 0);
    assert_true(header_find(m, S("x"), &f));
    assert_slice(f.value, S(" 3"));
    assert_false(header_find(m, S("y"), &f));
}

static void unfolding(void **state)
{
    struct buffer b;
    struct arena a;
    buffer_init(&b, 10);
    arena_init(&a, 12);
    assert_true(header_unfold(S(" ab\r\n cd\n\tef "), &b));
    assert_slice(buffer_slice(&b), S("ab cd\tef"));
    buffer_reset(&b);
    assert_true(header_unfold(S("\r\n 12345\0\r\n7890 "), &b));
    assert_slice(buffer_slice(&b), S("12345 7890"));
    buffer_reset(&b);
    assert_false(header_unfold(S("12345678901"), &b));
    buffer_finish(&b);
    struct slice plain = S(" same ");
    struct slice text = header_text(plain, &a);
    assert_ptr_equal(text.p, plain.p + 1);
    assert_int_equal(text.n, 4);
    assert_slice(header_text(S("a\r\n b"), &a), S("a b"));
    assert_slice(header_text(S(" \r\n "), &a), S(""));
    assert_non_null(header_text(slice(NULL, 0), &a).p);
    assert_null(header_text(S("1234567890\r\n "
                              "x"),
        &a)
                    .p);
    arena_reset(&a);
}

static void hostile_headers_take_linear_time(void **state)
{
    static const struct slice units[] = {{"\n ", 2}, {"A:\n", 3}, {"x", 1}, {"a:\r\n ", 5},
        {"\r", 1}, {" ", 1}, {":\n", 2}, {"\0\n", 2}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice m = repeated(S("A:"), units[i], TEN_MB);
        struct buffer b;
        struct header_field f;
        buffer_init(&b, TEN_MB);
        int64_t start = cpu_now();
        header_count(m, S("Received"));
        assert_int_equal(header_end(m), TEN_MB);
        assert_true(header_find(m, S("A"), &f));
        assert_true(header_unfold(f.value, &b));
        assert_within_time(start);
        buffer_finish(&b);
        drop(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_in_order),
        cmocka_unit_test(the_end_of_the_header),
        cmocka_unit_test(broken_fields),
        cmocka_unit_test(found_by_name),
        cmocka_unit_test(unfolding),
        cmocka_unit_test(hostile_headers_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
