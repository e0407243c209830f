#include "base/buffer.h"
#include "http/parse.h"
#include "unit/unit.h"

#define HOST "Host: x\r\n"

static struct parse_head head;

static enum parse_answer parse(struct slice in)
{
    return parse_head(in, &head);
}

/* With a Host behind the line. */
static enum parse_answer line(const char *text)
{
    char all[512];
    snprintf(all, sizeof all, "%s\r\n" HOST "\r\n", text);
    return parse(slice_str(all));
}

static enum parse_answer with(const char *fields)
{
    char all[512];
    snprintf(all, sizeof all, "GET / HTTP/1.1\r\n" HOST "%s\r\n", fields);
    return parse(slice_str(all));
}

static void good(void **state)
{
    struct slice in = S("GET /metrics?a=1?b HTTP/1.1\r\n" HOST "\r\nGET /next");
    assert_int_equal(parse(in), PARSE_OK);
    assert_slice(head.path, S("/metrics"));
    assert_slice(head.query, S("a=1?b"));
    assert_false(head.head || head.close);
    assert_slice(slice_from(in, head.size), S("GET /next"));
    assert_int_equal(parse(S("HEAD / HTTP/1.1\r\nhOsT:\r\n\r\n")), PARSE_OK);
    assert_true(head.head && !head.close && !head.query.n);
    assert_int_equal(parse(S("GET / HTTP/1.0\r\n\r\n")), PARSE_OK);
    assert_true(head.close);
}

static void more_at_every_byte(void **state)
{
    struct slice in = S("GET /metrics HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n");
    for (size_t n = 0; n < in.n; n++)
        assert_int_equal(parse(slice_sub(in, 0, n)), PARSE_MORE);
    assert_int_equal(parse(in), PARSE_OK);
    assert_int_equal(head.size, in.n);
    assert_int_equal(parse(S("GET / HTTP/1.1\n" HOST "\n\n")), PARSE_MORE); /* bare LF ends none */
}

