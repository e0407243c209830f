/* Channels over memory streams: lines, bytes, limits, gathered output; over sockets: time, pressure
 * from both sides. */
#include "../task/check.h"
#include "../unit.h"
#include "net/channel.h"
#include <sys/socket.h>
#include <unistd.h>

#define LINE 64

static struct channel *over(struct slice input, size_t piece, bool eof, struct buffer *output)
{
    buffer_init(output, 1024);
    struct stream *s = stream_memory(input, piece, eof, output);
    assert_non_null(s);
    struct channel *c = channel_create(s, -1, LINE);
    assert_non_null(c);
    return c;
}

static void done(struct channel *c, struct buffer *output)
{
    channel_destroy(c);
    buffer_finish(output);
}

static const size_t pieces[] = {0, 1, 2, 3, 7};

static void lines(void **state)
{
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buffer output;
        struct slice line;
        struct channel *c = over(S("one\r\ntwo\n\r\nfo\rur\r\nhalf"), pieces[i], true, &output);
        static const char *const wanted[] = {"one", "two", "", "fo\rur"};
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &line, 0), CHANNEL_OK);
            assert_slice(line, slice_str(wanted[j]));
        }
        assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &line, 0), CHANNEL_EOF);
        assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &line, 0), CHANNEL_EOF);
        assert_int_equal(channel_bytes_in(c), 22);
        done(c, &output);
    }
}

/* The longest line, and one byte more. */
static void long_lines(void **state)
{
    char text[3 * LINE + 100];
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buffer output;
        struct slice line;
        int n = snprintf(text, sizeof text, "%0*d\r\n%0*d\r\n%0*d\nend\r\n", 10, 1, 11, 2, 99, 3);
        struct channel *c = over(slice(text, (size_t)n), pieces[i], true, &output);
        assert_int_equal(channel_line(c, 10, CHANNEL_CUT, &line, 0), CHANNEL_OK);
        assert_slice(line, S("0000000001"));
        assert_int_equal(channel_line(c, 10, CHANNEL_CUT, &line, 0), CHANNEL_OK);
        assert_slice(line, S("0000000000"));
        assert_int_equal(channel_line(c, 10, CHANNEL_CUT, &line, 0), CHANNEL_OK);
        assert_slice(line, S("0000000000"));
        assert_int_equal(channel_line(c, 10, CHANNEL_CUT, &line, 0), CHANNEL_OK);
        assert_slice(line, S("end"));
        done(c, &output);
        c = over(slice(text, (size_t)n), pieces[i], true, &output);
        assert_int_equal(channel_line(c, 10, CHANNEL_REFUSE, &line, 0), CHANNEL_OK);
        assert_int_equal(channel_line(c, 10, CHANNEL_REFUSE, &line, 0), CHANNEL_TOO_LONG);
        assert_int_equal(channel_line(c, 99, CHANNEL_REFUSE, &line, 0), CHANNEL_TOO_LONG);
        assert_true(strstr(channel_error(c), "overlong"));
        done(c, &output);
    }
}

/* A line of a megabyte costs no more memory than its maximum. */
static void huge_line(void **state)
{
    struct buffer output;
    struct slice line;
    size_t n = (size_t)1 << 20;
    char *text = malloc(n + 6);
    memset(text, 'x', n);
    memcpy(text + n, "\r\nok\r\n", 6);
    struct channel *c = over(slice(text, n + 6), 0, true, &output);
    assert_int_equal(
        channel_line(c, LINE, CHANNEL_CUT, &line, deadline_in(20 * CLOCK_SEC)), CHANNEL_OK);
    assert_int_equal(line.n, LINE);
    assert_int_equal(
        channel_line(c, LINE, CHANNEL_CUT, &line, deadline_in(20 * CLOCK_SEC)), CHANNEL_OK);
    assert_slice(line, S("ok"));
    done(c, &output);
    c = over(slice(text, n), 0, true, &output);
    assert_int_equal(channel_line(c, LINE, CHANNEL_CUT, &line, 0), CHANNEL_TIMEOUT);
    assert_int_equal(
        channel_line(c, LINE, CHANNEL_CUT, &line, deadline_in(20 * CLOCK_SEC)), CHANNEL_EOF);
    done(c, &output);
    free(text);
}

static void bytes(void **state)
{
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buffer output;
        struct slice more;
        char eight[8];
        struct channel *c = over(S("12345678abc\r\nrest"), pieces[i], true, &output);
        assert_int_equal(channel_read(c, eight, 8, 0), CHANNEL_OK);
        assert_slice(slice(eight, 8), S("12345678"));
        assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &more, 0), CHANNEL_OK);
        assert_slice(more, S("abc"));
        assert_int_equal(channel_more(c, &more, 0), CHANNEL_OK);
        assert_true(more.n > 0 && more.p[0] == 'r');
        channel_take(c, 1);
        assert_int_equal(channel_read(c, eight, 8, 0), CHANNEL_EOF);
        done(c, &output);
    }
}

static void limit(void **state)
{
    struct buffer output;
    struct slice line;
    struct channel *c = over(S("1234\r\n1234\r\n"), 1, true, &output);
    channel_set_limit(c, 6);
    assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &line, 0), CHANNEL_OK);
    channel_set_limit(c, 5);
    assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &line, 0), CHANNEL_LIMIT);
    channel_set_limit(c, UINT64_MAX);
    assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &line, 0), CHANNEL_LIMIT);
    done(c, &output);
}

