#include "base/log.h"
#include "base/log_private.h"
#include "unit/unit.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define WALL INT64_C(1700000000123456) /* 2023-11-14T22:13:20.123456Z */

static char line[LOG_LINE_MAX];

static struct slice format(enum log_format format, const struct log_field *fields, size_t n)
{
    return slice(
        line, log_format_line(line, format, WALL, LOG_INFO, "message accepted", fields, n));
}

static void logfmt_quotes_only_when_needed(void **state)
{
    const struct log_field fields[] = {{0}, log_text("from", "a@b.example"), log_int("size", -12),
        log_real("share", 0.25), log_text("reply", "250 ok"), log_text("none", "")};
    assert_slice(format(LOG_LOGFMT, fields, 6),
        S("time=2023-11-14T22:13:20.123Z level=info event=\"message accepted\" from=a@b.example"
          " size=-12 share=0.25 reply=\"250 ok\" none=\"\"\n"));
}

static void json_is_one_object(void **state)
{
    const struct log_field fields[] = {
        {0}, log_text("from", "a@b.example"), log_int("size", 12), log_real("rate", 1.0 / 0.0)};
    assert_slice(format(LOG_JSON, fields, 4),
        S("{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\","
          "\"event\":\"message accepted\",\"from\":\"a@b.example\",\"size\":12,\"rate\":null}\n"));
}

static void hostile_values_cannot_forge_a_line(void **state)
{
    const struct log_field fields[] = {
        log_slice("v", S("a\r\nlevel=error\x1b[2J\"\\\0\x7f\xc2\x85\xff\xe2\x80\xae \xc3\xa9"))};
    assert_slice(format(LOG_LOGFMT, fields, 1),
        S("time=2023-11-14T22:13:20.123Z level=info event=\"message accepted\" "
          "v=\"a\\r\\nlevel=error\\u001b[2J\\\"\\\\\\u0000\\u007f\\u0085\\ufffd\\u202e \xc3\xa9\""
          "\n"));
}

static void a_value_with_equals_or_quote_is_quoted(void **state)
{
    const struct log_field fields[] = {
        log_text("a", "x=y"), log_text("b", "\""), log_text("c", "é")};
    struct slice got = format(LOG_LOGFMT, fields, 3);
    assert_true(slice_ends(got, S(" a=\"x=y\" b=\"\\\"\" c=é\n")));
}

static void a_long_line_is_cut_and_well_formed(void **state)
{
    static char big[2 * LOG_LINE_MAX];
    memset(big, '\n', sizeof big);
    const struct log_field fields[] = {
        log_slice("a", slice(big, sizeof big)), log_text("b", "never")};
    for (int json = 0; json < 2; json++) {
        struct slice got = format(json ? LOG_JSON : LOG_LOGFMT, fields, 2);
        assert_true(got.n <= LOG_LINE_MAX && got.n > LOG_LINE_MAX - 40);
        assert_true(slice_ends(got, json ? S("\\n\",\"cut\":true}\n") : S("\\n\" cut=true\n")));
        assert_int_equal(slice_find(got, '\n'), got.n - 1);
    }
}

static void a_line_that_just_fits_is_not_cut(void **state)
{
    static char big[LOG_LINE_MAX];
    memset(big, 'x', sizeof big);
    struct log_field field = log_slice("a", slice(big, 1));
    size_t room = LOG_LINE_MAX - 32 - (format(LOG_LOGFMT, &field, 1).n - 1) + 1;
    field.text.n = room;
    assert_true(slice_ends(format(LOG_LOGFMT, &field, 1), S("xx\n")));
    field.text.n = room + 1;
    assert_true(slice_ends(format(LOG_LOGFMT, &field, 1), S("xx cut=true\n")));
}

static void a_number_is_never_cut_in_half(void **state)
{
    static char big[LOG_LINE_MAX];
    memset(big, 'x', sizeof big);
    for (size_t n = 3900; n < LOG_LINE_MAX; n++) {
        const struct log_field fields[] = {log_slice("a", slice(big, n)), log_int("b", 1234567890)};
        struct slice got = format(LOG_LOGFMT, fields, 2);
        assert_true(slice_ends(got, S(" b=1234567890\n")) || slice_ends(got, S("x cut=true\n")));
    }
}

static void no_length_of_a_value_passes_the_end(void **state)
{
    static char big[LOG_LINE_MAX], guarded[LOG_LINE_MAX + 64];
    memset(big, ' ', sizeof big);
    for (int json = 0; json < 2; json++) {
        for (size_t n = 3800; n < LOG_LINE_MAX; n++) {
            const struct log_field fields[] = {log_slice("a", slice(big, n)), log_text("b", " "),
                log_text("c", " "), log_int("d", INT64_MIN)};
            memset(guarded, '#', sizeof guarded);
            size_t length = log_format_line(
                guarded, json ? LOG_JSON : LOG_LOGFMT, WALL, LOG_INFO, "event", fields, 4);
            assert_true(length <= LOG_LINE_MAX);
            assert_int_equal(guarded[length - 1], '\n');
            assert_int_equal(guarded[length], '#');
        }
    }
}

static void levels_are_parsed_and_filter(void **state)
{
    enum log_level level = LOG_DEBUG;
    assert_true(log_level_parse(S("warn"), &level));
    assert_int_equal(level, LOG_WARN);
    assert_false(log_level_parse(S("warning"), &level));
    assert_false(log_level_parse(S(""), &level));
    log_start(STDERR_FILENO, LOG_WARN, LOG_LOGFMT);
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_ERROR));
    log_stop();
}

