#include "message/mime.h"
#include "message_test.h"

static void add_part(const struct mime *m, uint32_t i, struct slice message, struct buffer *b)
{
    const struct mime_part *p = &m->parts[i];
    buffer_printf(b, "%u%s ", p->depth,
        p->kind == MIME_LEAF        ? ""
        : p->kind == MIME_MULTIPART ? "*"
                                    : "@");
    buffer_add(b, p->content.type);
    buffer_add(b, S("/"));
    buffer_add(b, p->content.subtype);
    if (p->kind == MIME_LEAF) {
        buffer_add(b, S(" ["));
        buffer_add(b, mime_body(p, message));
        buffer_printf(b, "] %u", (unsigned)p->lines);
    }
    buffer_add(b, S("; "));
}

/* Each part: depth, kind, type, body, lines. Whole and byte by byte. */
static void check(struct slice message, const char *expected, bool broken)
{
    struct buffer b;
    struct arena a;
    buffer_init(&b, 100000);
    for (size_t step = 1; step <= message.n + 1; step += message.n ? message.n : 1) {
        arena_init(&a, MIME_ARENA_MAX);
        buffer_reset(&b);
        struct mime_parser *p = mime_begin(&a);
        for (size_t at = 0; at < message.n; at += step)
            mime_feed(p, slice_sub(message, at, step));
        const struct mime *m = mime_end(p);
        for (uint32_t i = 0; i < m->n; i++)
            add_part(m, i, message, &b);
        assert_slice(buffer_slice(&b), slice_str(expected));
        assert_int_equal(m->broken, broken);
        assert_false(m->truncated);
        arena_reset(&a);
    }
    buffer_finish(&b);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static void simple_messages(void **state)
{
    check(S(""), "0 text/plain [] 0; ", false);
    check(S("A: b"), "0 text/plain [] 0; ", false);
    check(S("\r\nbody"), "0 text/plain [body] 0; ", false);
    check(S("A: b\n\none\ntwo\n"), "0 text/plain [one\ntwo\n] 2; ", false);
    check(S("Content-Type: IMAGE/Png (x)\r\n\r\nx\r\n"), "0 IMAGE/Png [x\r\n] 1; ", false);
}

static void multiparts(void **state)
{
    check(S(MIXED "pre\r\n--b\r\nContent-Type: text/html\r\n\r\none\r\ntwo\r\n--b "
                  "\r\n\r\n\r\n--b--\r\nepi"),
        "0* multipart/mixed; 1 text/html [one\r\ntwo] 1; 1 text/plain [] 0; ", false);
    check(
        S(MIXED "--b\r\n\r\n\r\n\r\n--b--"), "0* multipart/mixed; 1 text/plain [\r\n] 1; ", false);
    check(S("Content-Type: multipart/digest; boundary=\"b \"\n\n--b\n\nSubject: x\n\nin\n--b\n"
            "Content-Type: text/plain\n\ny\n--b--\n"),
        "0* multipart/digest; 1@ message/rfc822; 2 text/plain [in] 0; 1 text/plain [y] 0; ", false);
    check(S(MIXED
              "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\n1\n--c\n\n2\n--c--\n"
              "--b\n\n3\n--b--\n"),
        "0* multipart/mixed; 1* multipart/alternative; 2 text/plain [1] 0; 2 text/plain [2] 0; "
        "1 text/plain [3] 0; ",
        false);
    check(S("Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
            "1\n--b--\n"),
        "0@ message/rfc822; 1* multipart/mixed; 2 text/plain [1] 0; ", false);
}

static void boundaries_that_resemble_each_other(void **state)
{
    check(S("Content-Type: multipart/mixed; boundary=a\n\n--a\n"
            "Content-Type: multipart/mixed; "
            "boundary=ab\n\n--ab\n\n1\n--ab\n\n2\n--ab--\n--a\n\n3\n--a--\n"),
        "0* multipart/mixed; 1* multipart/mixed; 2 text/plain [1] 0; 2 text/plain [2] 0; "
        "1 text/plain [3] 0; ",
        false);
    check(S("Content-Type: multipart/mixed; boundary=ab\n\n--ab\n"
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n--ab\n\n2\n--ab--\n"),
        "0* multipart/mixed; 1* multipart/mixed; 2 text/plain [1] 0; 1 text/plain [2] 0; ", false);
    check(S("Content-Type: multipart/mixed; boundary=a\n\n--a\n"
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n--a\n\n2\n--a--\n"),
        "0* multipart/mixed; 1* multipart/mixed; 2 text/plain [1] 0; 1 text/plain [2] 0; ", false);
    check(S(MIXED "--b\n\n-- b\n--\n -–b\n--B\n-b\n--b--\n"),
        "0* multipart/mixed; 1 text/plain [-- b\n--\n -–b\n--B\n-b] 4; ", false);
}

static void broken_structure(void **state)
{
    check(S(MIXED "--b\n\nnever closed\n"), "0* multipart/mixed; 1 text/plain [never closed\n] 1; ",
        true);
    check(S(MIXED "no part\n"), "0 text/plain [no part\n] 1; ", true);
    check(S(MIXED "--b--\n"), "0 text/plain [--b--\n] 1; ", false);
    check(S("Content-Type: multipart/mixed\n\n--\n\nx\n----\n"),
        "0 text/plain [--\n\nx\n----\n] 4; ", true);
    check(S("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n"),
        "0 text/plain [--\n\nx\n] 3; ", true);
    check(S(MIXED "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n1\n--b--\n"),
        "0* multipart/mixed; 1* multipart/mixed; 2 text/plain [1] 0; ", true);
    /* Headers that a boundary ends. */
    check(S(MIXED "--b\n--b\nA: x\n--b\nContent-Type: message/rfc822\n--b--\n"),
        "0* multipart/mixed; 1 text/plain [] 0; 1 text/plain [] 0; 1@ message/rfc822; "
        "2 text/plain [] 0; ",
        false);
    check(S("Content-Type: message/rfc822"), "0@ message/rfc822; 1 text/plain [] 0; ", false);
    check(S("Content-Type: text\n\n"), "0 text/plain [] 0; ", true);
    check(S("Content-Type: image\n\n"), "0 application/octet-stream [] 0; ", true);
    check(S("Content-Type: ;;\n\n"), "0 text/plain [] 0; ", true);
    check(S("Content-Type: a/b\nContent-Type: c/d\n\n"), "0 a/b [] 0; ", true);
}

static void long_boundaries(void **state)
{
    static const size_t lengths[] = {70, 71, MIME_BOUNDARY_MAX, MIME_BOUNDARY_MAX + 1};
    struct slice name = repeated(S(""), S("b"), MIME_BOUNDARY_MAX + 1);
    for (size_t i = 0; i < 4; i++) {
        struct buffer b;
        buffer_init(&b, 10000);
        int n = (int)lengths[i];
        buffer_printf(&b, "Content-Type: multipart/mixed;\n boundary=%.*s\n\n", n, name.p);
        buffer_printf(&b, "--%.*s\n\nx\n--%.*s--\n", n, name.p, n, name.p);
        for (size_t step = 1; step < 3; step++) {
            struct arena a;
            arena_init(&a, MIME_ARENA_MAX);
            struct mime_parser *p = mime_begin(&a);
            for (size_t at = 0; at < b.n; at += step)
                mime_feed(p, slice_sub(buffer_slice(&b), at, step));
            assert_int_equal(mime_end(p)->n, lengths[i] <= MIME_BOUNDARY_MAX ? 2 : 1);
            arena_reset(&a);
        }
        buffer_finish(&b);
    }
    drop(name);
}

static void fields_of_a_part(void **state)
{
    struct arena a;
    arena_init(&a, MIME_ARENA_MAX);
    const struct mime *m =
        mime_parse(S("content-type: Text/Plain; charset=utf-8;\r\n format=flowed\r\n"
                     "Content-Transfer-Encoding: (x) Base64\r\nContent-ID: <a@b>\r\n"
                     "Content-Description: two\r\n lines\r\nContent-Disposition: attachment;\r\n"
                     "\tfilename=\"x y\"\r\nContent-MD5: abc==\r\nContent-Language: en, de\r\n"
                     "Content-Location: http://x\r\nContent-ID: second\r\n\r\n"),
            &a);
    const struct mime_part *p = m->parts;
    assert_true(mime_is(p, S("text"), S("PLAIN")));
    assert_true(mime_is(p, S("TEXT"), S("")));
    assert_false(mime_is(p, S("text"), S("html")));
    assert_slice(parameter_find(&p->content, S("format"))->value, S("flowed"));
    assert_int_equal(p->transfer, TRANSFER_BASE64);
    assert_slice(p->encoding, S("Base64"));
    assert_slice(p->id, S("<a@b>"));
    assert_slice(p->description, S("two lines"));
    assert_slice(p->disposition.type, S("attachment"));
    assert_slice(p->disposition.first->value, S("x y"));
    assert_slice(p->md5, S("abc=="));
    assert_slice(p->language, S("en, de"));
    assert_slice(p->location, S("http://x"));
    assert_true(m->broken);
    arena_reset(&a);
}

/* n multiparts one in the other, then a leaf. */
static struct slice nested(int n, struct buffer *b, const char *type)
{
    buffer_init(b, TEN_MB);
    for (int i = 0; i < n; i++)
        buffer_printf(b, type, i, i);
    buffer_add(b, S("\nleaf\n"));
    return buffer_slice(b);
}

static void depth(void **state)
{
    static const char *const types[] = {"Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n",
        "Content-Type: message/rfc822\n\n"};
    for (int t = 0; t < 2; t++)
        for (int n = MIME_DEPTH_MAX; n <= MIME_DEPTH_MAX + 1; n++) {
            struct buffer b;
            struct arena a;
            arena_init(&a, MIME_ARENA_MAX);
            const struct mime *m = mime_parse(nested(n, &b, types[t]), &a);
            assert_int_equal(m->n, MIME_DEPTH_MAX + 1);
            assert_int_equal(m->parts[m->n - 1].depth, MIME_DEPTH_MAX);
            assert_int_equal(m->parts[m->n - 1].kind, MIME_LEAF);
            assert_true(mime_is(&m->parts[m->n - 1], S("text"), S("plain")));
            assert_int_equal(m->truncated, n > MIME_DEPTH_MAX);
            arena_reset(&a);
            buffer_finish(&b);
        }
}

static void parts(void **state)
{
    for (size_t more = 0; more < 2; more++) {
        struct arena a;
        struct slice front = S("Content-Type: multipart/mixed; boundary=b\n\n");
        size_t n = (MIME_PARTS_MAX - 1 + more) * 4;
        struct slice message = repeated(front, S("--b\n"), front.n + n);
        arena_init(&a, MIME_ARENA_MAX);
        const struct mime *m = mime_parse(message, &a);
        assert_int_equal(m->n, MIME_PARTS_MAX);
        assert_int_equal(m->truncated, more);
        assert_int_equal(m->parts[m->n - 1].end, message.n);
        arena_reset(&a);
        drop(message);
    }
}

static void fields_that_are_too_long(void **state)
{
    for (size_t step = 1000; step < 200000; step *= 150) {
        struct slice message =
            repeated(S("Content-ID: x\nContent-Description: "), S("d"), MIME_FIELD_MAX + 100);
        struct arena a;
        arena_init(&a, MIME_ARENA_MAX);
        struct mime_parser *p = mime_begin(&a);
        for (size_t at = 0; at < message.n; at += step)
            mime_feed(p, slice_sub(message, at, step));
        const struct mime *m = mime_end(p);
        assert_slice(m->parts[0].id, S("x"));
        assert_null(m->parts[0].description.p);
        assert_true(m->truncated);
        arena_reset(&a);
        drop(message);
    }
}

static void hostile_messages_take_linear_time(void **state)
{
    static const char *const fronts[] = {
        "", MIXED, "Content-Type: multipart/digest; boundary=b\n\n", "Content-Type: "};
    static const char *const units[] = {"--b\n", "--\n", "--b", "\n", "x", "--b\n\n",
        "--b\nContent-Type: message/rfc822\n\n",
        "--b\nContent-Type: multipart/mixed; boundary=b\n\n",
        "--b\nContent-Type: a/b; c=d; e=f; g*0=h; i*=j\n\n", "Content-ID: a\n", "\n ", "--b--\n",
        "--b\nContent-Type: a/b;a*1=;b*1=;c*1=;d*1=;e*1=;f*1=;g*1=;h*1=;i*1=;j*1=;k*1=;l*1=\n"};
    for (size_t f = 0; f < sizeof fronts / sizeof *fronts; f++)
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            struct slice m = repeated(slice_str(fronts[f]), slice_str(units[u]), TEN_MB / 2);
            struct arena a;
            arena_init(&a, MIME_ARENA_MAX);
            int64_t start = cpu_now();
            assert_true(mime_parse(m, &a)->n <= MIME_PARTS_MAX);
            assert_within_time(start);
            arena_reset(&a);
            drop(m);
        }
}

/* A hundred boundaries alike but for their ends, and lines that nearly are one. */
static void boundary_lines_take_linear_time(void **state)
{
    static const char *const lines[] = {"--bbbbbbbbbbbbbbbbbbb\n", "--b\n",
        "--bbbbbbbbbbbbbbbbbbb0000000000000000000000000000000000x\n"};
    for (size_t i = 0; i < 3; i++) {
        struct buffer b;
        struct arena a;
        struct slice front = nested(MIME_DEPTH_MAX, &b,
            "Content-Type: multipart/mixed; boundary=bbbbbbbbbbbbbbbbbbb%040d\n\n"
            "--bbbbbbbbbbbbbbbbbbb%040d\n");
        struct slice m = repeated(front, slice_str(lines[i]), TEN_MB);
        arena_init(&a, MIME_ARENA_MAX);
        int64_t start = cpu_now();
        assert_int_equal(mime_parse(m, &a)->n, MIME_DEPTH_MAX + 1);
        assert_within_time(start);
        arena_reset(&a);
        buffer_finish(&b);
        drop(m);
    }
}

static void a_small_arena(void **state)
{
    struct slice front = S("Content-Type: multipart/mixed; boundary=b\n\n");
    struct slice message = repeated(front, S("--b\nContent-ID: 1\n\nx\n"), 20000);
    for (size_t max = 0; max < 100000; max += 977) {
        struct arena a;
        arena_init(&a, max);
        const struct mime *m = mime_parse(message, &a);
        assert_true(!m || m->truncated || m->n > 900);
        arena_reset(&a);
    }
    drop(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_messages),
        cmocka_unit_test(multiparts),
        cmocka_unit_test(boundaries_that_resemble_each_other),
        cmocka_unit_test(broken_structure),
        cmocka_unit_test(long_boundaries),
        cmocka_unit_test(fields_of_a_part),
        cmocka_unit_test(depth),
        cmocka_unit_test(parts),
        cmocka_unit_test(fields_that_are_too_long),
        cmocka_unit_test(hostile_messages_take_linear_time),
        cmocka_unit_test(boundary_lines_take_linear_time),
        cmocka_unit_test(a_small_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
