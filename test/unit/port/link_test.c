/* A link over a pair of sockets; the test is the other side. */
#include "admin/frame.h"
#include "port/link.h"
#include "unit/unit.h"
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static int other;
static struct link l;

static int setup(void **state)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return -1;
    other = ends[1];
    link_init(&l, ends[0]);
    return 0;
}

static int teardown(void **state)
{
    link_finish(&l);
    if (other >= 0)
        close(other);
    return 0;
}

static void say(json_t *value)
{
    struct buffer b;
    buffer_init(&b, FRAME_MAX + FRAME_HEAD);
    assert_true(frame_write(value, &b));
    assert_int_equal(write(other, b.p, b.n), (ssize_t)b.n);
    buffer_finish(&b);
}

static void say_raw(struct slice bytes)
{
    char head[FRAME_HEAD];
    frame_raw_head(bytes.n, head);
    assert_int_equal(write(other, head, sizeof head), sizeof head);
    assert_int_equal(write(other, bytes.p, bytes.n), (ssize_t)bytes.n);
}

static void frames_in_order(void **state)
{
    json_t *row = NULL;
    struct slice raw;
    assert_int_equal(link_next(&l, false, &row, &raw), LINK_NONE);
    say(json_pack("{s:{s:i}}", "row", "a", 1));
    say_raw(S("bytes\0."));
    say(json_pack("{s:i, s:s}", "exit", 3, "why", "so"));
    assert_int_equal(link_next(&l, true, &row, &raw), LINK_ROW);
    assert_int_equal(json_integer_value(json_object_get(row, "a")), 1);
    json_decref(row);
    assert_int_equal(link_next(&l, true, &row, &raw), LINK_RAW);
    assert_slice(raw, S("bytes\0."));
    assert_int_equal(link_next(&l, true, &row, &raw), LINK_END);
    assert_true(l.ended && !l.lost && l.answer.exit == 3);
    assert_string_equal(l.answer.why, "so");
    assert_int_equal(link_next(&l, true, &row, &raw), LINK_END);
}

static void lost(void **state)
{
    json_t *row = NULL;
    struct slice raw;
    say(json_pack("{s:{}}", "row"));
    close(other);
    other = -1;
    assert_int_equal(link_next(&l, true, &row, &raw), LINK_ROW); /* what it said before */
    json_decref(row);
    assert_int_equal(link_next(&l, true, &row, &raw), LINK_END);
    assert_true(l.lost && !l.ended);
    assert_false(link_put(&l, json_object()));
}

static void nonsense(void **state)
{
    static const struct slice bad[] = {S("\xff\xff\xff\xff"), S("\0\0\0\2[]"), S("\0\0\0\1{"),
        S("\0\0\0\2{}"), S("\0\0\0\x9{\"row\":1}"), S("\x80\1\0\1")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *row = NULL;
        struct slice raw;
        assert_int_equal(write(other, bad[i].p, bad[i].n), (ssize_t)bad[i].n);
        assert_int_equal(link_next(&l, true, &row, &raw), LINK_END);
        assert_true(l.lost);
        teardown(NULL);
        assert_int_equal(setup(NULL), 0);
    }
}

/* The other side says much and reads only when all of that is gone: neither waits for ever. */
#define ROWS 20000

static void *talk_first(void *arg)
{
    char bytes[4096];
    for (int i = 0; i < ROWS; i++)
        say(json_pack("{s:{s:i}}", "row", "n", i));
    ssize_t n, all = 0;
    while (all < (ssize_t)(100 * (FRAME_HEAD + FRAME_RAW_MAX)) &&
           (n = read(other, bytes, sizeof bytes)) > 0)
        all += n;
    say(json_pack("{s:i}", "exit", 0));
    return NULL;
}

static void both_at_once(void **state)
{
    static char bytes[FRAME_RAW_MAX];
    pthread_t thread;
    json_t *row = NULL;
    struct slice raw;
    int rows = 0;
    assert_int_equal(pthread_create(&thread, NULL, talk_first, NULL), 0);
    for (int i = 0; i < 100; i++)
        assert_true(link_put_raw(&l, slice(bytes, sizeof bytes)));
    while (link_next(&l, true, &row, &raw) == LINK_ROW) {
        assert_int_equal(json_integer_value(json_object_get(row, "n")), rows++);
        json_decref(row);
    }
    assert_true(rows == ROWS && l.ended);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(lost, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense, setup, teardown),
        cmocka_unit_test_setup_teardown(both_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
