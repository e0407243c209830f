/* Both names of each call are defined here, the old and the one with 64. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR 512

static struct shim_state *state;
static pid_t first; /* the process that was started: the supervisor */

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("CRASH_STATE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    first = getpid();
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return;
    state = p;
    if (getenv("CRASH_JOURNAL"))
        journal_open(getenv("CRASH_JOURNAL"));
}

/* Only the worker's own files: never its log, sockets or eventfds. */
static bool counts(int fd)
{
    struct stat st;
    if (!state || (getpid() == first) != atomic_load(&state->alone))
        return false;
    return fd > 2 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static _Noreturn void die(void)
{
    for (;;)
        kill(getpid(), SIGKILL);
}

/* What is to be done to this call. */
static enum shim_action decide(enum shim_kind kind)
{
    if (!(atomic_load(&state->kinds) & (uint32_t)kind))
        return SHIM_COUNT;
    uint64_t call = atomic_fetch_add(&state->calls, 1) + 1;
    if (call < SHIM_TRACE)
        state->trace[call] = (uint8_t)kind;
    uint64_t at = atomic_load(&state->at);
    if (at == 0 || call < at || call > atomic_load(&state->last))
        return SHIM_COUNT;
    atomic_store(&state->fired_kind, (uint32_t)kind);
    atomic_fetch_add(&state->fired, 1);
    return (enum shim_action)atomic_load(&state->action);
}

/* True: go on with the call. False: it fails, errno is set. */
static bool before(enum shim_action action)
{
    if (action == SHIM_KILL_BEFORE || action == SHIM_TORN)
        die();
    if (action != SHIM_FAIL)
        return true;
    errno = (int)atomic_load(&state->error);
    return false;
}

static void after(enum shim_action action)
{
    int error = errno;
    if (action == SHIM_KILL_AFTER)
        die();
    errno = error;
}

/* ---- writes ---- */

static size_t total(const struct iovec *parts, int count)
{
    size_t n = 0;
    for (int i = 0; i < count; i++)
        n += parts[i].iov_len;
    return n;
}

static ssize_t write_first(int fd, const struct iovec *parts, int count, uint64_t at, size_t n)
{
    size_t done = 0;
    for (int i = 0; i < count && done < n; i++) {
        size_t part = parts[i].iov_len < n - done ? parts[i].iov_len : n - done;
        ssize_t wrote = syscall(SYS_pwrite64, fd, parts[i].iov_base, part, (off_t)(at + done));
        if (wrote < 0)
            return done ? (ssize_t)done : -1;
        done += (size_t)wrote;
        if ((size_t)wrote < part)
            break;
    }
    return (ssize_t)done;
}

/* at -1: at the place of the descriptor, which is moved. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, int64_t at)
{
    enum shim_action action = decide(SHIM_WRITE);
    size_t n = total(parts, count);
    uint64_t start = at >= 0 ? (uint64_t)at : (uint64_t)lseek(fd, 0, SEEK_CUR);
    if (action == SHIM_TORN) {
        uint64_t end = start + n * atomic_load(&state->torn) / 1000;
        end -= end % SECTOR;
        if (end > start) {
            journal_change(fd, 'w', start, end - start);
            write_first(fd, parts, count, start, (size_t)(end - start));
            journal_made();
        }
    }
    if (!before(action))
        return -1;
    if (action == SHIM_SHORT)
        n /= 2;
    journal_change(fd, 'w', start, n);
    ssize_t wrote = write_first(fd, parts, count, start, n);
    journal_made();
    if (at < 0 && wrote > 0)
        lseek(fd, wrote, SEEK_CUR);
    after(action);
    return wrote;
}

ssize_t write(int fd, const void *p, size_t n)
{
    const struct iovec part = {(void *)(uintptr_t)p, n};
    return counts(fd) ? write_parts(fd, &part, 1, -1) : syscall(SYS_write, fd, p, n);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return counts(fd) ? write_parts(fd, parts, count, -1) : syscall(SYS_writev, fd, parts, count);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    const struct iovec part = {(void *)(uintptr_t)p, n};
    return counts(fd) ? write_parts(fd, &part, 1, at) : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    return counts(fd) ? write_parts(fd, parts, count, at)
                      : syscall(SYS_pwritev, fd, parts, count, at, 0);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at) __attribute__((alias("pwrite")));
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at)
    __attribute__((alias("pwritev")));

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
    enum shim_action action = counts(fd) ? decide(SHIM_READ) : SHIM_COUNT;
    return before(action) ? syscall(SYS_pread64, fd, p, n, at) : -1;
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    enum shim_action action = counts(fd) ? decide(SHIM_READ) : SHIM_COUNT;
    return before(action) ? syscall(SYS_preadv2, fd, parts, count, at, 0, flags) : -1;
}

ssize_t pread64(int fd, void *p, size_t n, off_t at) __attribute__((alias("pread")));
ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off_t at, int flags)
    __attribute__((alias("preadv2")));

/* ---- syncs and sizes ---- */

static int sync_file(int fd, long number)
{
    if (!counts(fd))
        return (int)syscall(number, fd);
    enum shim_action action = decide(SHIM_SYNC);
    uint64_t mark = journal_mark();
    if (!before(action))
        return -1;
    if (action == SHIM_LIE)
        return 0;
    int result = (int)syscall(number, fd);
    if (result == 0)
        journal_synced(fd, mark);
    after(action);
    return result;
}

int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

int ftruncate(int fd, off_t size)
{
    if (!counts(fd))
        return (int)syscall(SYS_ftruncate, fd, size);
    enum shim_action action = decide(SHIM_TRUNCATE);
    if (!before(action))
        return -1;
    journal_change(fd, 't', (uint64_t)size, 0);
    int result = (int)syscall(SYS_ftruncate, fd, size);
    journal_made();
    after(action);
    return result;
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
    if (!counts(fd))
        return (int)syscall(SYS_fallocate, fd, mode, at, n);
    enum shim_action action = decide(SHIM_ALLOCATE);
    if (!before(action))
        return -1;
    int result = (int)syscall(SYS_fallocate, fd, mode, at, n);
    after(action);
    return result;
}

int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));
int fallocate64(int fd, int mode, off_t at, off_t n) __attribute__((alias("fallocate")));