/* Reads until the end; the caller has closed its writing end. */
static struct slice drain(int fd, char *into, size_t room)
{
    size_t n = 0;
    for (ssize_t got; n < room && (got = read(fd, into + n, room - n)) > 0;)
        n += (size_t)got;
    return slice(into, n);
}

static char text[4 << 20];

static void lines_reach_the_descriptor_in_order(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    log_start(ends[1], LOG_INFO, LOG_LOGFMT);
    for (int i = 0; i < 100; i++)
        log_info("tick", log_int("i", i));
    log_debug("hidden");
    log_stop();
    close(ends[1]);
    struct slice rest = drain(ends[0], text, sizeof text);
    close(ends[0]);
    for (int i = 0; i < 100; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "event=tick i=%d", i);
        assert_true(slice_ends(slice_cut(&rest, '\n'), slice_str(wanted)));
    }
    assert_int_equal(rest.n, 0);
}

struct reading {
    int fd;
    _Atomic size_t n;
};

static void *drain_thread(void *argument)
{
    struct reading *r = argument;
    for (ssize_t got; (got = read(r->fd, text + r->n, sizeof text - r->n)) > 0;)
        r->n += (size_t)got;
    return NULL;
}

/* Whole lines that came; *told: those of which it is said that they were lost. */
static uint64_t count_lines(const struct reading *r, uint64_t *told)
{
    uint64_t came = 0;
    *told = 0;
    for (struct slice rest = slice(text, r->n); slice_find(rest, '\n') != SLICE_NONE;) {
        struct slice one = slice_cut(&rest, '\n'), mark = S("event=\"log lines lost\" lines=");
        size_t at = slice_find_slice(one, mark);
        uint64_t n = 0;
        if (at == SLICE_NONE)
            came++;
        else
            assert_true(slice_to_u64(slice_from(one, at + mark.n), UINT32_MAX, &n));
        *told += n;
    }
    return came;
}

/* The pipe is full and nobody reads: callers go on, and the lines that found no room are told
 * exactly. */
static void lost_lines_are_counted_and_told(void **state)
{
    enum { SENT = 20000 };
    int ends[2];
    pthread_t reader;
    assert_int_equal(pipe(ends), 0);
    log_start(ends[1], LOG_INFO, LOG_LOGFMT);
    for (int i = 0; i < SENT; i++)
        log_info("flood", log_text("padding", "0123456789012345678901234567890123456789"));
    struct reading r = {.fd = ends[0]};
    uint64_t came, told;
    assert_int_equal(pthread_create(&reader, NULL, drain_thread, &r), 0);
    for (int turns = 0; (came = count_lines(&r, &told)) + told < SENT && turns < 6000; turns++)
        usleep(10000); /* log_stop waits for a second only */
    log_stop();
    close(ends[1]);
    pthread_join(reader, NULL);
    close(ends[0]);
    came = count_lines(&r, &told);
    assert_true(told > 0);
    assert_int_equal(came + told, SENT);
}

static void stopping_does_not_wait_for_a_blocked_pipe(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    log_start(ends[1], LOG_INFO, LOG_LOGFMT);
    for (int i = 0; i < 5000; i++)
        log_info("flood");
    alarm(60); /* the test dies when log_stop hangs */
    log_stop();
    alarm(0);
    close(ends[0]);
    close(ends[1]);
}

static void a_broken_pipe_kills_nobody(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    log_start(ends[1], LOG_INFO, LOG_LOGFMT);
    log_info("into the void");
    log_stop();
    close(ends[1]);
}

static void a_child_writes_by_itself(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    log_start(STDERR_FILENO, LOG_INFO, LOG_LOGFMT);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        log_info("child");
#ifndef __SANITIZE_THREAD__ /* which lets no child of a process with threads start one */
        log_start(ends[1], LOG_INFO, LOG_LOGFMT);
#endif
        log_info("grandly");
        log_stop();
        _exit(0);
    }
    close(ends[1]);
    struct slice got = drain(ends[0], text, sizeof text);
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    log_stop();
    assert_int_equal(status, 0);
    assert_int_not_equal(slice_find_slice(got, S("event=child\n")), SLICE_NONE);
    assert_int_not_equal(slice_find_slice(got, S("event=grandly\n")), SLICE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_quotes_only_when_needed),
        cmocka_unit_test(json_is_one_object),
        cmocka_unit_test(hostile_values_cannot_forge_a_line),
        cmocka_unit_test(a_value_with_equals_or_quote_is_quoted),
        cmocka_unit_test(a_long_line_is_cut_and_well_formed),
        cmocka_unit_test(a_line_that_just_fits_is_not_cut),
        cmocka_unit_test(a_number_is_never_cut_in_half),
        cmocka_unit_test(no_length_of_a_value_passes_the_end),
        cmocka_unit_test(levels_are_parsed_and_filter),
        cmocka_unit_test(lines_reach_the_descriptor_in_order),
        cmocka_unit_test(lost_lines_are_counted_and_told),
        cmocka_unit_test(stopping_does_not_wait_for_a_blocked_pipe),
        cmocka_unit_test(a_broken_pipe_kills_nobody),
        cmocka_unit_test(a_child_writes_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