static void request_lines(void **state)
{
    static const struct {
        const char *text;
        enum parse_answer want;
    } lines[] = {
        {"GET / HTTP/1.1", PARSE_OK},
        {"POST / HTTP/1.1", PARSE_METHOD},
        {"get / HTTP/1.1", PARSE_METHOD},
        {"GETS / HTTP/1.1", PARSE_METHOD},
        {"GET / HTTP/2.0", PARSE_VERSION},
        {"GET / HTTP/0.9", PARSE_VERSION},
        {"POST / HTTP/9.9", PARSE_VERSION},
        {"GET / HTTP/1.", PARSE_BAD},
        {"GET / HTTP/1.10", PARSE_BAD},
        {"GET / HTTP/1.1 ", PARSE_BAD},
        {"GET / HTTP/1.1 x", PARSE_BAD},
        {"GET / http/1.1", PARSE_BAD},
        {"GET / XTTP/1.1", PARSE_BAD},
        {"GET /", PARSE_BAD},
        {"GET", PARSE_BAD},
        {"", PARSE_BAD},
        {" GET / HTTP/1.1", PARSE_BAD},
        {"GET  / HTTP/1.1", PARSE_BAD},
        {"GET\t/ HTTP/1.1", PARSE_BAD},
        {"G(T / HTTP/1.1", PARSE_BAD},
        {"GET x HTTP/1.1", PARSE_BAD},
        {"GET * HTTP/1.1", PARSE_BAD},
        {"GET http://x/ HTTP/1.1", PARSE_BAD},
        {"GET /\x01 HTTP/1.1", PARSE_BAD},
        {"GET /\x7f HTTP/1.1", PARSE_BAD},
        {"GET /\xc3\xa9 HTTP/1.1", PARSE_BAD},
        {"GET /\ra HTTP/1.1", PARSE_BAD},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (line(lines[i].text) != lines[i].want)
            fail_msg("'%s'", lines[i].text);
    assert_int_equal(parse(S("GET /\0 HTTP/1.1\r\n" HOST "\r\n")), PARSE_BAD);
}

static void fields(void **state)
{
    assert_int_equal(with(""), PARSE_OK);
    assert_int_equal(with("X:\r\n"), PARSE_OK);
    assert_int_equal(with("X: a:b \t\r\n"), PARSE_OK);
    assert_int_equal(with("X\r\n"), PARSE_BAD);
    assert_int_equal(with(": x\r\n"), PARSE_BAD);
    assert_int_equal(with("X : x\r\n"), PARSE_BAD); /* RFC 9112 §5.1 */
    assert_int_equal(with("X: a\r\n folded\r\n"), PARSE_BAD);
    assert_int_equal(with("X: a\rb\r\n"), PARSE_BAD);
    assert_int_equal(with("X: a\nb: c\r\n"), PARSE_BAD);
    assert_int_equal(parse(S("GET / HTTP/1.1\r\n" HOST "X: \0\r\n\r\n")), PARSE_BAD);
    assert_int_equal(parse(S("GET / HTTP/1.1\r\n" HOST "X\0: \r\n\r\n")), PARSE_BAD);
}

static void hosts(void **state)
{
    assert_int_equal(parse(S("GET / HTTP/1.1\r\n\r\n")), PARSE_BAD);
    assert_int_equal(parse(S("GET / HTTP/1.1\r\nX: y\r\n\r\n")), PARSE_BAD);
    assert_int_equal(with("host: y\r\n"), PARSE_BAD);
    assert_int_equal(parse(S("GET / HTTP/1.0\r\n" HOST HOST "\r\n")), PARSE_BAD);
}

static void closing(void **state)
{
    assert_int_equal(with("Connection: close\r\n"), PARSE_OK);
    assert_true(head.close);
    assert_int_equal(with("connection: Keep-Alive ,\tCLOSE\r\n"), PARSE_OK);
    assert_true(head.close);
    assert_int_equal(with("Connection: keep-alive\r\n"), PARSE_OK);
    assert_false(head.close);
    assert_int_equal(with("Connection: closed\r\n"), PARSE_OK);
    assert_false(head.close);
}

static void bodies(void **state)
{
    assert_int_equal(with("Content-Length: 0\r\n"), PARSE_OK);
    assert_int_equal(with("Content-Length: 1\r\n"), PARSE_BODY);
    assert_int_equal(with("content-length: -0\r\n"), PARSE_BODY);
    assert_int_equal(with("Content-Length: 0, 5\r\n"), PARSE_BODY);
    assert_int_equal(with("Content-Length: 0\r\nContent-Length: 5\r\n"), PARSE_BODY);
    assert_int_equal(with("Transfer-Encoding: chunked\r\n"), PARSE_BODY);
    assert_int_equal(with("TRANSFER-ENCODING:\r\n"), PARSE_BODY);
}

static enum parse_answer so_many(int n)
{
    struct buffer b;
    buffer_init(&b, 65536);
    buffer_add(&b, S("GET / HTTP/1.1\r\n" HOST));
    for (int i = 1; i < n; i++)
        buffer_printf(&b, "X-%d: y\r\n", i);
    buffer_add(&b, S("\r\n"));
    enum parse_answer answer = parse(buffer_slice(&b));
    buffer_finish(&b);
    return answer;
}

static void as_many_fields(void **state)
{
    assert_int_equal(so_many(PARSE_FIELDS_MAX), PARSE_OK);
    assert_int_equal(so_many(PARSE_FIELDS_MAX + 1), PARSE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(more_at_every_byte),
        cmocka_unit_test(request_lines),
        cmocka_unit_test(fields),
        cmocka_unit_test(hosts),
        cmocka_unit_test(closing),
        cmocka_unit_test(bodies),
        cmocka_unit_test(as_many_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