/* ---- names ---- */

static int change_name(long number, long a, long b, long c, long d, long e)
{
    struct stat st;
    bool ours = state && (getpid() == first) == atomic_load(&state->alone) &&
                (a == AT_FDCWD || fstat((int)a, &st) == 0);
    enum shim_action action = ours ? decide(SHIM_NAME) : SHIM_COUNT;
    if (!before(action))
        return -1;
    int result = (int)syscall(number, a, b, c, d, e);
    after(action);
    return result;
}

int unlinkat(int dir, const char *name, int flags)
{
    return change_name(SYS_unlinkat, dir, (long)name, flags, 0, 0);
}

int unlink(const char *name)
{
    return change_name(SYS_unlinkat, AT_FDCWD, (long)name, 0, 0, 0);
}

int renameat(int from, const char *old, int to, const char *name)
{
    return change_name(SYS_renameat2, from, (long)old, to, (long)name, 0);
}

int rename(const char *old, const char *name)
{
    return change_name(SYS_renameat2, AT_FDCWD, (long)old, AT_FDCWD, (long)name, 0);
}

int linkat(int from, const char *old, int to, const char *name, int flags)
{
    return change_name(SYS_linkat, from, (long)old, to, (long)name, flags);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
    return change_name(SYS_mkdirat, dir, (long)name, (long)mode, 0, 0);
}

static int create(int dir, const char *name, int flags, mode_t mode)
{
    struct stat st;
    bool fresh = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0;
    enum shim_action action = decide(SHIM_CREATE);
    if (!before(action))
        return -1;
    int fd = (int)syscall(SYS_openat, dir, name, flags, mode);
    if (fd >= 0 && fresh)
        journal_created(dir, name, fd);
    after(action);
    return fd;
}

int openat(int dir, const char *name, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    if (state && (flags & O_CREAT) && (getpid() == first) == atomic_load(&state->alone))
        return create(dir, name, flags, mode);
    return (int)syscall(SYS_openat, dir, name, flags, mode);
}

int openat64(int dir, const char *name, int flags, ...) __attribute__((alias("openat")));

/* ---- the supervisor dies with its worker ---- */

pid_t waitpid(pid_t pid, int *status, int options)
{
    pid_t got = (pid_t)syscall(SYS_wait4, pid, status, options, NULL);
    bool killing = state && atomic_load(&state->action) >= SHIM_KILL_BEFORE &&
                   atomic_load(&state->action) <= SHIM_TORN;
    if (got > 0 && killing && atomic_load(&state->fired) && !atomic_load(&state->spare))
        die();
    return got;
}