/* A memory stream without an end: each wait is over at once, and what has come is kept. */
static void waits(void **state)
{
    struct buffer output;
    struct slice line;
    struct channel *c = over(S("ha"), 0, false, &output);
    assert_int_equal(channel_line(c, LINE, CHANNEL_REFUSE, &line, 0), CHANNEL_TIMEOUT);
    assert_int_equal(channel_poll(c), CHANNEL_OK);
    assert_slice(channel_unread(c), S("ha"));
    done(c, &output);
    c = over(S(""), 0, true, &output);
    assert_int_equal(channel_poll(c), CHANNEL_EOF);
    done(c, &output);
}

static void gathered(void **state)
{
    struct buffer output;
    struct channel *c = over(S(""), 0, false, &output);
    channel_put(c, S("MAIL\r\n"));
    channel_printf(c, "RCPT %d\r\n", 7);
    assert_int_equal(output.n, 0);
    assert_int_equal(channel_flush(c, 0), CHANNEL_OK);
    assert_slice(buffer_slice(&output), S("MAIL\r\nRCPT 7\r\n"));
    assert_int_equal(channel_bytes_out(c), output.n);
    /* the peer takes 1,024 bytes in all */
    char text[2048] = "";
    assert_int_equal(channel_write(c, slice(text, sizeof text), 0), CHANNEL_OK);
    assert_int_equal(channel_flush(c, 0), CHANNEL_TIMEOUT);
    assert_int_equal(output.n, 1024);
    done(c, &output);
    c = over(S(""), 0, false, &output);
    for (size_t i = 0; i <= CHANNEL_OUTPUT_MAX / sizeof text; i++)
        channel_put(c, slice(text, sizeof text));
    assert_int_equal(channel_flush(c, 0), CHANNEL_BROKEN);
    done(c, &output);
}

/* ---- over sockets ---- */

struct ends {
    struct channel *ours;
    int theirs;
};

static struct ends connected(void)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    struct ends e = {channel_create(stream_socket(fds[0]), fds[0], LINE), fds[1]};
    CHECK(e.ours);
    return e;
}

static void part(struct ends *e)
{
    channel_destroy(e->ours);
    close(e->theirs);
}

static void run_time(void *arg)
{
    struct ends e = connected();
    struct slice line;
    CHECK(send(e.theirs, "ha", 2, 0) == 2);
    deadline until = deadline_in(20 * CLOCK_MS);
    CHECK(channel_line(e.ours, LINE, CHANNEL_REFUSE, &line, until) == CHANNEL_TIMEOUT);
    CHECK(clock_now() >= until);
    CHECK(send(e.theirs, "lf\r\n", 4, 0) == 4);
    CHECK(channel_line(e.ours, LINE, CHANNEL_REFUSE, &line, deadline_in(20 * CLOCK_SEC)) ==
          CHANNEL_OK);
    CHECK(slice_eq(line, S("half")));
    part(&e);
}

/* The peer takes nothing: the deadline holds; it speaks: a flush may be interrupted, what it said
 * is there. */
static void run_pressure(void *arg)
{
    struct ends e = connected();
    static char big[CHANNEL_OUTPUT_MAX];
    enum channel_result r;
    struct slice line;
    uint64_t before;
    do { /* a slow machine's time may be over before the socket is full */
        before = channel_bytes_out(e.ours);
        r = channel_write(e.ours, slice(big, sizeof big), deadline_in(20 * CLOCK_MS));
    } while (r == CHANNEL_OK || channel_bytes_out(e.ours) != before);
    CHECK(r == CHANNEL_TIMEOUT);
    CHECK(send(e.theirs, "552 no\r\n", 8, 0) == 8);
    CHECK(channel_flush(e.ours, deadline_in(20 * CLOCK_MS)) == CHANNEL_TIMEOUT);
    CHECK(channel_unread(e.ours).n == 8);
    channel_set_interrupt(e.ours, true);
    CHECK(send(e.theirs, "more\r\n", 6, 0) == 6);
    CHECK(channel_flush(e.ours, deadline_in(20 * CLOCK_SEC)) == CHANNEL_INPUT);
    CHECK(channel_line(e.ours, LINE, CHANNEL_REFUSE, &line, 0) == CHANNEL_OK);
    CHECK(slice_eq(line, S("552 no")));
    close(e.theirs);
    CHECK(channel_flush(e.ours, deadline_in(20 * CLOCK_SEC)) == CHANNEL_BROKEN);
    CHECK(channel_line(e.ours, LINE, CHANNEL_REFUSE, &line, 0) == CHANNEL_OK);
    channel_destroy(e.ours);
}

static void wait_for_line(void *arg)
{
    struct ends *e = arg;
    struct slice line;
    CHECK(channel_line(e->ours, LINE, CHANNEL_REFUSE, &line, DEADLINE_NEVER) == CHANNEL_CANCELLED);
}

static void run_cancelled(void *arg)
{
    struct ends e = connected();
    struct scope s;
    scope_init(&s);
    CHECK(scope_spawn(&s, TASK_NORMAL, wait_for_line, &e));
    task_sleep(deadline_in(5 * CLOCK_MS));
    scope_close(&s);
    part(&e);
}

static void time_runs(void **state)
{
    run_on(1, run_time, NULL);
}
static void pressure(void **state)
{
    run_on(1, run_pressure, NULL);
}
static void cancelled(void **state)
{
    run_on(1, run_cancelled, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(huge_line),
        cmocka_unit_test(bytes),
        cmocka_unit_test(limit),
        cmocka_unit_test(waits),
        cmocka_unit_test(gathered),
        cmocka_unit_test(time_runs),
        cmocka_unit_test(pressure),
        cmocka_unit_test(cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
