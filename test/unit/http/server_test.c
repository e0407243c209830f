/* Whole sessions over memory streams. */
#include "http/server.h"
#include "net/listen.h"
#include "unit/task/check.h"
#include "unit/unit.h"

#define HOST   "Host: x\r\n"
#define REST   "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
#define TEXT   "Content-Type: text/plain; charset=utf-8\r\n"
#define CLOSED "Connection: close\r\n"
#define HI     "HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 3\r\n" REST "\r\nhi\n"

static unsigned asked;
static size_t answer_size;

static TASK_FN
int get(void *arg, const struct http_request *request, struct buffer *body, const char **type)
{
    asked++;
    if (slice_eq(request->path, S("/big"))) {
        for (size_t n = answer_size; n; n -= n < 4096 ? n : 4096) {
            static const char page[4096];
            buffer_add(body, slice(page, n < 4096 ? n : 4096));
        }
        *type = "x/y";
        return 200;
    }
    if (slice_eq(request->path, S("/echo"))) {
        buffer_add(body, request->query);
        return 404;
    }
    task_yield();
    buffer_add(body, S("hi\n"));
    return 200;
}

static struct http_service service = {.protocol = "metrics", .get = get};

struct talk {
    struct slice input;
    size_t piece;
    bool eof;
    struct buffer out;
};

static void await_end(void)
{
    for (deadline until = deadline_in(60 * CLOCK_SEC); conn_count();) {
        CHECK(clock_now() < until);
        task_sleep(deadline_in(CLOCK_MS));
    }
}

static void talk_task(void *arg)
{
    struct talk *t = arg;
    struct conn_options o = {.stream = stream_memory(t->input, t->piece, t->eof, &t->out),
        .fd = -1,
        .listener = "metrics"};
    struct slice refusal;
    struct sockaddr_storage none = {.ss_family = AF_UNIX};
    peer_set(&o.peer, (struct sockaddr *)&none, sizeof none);
    CHECK(http_accept(&service, &o.peer, &o.handler, &o.session, &refusal));
    CHECK(conn_create(&o));
    await_end();
}

static struct talk talk(struct slice input, size_t piece, bool eof)
{
    struct talk t = {.input = input, .piece = piece, .eof = eof};
    asked = 0;
    buffer_init(&t.out, 2 * HTTP_RESPONSE_MAX);
    run_on(1, talk_task, &t);
    return t;
}

static void say(struct slice input, struct slice want)
{
    static const size_t pieces[] = {0, 1, 7, 64};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct talk t = talk(input, pieces[i], true);
        assert_slice(buffer_slice(&t.out), want);
        buffer_finish(&t.out);
    }
}

/* Answered with this status, once, then closed without the peer's doing. */
static void refused(struct slice input, const char *status)
{
    struct talk t = talk(input, 0, false);
    char want[128];
    snprintf(want, sizeof want, "HTTP/1.1 %s\r\n", status);
    struct slice out = buffer_slice(&t.out);
    if (!slice_starts(out, slice_str(want)))
        fail_msg("'" SLICE_FMT "'", SLICE_ARG(out));
    assert_true(slice_find_slice(out, S("\r\n" CLOSED)) != SLICE_NONE);
    assert_true(slice_find_slice(slice_from(out, 1), S("HTTP/1.1 ")) == SLICE_NONE);
    assert_int_equal(asked, 0);
    buffer_finish(&t.out);
}

static void keep_alive_and_pipelined(void **state)
{
    say(S("GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST
          "\r\nGET /echo?q HTTP/1.1\r\n" HOST "\r\n"),
        S(HI HI "HTTP/1.1 404 Not Found\r\n" TEXT "Content-Length: 1\r\n" REST "\r\nq"));
}

