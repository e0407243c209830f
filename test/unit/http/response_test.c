/* Responses in one piece and byte by byte, and each limit exceeded by one. */
#include "http/response.h"
#include "unit/unit.h"

static struct response r;
static struct buffer body;

static enum response_state feed(struct slice in, size_t piece, size_t max)
{
    enum response_state state = RESPONSE_MORE;
    buffer_finish(&body);
    buffer_init(&body, max);
    response_init(&r, &body);
    for (; in.n && state == RESPONSE_MORE; in = slice_from(in, piece))
        state = response_feed(&r, slice_sub(in, 0, piece));
    return state;
}

static void both(struct slice in, enum response_state state, struct slice text)
{
    for (size_t piece = 1; piece <= in.n; piece += in.n - 1 ? in.n - 1 : 1) {
        assert_int_equal(feed(in, piece, 100), state);
        if (state == RESPONSE_DONE)
            assert_slice(buffer_slice(&body), text);
        else if (state == RESPONSE_BAD)
            assert_non_null(r.why);
    }
}

static void good(void **state)
{
    both(S("HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=utf-8\r\nContent-Length: 5\r\n"
           "\r\nabcdeX"),
        RESPONSE_DONE, S("abcde"));
    assert_int_equal(r.status, 200);
    assert_string_equal(r.type, "text/plain");
    both(S("HTTP/1.0 404 \nContent-Length:0\n\n"), RESPONSE_DONE, S(""));
    assert_int_equal(r.status, 404);
    both(S("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\n"
           "Trailer: x\r\n\r\n"),
        RESPONSE_DONE, S("abcde"));
    both(S("HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n"), RESPONSE_DONE, S(""));
    both(S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd"), RESPONSE_MORE, S(""));
}

static void bad(void **state)
{
    static const char *const texts[] = {"HTTP/2 200 OK\r\n", "ICY 200 OK\r\n", "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 600 OK\r\n", "HTTP/1.1 099 OK\r\n", "HTTP/1.1 200 OK\r\n folded: x\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n", "HTTP/1.1 200 OK\r\nName : x\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 101 Other\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000001\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        both(slice_str(texts[i]), RESPONSE_BAD, S(""));
}

static enum response_state repeated(
    const char *before, const char *one, size_t n, const char *behind, size_t max)
{
    struct buffer all;
    buffer_init(&all, 1024 * 1024);
    buffer_add(&all, slice_str(before));
    for (size_t i = 0; i < n; i++)
        buffer_add(&all, slice_str(one));
    buffer_add(&all, slice_str(behind));
    assert_false(all.overflow);
    enum response_state state = feed(buffer_slice(&all), 1000, max);
    buffer_finish(&all);
    return state;
}

static void limits(void **state)
{
    const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    const char *chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_int_equal(repeated(head, "A: b\r\n", RESPONSE_FIELDS_MAX - 1, "\r\n", 9), RESPONSE_DONE);
    assert_int_equal(repeated(head, "A: b\r\n", RESPONSE_FIELDS_MAX, "\r\n", 9), RESPONSE_BAD);
    assert_int_equal(repeated(head, "X-Policy: p", 8000 / 11, "\r\n\r\n", 9), RESPONSE_DONE);
    assert_int_equal(
        repeated("HTTP/1.1 200 ", "x", RESPONSE_LINE_MAX - 14, "\r\n", 9), RESPONSE_MORE);
    assert_int_equal(
        repeated("HTTP/1.1 200 ", "x", RESPONSE_LINE_MAX - 13, "\r\n", 9), RESPONSE_BAD);
    assert_int_equal(repeated("", "HTTP/1.1 100 Go\r\n\r\n", 4, "", 9), RESPONSE_MORE);
    assert_int_equal(repeated("", "HTTP/1.1 100 Go\r\n\r\n", 5, "", 9), RESPONSE_BAD);
    assert_int_equal(repeated(chunks, "1\r\na\r\n", 9, "0\r\n\r\n", 9), RESPONSE_DONE);
    assert_int_equal(repeated(chunks, "1\r\na\r\n", 10, "0\r\n\r\n", 9), RESPONSE_TOO_BIG);
    assert_int_equal(
        repeated(chunks, "1;123456789012345678901234567890\r\na\r\n", 10000, "", 20000),
        RESPONSE_BAD);
    assert_int_equal(
        feed(S("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), 50, 9), RESPONSE_TOO_BIG);
}

/* Of a POST only the status is wanted. */
static void head_only(void **state)
{
    response_init(&r, NULL);
    assert_int_equal(
        response_feed(&r, S("HTTP/1.1 201 Created\r\nX: y\r\n\r\nwhatever")), RESPONSE_DONE);
    assert_int_equal(r.status, 201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad),
        cmocka_unit_test(limits), cmocka_unit_test(head_only)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_finish(&body);
    return failed;
}
