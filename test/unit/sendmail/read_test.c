#include "sendmail/read.h"
#include "unit/unit.h"
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static struct sendmail_message message;
static char why[SENDMAIL_WHY];
static int ends[2];
static size_t wanted;

static void *write_letters(void *arg)
{
    static char block[4096];
    memset(block, 'x', sizeof block);
    for (size_t left = wanted; left;) {
        ssize_t n = write(ends[1], block, left < sizeof block ? left : sizeof block);
        assert_true(n > 0);
        left -= (size_t)n;
    }
    close(ends[1]);
    return NULL;
}

/* n letters through a pipe; how many come back from the file. */
static uint64_t pass(size_t n)
{
    pthread_t writer;
    struct slice piece;
    uint64_t back = 0;
    wanted = n;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_letters, NULL), 0);
    sendmail_read_init(&message);
    assert_int_equal(sendmail_read(&message, ends[0], true, why), SENDMAIL_OK);
    pthread_join(writer, NULL);
    close(ends[0]);
    assert_true(message.size == n);
    do {
        assert_true(sendmail_read_back(&message, &piece));
        for (size_t i = 0; i < piece.n; i++)
            assert_true(piece.p[i] == 'x');
        back += piece.n;
    } while (piece.n);
    return back;
}

static void large_ones_go_to_a_file(void **state)
{
    assert_int_equal(pass(SENDMAIL_MEMORY_MAX), 0);
    assert_int_equal(message.fd, -1);
    sendmail_read_finish(&message);
    assert_int_equal(pass(SENDMAIL_MEMORY_MAX + 1), 1);
    sendmail_read_finish(&message);
    assert_int_equal(pass(SENDMAIL_MEMORY_MAX + 3000000), 3000000);
    assert_int_equal(message.memory.n, SENDMAIL_MEMORY_MAX);
    sendmail_read_finish(&message);
}

static void a_dot_ends(void **state)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "a\n.\nb\n", 6), 6);
    sendmail_read_init(&message);
    assert_int_equal(sendmail_read(&message, ends[0], false, why), SENDMAIL_OK);
    assert_slice(buffer_slice(&message.memory), S("a\n"));
    sendmail_read_finish(&message);
    close(ends[0]);
    sendmail_read_init(&message);
    assert_int_equal(sendmail_read(&message, ends[0], false, why), SENDMAIL_DATA);
    assert_true(*why);
    sendmail_read_finish(&message);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_ones_go_to_a_file),
        cmocka_unit_test(a_dot_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