static void head_has_no_body(void **state)
{
    say(S("HEAD / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
        S("HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 3\r\n" REST "\r\n" HI));
}

static void closes_when_asked(void **state)
{
    struct slice want =
        S("HTTP/1.1 200 OK\r\n" TEXT "Content-Length: 3\r\n" REST CLOSED "\r\nhi\n");
    struct talk t = talk(
        S("GET / HTTP/1.1\r\nConnection: close\r\n" HOST "\r\nGET / HTTP/1.1\r\n\r\n"), 0, false);
    assert_slice(buffer_slice(&t.out), want);
    assert_int_equal(asked, 1);
    buffer_finish(&t.out);
    say(S("GET / HTTP/1.0\r\n\r\n"), want);
}

static void silence_and_half_a_request(void **state)
{
    say(S(""), S(""));
    say(S("GET / HTTP/1.1\r\nHos"), S(""));
}

static void refusals(void **state)
{
    refused(S("POST / HTTP/1.1\r\n" HOST "\r\n"), "501 Not Implemented");
    refused(S("GET / HTTP/2.0\r\n" HOST "\r\n"), "505 HTTP Version Not Supported");
    refused(S("GET / HTTP/1.1\r\n\r\n"), "400 Bad Request");
    refused(S("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), "400 Bad Request");
    refused(S("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /"), "413 Content Too Large");
    refused(S("GET / HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
        "413 Content Too Large");
    say(S("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"),
        S("HTTP/1.1 413 Content Too Large\r\n" TEXT "Content-Length: 17\r\n" REST CLOSED "\r\n"));
}

/* A head of exactly n bytes. */
static struct buffer head_of(size_t n)
{
    struct buffer b;
    buffer_init(&b, 65536);
    buffer_add(&b, S("GET / HTTP/1.1\r\n" HOST "X: "));
    while (b.n < n - 4)
        buffer_add_char(&b, 'x');
    buffer_add(&b, S("\r\n\r\n"));
    return b;
}

static void size_of_the_head(void **state)
{
    struct buffer fits = head_of(HTTP_REQUEST_MAX), over = head_of(HTTP_REQUEST_MAX + 1);
    say(buffer_slice(&fits), S(HI));
    refused(buffer_slice(&over), "431 Request Header Fields Too Large");
    buffer_add(&fits, S("GET / HTTP/1.1\r\n" HOST "\r\n"));
    say(buffer_slice(&fits), S(HI HI));
    buffer_finish(&fits);
    buffer_finish(&over);
    static char endless[3 * HTTP_REQUEST_MAX];
    memset(endless, '\0', sizeof endless);
    refused(slice(endless, sizeof endless), "431 Request Header Fields Too Large");
}

static void size_of_the_answer(void **state)
{
    answer_size = HTTP_RESPONSE_MAX;
    struct talk t = talk(S("GET /big HTTP/1.1\r\n" HOST "\r\n"), 0, true);
    struct slice start =
        S("HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: 4194304\r\n" REST "\r\n");
    assert_true(slice_starts(buffer_slice(&t.out), start));
    assert_int_equal(t.out.n, start.n + HTTP_RESPONSE_MAX);
    buffer_finish(&t.out);
    answer_size = HTTP_RESPONSE_MAX + 1;
    t = talk(S("GET /big HTTP/1.1\r\n" HOST "\r\n"), 0, false);
    assert_true(slice_starts(buffer_slice(&t.out), S("HTTP/1.1 500 Internal Server Error\r\n")));
    buffer_finish(&t.out);
}

static void slow_client(void **state)
{
    service.timeout = 20 * CLOCK_MS;
    struct talk t = talk(S("GET / HTTP/1.1\r\nHost: "), 0, false);
    assert_int_equal(t.out.n, 0);
    buffer_finish(&t.out);
    service.timeout = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive_and_pipelined),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(closes_when_asked),
        cmocka_unit_test(silence_and_half_a_request),
        cmocka_unit_test(refusals),
        cmocka_unit_test(size_of_the_head),
        cmocka_unit_test(size_of_the_answer),
        cmocka_unit_test(slow_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
