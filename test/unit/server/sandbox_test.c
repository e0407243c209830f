/* Each case in a child of its own: what it forbids stays forbidden. */
#include "server/sandbox.h"
#include "unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static char dir_path[] = "/tmp/barid-sandbox-XXXXXX";
static int dir;

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

/* The line of `fn` that did not hold; 0: all did. Lines are told by their last 7 bits. */
static int in_sandbox(int (*fn)(void))
{
    char why[256];
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(sandbox_enter(dir, why) ? fn() & 0x7f : 126);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}

#define HOLDS(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno));           \
            return __LINE__ % 100 + 1;                                                             \
        }                                                                                          \
    } while (0)

static int programs(void)
{
    char *argv[] = {NULL};
    HOLDS(execve("/bin/true", argv, argv) == -1 && errno == EPERM);
    HOLDS(syscall(SYS_execveat, dir, "x", argv, argv, 0) == -1 && errno == EPERM);
    HOLDS(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 && errno == EPERM);
    HOLDS(socket(AF_NETLINK, SOCK_RAW, 0) == -1 && errno == EPERM);
    HOLDS(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EPERM);
    HOLDS(chroot("/") == -1 && errno == EPERM);
    HOLDS(mknodat(dir, "node", S_IFIFO | 0600, 0) == -1 && errno == EPERM);
    return 0;
}

static void *thread(void *arg)
{
    char *argv[] = {NULL};
    *(int *)arg = execve("/bin/true", argv, argv) == -1 ? errno : 0;
    return NULL;
}

static int threads(void)
{
    pthread_t t;
    int error = 0;
    HOLDS(pthread_create(&t, NULL, thread, &error) == 0);
    HOLDS(pthread_join(t, NULL) == 0);
    HOLDS(error == EPERM);
    return 0;
}

/* What the worker needs goes on: files below data_dir, sockets. */
static int inside(void)
{
    char got[2];
    int fd = openat(dir, "file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    HOLDS(fd >= 0);
    HOLDS(write(fd, "x", 1) == 1 && pread(fd, got, 2, 0) == 1 && fsync(fd) == 0);
    HOLDS(ftruncate(fd, 0) == 0);
    HOLDS(mkdirat(dir, "folder", 0700) == 0);
    HOLDS(renameat(dir, "file", dir, "folder/other") == 0);
    HOLDS(unlinkat(dir, "folder/other", 0) == 0 && unlinkat(dir, "folder", AT_REMOVEDIR) == 0);
    HOLDS(socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    return 0;
}

static int outside(void)
{
    HOLDS(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
    HOLDS(openat(dir, "../../etc/passwd", O_RDONLY) == -1 && errno == EACCES);
    HOLDS(openat(dir, "link", O_RDONLY) == -1 && errno == EACCES);
    HOLDS(open("/tmp/barid-sandbox-no", O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES);
    HOLDS(open("/proc/self/environ", O_RDONLY) == -1);
    return 0;
}

static int setup(void **state)
{
    if (!mkdtemp(dir_path) || (dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    return symlinkat("/etc/passwd", dir, "link");
}

static int teardown(void **state)
{
    unlinkat(dir, "link", 0);
    close(dir);
    return rmdir(dir_path);
}

static void test_programs(void **state)
{
    assert_int_equal(in_sandbox(programs), 0);
}

static void test_threads(void **state)
{
    assert_int_equal(in_sandbox(threads), 0);
}

static void test_inside(void **state)
{
    assert_int_equal(in_sandbox(inside), 0);
}

static void test_outside(void **state)
{
    if (!has_landlock())
        skip();
    assert_int_equal(in_sandbox(outside), 0);
}

int main(void)
{
    if (unit_on_valgrind()) /* which opens files of its own at the end of each process */
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_outside),
    };
    if (SANITIZED) /* their runtime opens /proc, and forks with threads */
        return 0;
    return cmocka_run_group_tests(tests, setup, teardown);
}
