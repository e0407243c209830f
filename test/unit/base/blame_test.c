#include "base/blame.h"
#include "base/clock.h"
#include "unit/unit.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t offset;

static int64_t later(void)
{
    return 1000000 + offset;
}

/* A process that dies of the signal while it works on this. */
static void die(struct blame_board *b, uint64_t peer, uint64_t work, int signal)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        blame_watch(b);
        if (!blame_thread_start())
            _exit(1);
        blame_now = (struct blame){.peer = peer, .work = work, .name = "192.0.2.7"};
        if (signal == SIGABRT)
            abort();
        raise(signal);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signal);
}

static void two_crashes_list_peer_and_work(void **state)
{
    static const struct clock_source source = {.now = later, .wall = later};
    char name[BLAME_TEXT] = "";
    struct blame_board *b = blame_board_create();
    assert_non_null(b);
    assert_false(blame_count(b, name)); /* nothing was noted */
    clock_set(&source);
    die(b, 77, 5, SIGSEGV);
    assert_false(blame_count(b, name));
    die(b, 78, 6, SIGBUS); /* others do not count together */
    assert_false(blame_count(b, name));
    die(b, 77, 0, SIGABRT);
    assert_true(blame_count(b, name));
    assert_string_equal(name, "192.0.2.7");
    assert_false(blame_count(b, name)); /* counted once */
    blame_watch(b);
    assert_true(blame_peer_listed(77));
    assert_false(blame_peer_listed(78));
    assert_false(blame_work_listed(77)); /* another kind */
    assert_false(blame_work_listed(5));
    assert_false(blame_peer_listed(0));
    die(b, 0, 5, SIGFPE);
    assert_true(blame_count(b, name));
    assert_true(blame_work_listed(5));
    offset = BLAME_TIME; /* it is over after 10 minutes */
    assert_false(blame_peer_listed(77));
    clock_set(NULL);
    blame_watch(NULL);
    assert_false(blame_work_listed(5)); /* without a board nothing is */
    blame_board_destroy(b);
}

static void who_kills_again_is_listed_again(void **state)
{
    static const struct clock_source source = {.now = later, .wall = later};
    char name[BLAME_TEXT];
    struct blame_board *b = blame_board_create();
    offset = 0;
    clock_set(&source);
    die(b, 77, 0, SIGSEGV);
    assert_false(blame_count(b, name));
    die(b, 77, 0, SIGSEGV);
    assert_true(blame_count(b, name));
    offset = BLAME_TIME;
    blame_watch(b);
    assert_false(blame_peer_listed(77));
    die(b, 77, 0, SIGSEGV);
    assert_true(blame_count(b, name));
    assert_true(blame_peer_listed(77)); /* although an entry of it is over */
    clock_set(NULL);
    blame_watch(NULL);
    blame_board_destroy(b);
}

static void an_idle_thread_blames_nobody(void **state)
{
    char name[BLAME_TEXT];
    struct blame_board *b = blame_board_create();
    for (int i = 0; i < 3; i++) {
        die(b, 0, 0, SIGSEGV);
        assert_false(blame_count(b, name));
    }
    blame_board_destroy(b);
}

static void the_board_is_bounded(void **state)
{
    char name[BLAME_TEXT];
    struct blame_board *b = blame_board_create();
    die(b, 1, 0, SIGSEGV);
    assert_false(blame_count(b, name));
    for (uint64_t i = 0; i < BLAME_SUSPECTS; i++) {
        die(b, 1000 + i, 0, SIGSEGV);
        assert_false(blame_count(b, name));
    }
    die(b, 1, 0, SIGSEGV); /* forgotten meanwhile */
    assert_false(blame_count(b, name));
    blame_board_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_crashes_list_peer_and_work),
        cmocka_unit_test(who_kills_again_is_listed_again),
        cmocka_unit_test(an_idle_thread_blames_nobody),
        cmocka_unit_test(the_board_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
