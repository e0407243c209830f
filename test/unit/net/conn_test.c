/* Whole sessions over memory streams. */
#include "../unit.h"
#include "echo.c"

struct script {
    struct slice input;
    size_t piece;
    bool eof;
    size_t output_max;
    const char *want; /* the whole output */
    struct echo echo;
    char *out;
    size_t out_n;
};

static struct conn *memory_conn(struct echo *e, struct slice in, size_t piece, bool eof,
    struct buffer *out, const struct conn_handler *handler)
{
    struct conn_options o = {.stream = stream_memory(in, piece, eof, out),
        .fd = -1,
        .listener = "smtp",
        .handler = handler,
        .session = e};
    struct conn *c = conn_create(&o);
    CHECK(c && conn_count() == 1);
    return c;
}

static void run_script(void *arg)
{
    struct script *s = arg;
    struct event ended;
    struct buffer out;
    event_init(&ended);
    buffer_init(&out, s->output_max ? s->output_max : 1 << 20);
    s->echo.ended = &ended;
    memory_conn(&s->echo, s->input, s->piece, s->eof, &out, &echo_handler);
    CHECK(!s->echo.closed && s->echo.runs == 0);
    CHECK(event_wait(&ended, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
    CHECK(conn_count() == 0);
    s->out = malloc(out.n + 1);
    memcpy(s->out, out.p, out.n);
    s->out[out.n] = '\0';
    s->out_n = out.n;
    buffer_finish(&out);
}

static void play(struct script *s)
{
    struct runtime_options options = {.reactors = 1};
    CHECK(runtime_run(&options, run_script, s));
    if (s->want)
        assert_string_equal(s->out, s->want);
    free(s->out);
}

#define TALK "PING 1\r\nBODY 5\r\nhelloPING 2\r\nQUIT\r\nPING 3\r\n"
#define TOLD "HI\r\nPONG 1\r\nOK\r\nGOT 5\r\nPONG 2\r\nBYE\r\n"

static void pieces_of_every_size(void **state)
{
    for (size_t piece = 0; piece < sizeof TALK; piece++) {
        struct script s = {.input = S(TALK), .piece = piece, .want = TOLD};
        play(&s);
        assert_int_equal(s.echo.end, CONN_END_SELF);
        assert_int_equal(s.echo.bytes_out, sizeof TOLD - 1);
    }
}

static void pipelined_input_is_not_fed_twice(void **state)
{
    struct script s = {.input = S(TALK), .want = TOLD};
    play(&s);
    /* four commands and the body */
    assert_int_equal(s.echo.feeds, 5);
}

static void end_of_input(void **state)
{
    struct script whole = {.input = S("PING 1\r\n"), .eof = true, .want = "HI\r\nPONG 1\r\n"};
    play(&whole);
    assert_int_equal(whole.echo.end, CONN_END_PEER);
    struct script half = {.input = S("PING 1\r\nPI"), .eof = true, .want = "HI\r\nPONG 1\r\n"};
    play(&half);
    assert_int_equal(half.echo.end, CONN_END_PEER);
    struct script none = {.input = S(""), .eof = true, .want = "HI\r\n"};
    play(&none);
    assert_int_equal(none.echo.end, CONN_END_PEER);
    struct script busy = {.input = S("SLEEP\r\n"), .eof = true, .want = "HI\r\nSLEPT\r\n"};
    play(&busy);
    assert_int_equal(busy.echo.end, CONN_END_PEER);
}

static void bad_lines(void **state)
{
    char line[200];
    memset(line, 'x', sizeof line);
    memcpy(line + ECHO_LINE - 2, "\r\n", 2);
    struct script fits = {.input = slice(line, ECHO_LINE), .eof = true, .want = "HI\r\nWHAT\r\n"};
    play(&fits);
    memset(line, 'x', sizeof line);
    struct script over = {.input = slice(line, ECHO_LINE), .want = "HI\r\nBAD\r\n"};
    play(&over);
    assert_int_equal(over.echo.end, CONN_END_SELF);
    struct script bare = {.input = S("PING\n"), .want = "HI\r\nBAD\r\n"};
    play(&bare);
}

static enum conn_next never(struct conn *c, struct slice in, bool eof, size_t *used)
{
    return CONN_MORE;
}

struct flood {
    struct echo echo;
    size_t n;
};

static void run_flood(void *arg)
{
    struct flood *f = arg;
    struct conn_handler handler = echo_handler;
    handler.feed = never;
    handler.input_max = 50000;
    struct event ended;
    struct buffer out;
    event_init(&ended);
    buffer_init(&out, 1000);
    f->echo.ended = &ended;
    char *in = calloc(1, f->n);
    struct conn *c = memory_conn(&f->echo, slice(in, f->n), 1000, false, &out, &handler);
    if (f->n >= handler.input_max) {
        CHECK(event_wait(&ended, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
    } else {
        while (!f->echo.closed && conn_unread(c).n < f->n)
            task_sleep(deadline_in(CLOCK_MS));
        CHECK(!f->echo.closed);
        conn_abort(c, CONN_END_SELF);
    }
    free(in);
    buffer_finish(&out);
}

static void input_over_its_maximum(void **state)
{
    struct runtime_options options = {.reactors = 1};
    struct flood fits = {.n = 49999}, over = {.n = 50000};
    CHECK(runtime_run(&options, run_flood, &fits));
    assert_int_equal(fits.echo.end, CONN_END_SELF);
    CHECK(runtime_run(&options, run_flood, &over));
    assert_int_equal(over.echo.end, CONN_END_OVERFLOW);
}

static void large_body(void **state)
{
    size_t n = 3000000;
    struct buffer in;
    buffer_init(&in, 4000000);
    buffer_printf(&in, "BODY %zu\r\n", n);
    memset(buffer_room(&in, n), '\n', n);
    buffer_took(&in, n);
    buffer_add(&in, S("QUIT\r\n"));
    struct script s = {.input = buffer_slice(&in), .want = "HI\r\nOK\r\nGOT 3000000\r\nBYE\r\n"};
    play(&s);
    /* in large pieces */
    assert_true(s.echo.feeds < 70);
    buffer_finish(&in);
}

static void output_over_its_maximum(void **state)
{
    struct script s = {.input = S("BIG 500000\r\nQUIT\r\n")};
    play(&s);
    assert_int_equal(s.echo.end, CONN_END_SELF);
    assert_int_equal(s.out_n, 4 + 500002 + 5);
}

static void handler_changes(void **state)
{
    struct script s = {
        .input = S("LOGIN\r\nPING 1\r\nQUIT\r\n"), .want = "HI\r\nIN\r\nPONG 1\r\nBYE\r\n"};
    play(&s);
}

/* A reader that takes 1,000 bytes now and then. */
struct slow {
    struct echo echo;
    size_t got;
};

static void run_slow(void *arg)
{
    struct slow *s = arg;
    struct event ended;
    struct buffer out;
    event_init(&ended);
    buffer_init(&out, 20000);
    s->echo.ended = &ended;
    s->echo.quiet = true;
    memory_conn(&s->echo, S("BIG 400000\r\nPING\r\nQUIT\r\n"), 0, false, &out, &echo_handler);
    while (event_wait(&ended, deadline_in(CLOCK_MS)) != WAIT_OK) {
        s->got += out.n;
        buffer_reset(&out);
    }
    s->got += out.n;
    buffer_finish(&out);
}

static void slow_reader(void **state)
{
    struct slow s = {0};
    struct runtime_options options = {.reactors = 1};
    CHECK(runtime_run(&options, run_slow, &s));
    assert_int_equal(s.got, 400002 + 6 + 5);
    assert_int_equal(s.echo.end, CONN_END_SELF);
}

/* A reader that takes nothing: conn_send gives up after the timeout. */
static void run_stuck(void *arg)
{
    struct echo *e = arg;
    struct event ended;
    struct buffer out;
    event_init(&ended);
    buffer_init(&out, 1000);
    e->ended = &ended;
    e->timeout = 50 * CLOCK_MS;
    memory_conn(e, S("BIG 400000\r\nQUIT\r\n"), 0, false, &out, &echo_handler);
    CHECK(event_wait(&ended, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
    buffer_finish(&out);
}

static void stuck_reader(void **state)
{
    struct echo e = {0};
    struct runtime_options options = {.reactors = 1};
    CHECK(runtime_run(&options, run_stuck, &e));
    assert_int_equal(e.end, CONN_END_SLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_every_size),
        cmocka_unit_test(pipelined_input_is_not_fed_twice),
        cmocka_unit_test(end_of_input),
        cmocka_unit_test(bad_lines),
        cmocka_unit_test(input_over_its_maximum),
        cmocka_unit_test(large_body),
        cmocka_unit_test(output_over_its_maximum),
        cmocka_unit_test(handler_changes),
        cmocka_unit_test(slow_reader),
        cmocka_unit_test(stuck_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
