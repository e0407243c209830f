/* Records, each a line of text and then the bytes it tells of:
 *   w DEVICE INODE OFFSET LENGTH SIZE OLD\n   a write; SIZE: of the file before; OLD bytes follow
 *   t DEVICE INODE SIZE 0 OLDSIZE 0\n         a change of the size
 *   s DEVICE INODE MARK 0 0 0\n               synced: all records before byte MARK of the journal
 *   c DEVICE INODE FOLDER N 0 N\n             a name (N bytes follow) made in the folder with that
 * inode
 */
#include "shim.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t length;

void journal_open(const char *path)
{
    journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    off_t end = journal >= 0 ? lseek(journal, 0, SEEK_END) : 0;
    atomic_store(&length, (uint64_t)(end > 0 ? end : 0));
}

static void put(const void *p, size_t n)
{
    if (syscall(SYS_write, journal, p, n) != (long)n)
        abort();
    atomic_fetch_add(&length, n);
}

/* Text and bytes in one write, so that a kill leaves whole records. */
static void record(char op, int fd, uint64_t a, uint64_t b, uint64_t size, const void *p, size_t n)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return;
    char *text = malloc(160 + n);
    if (!text)
        abort();
    int head = snprintf(text, 160, "%c %llu %llu %llu %llu %llu %llu\n", op,
        (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, (unsigned long long)a,
        (unsigned long long)b, (unsigned long long)size, (unsigned long long)n);
    for (size_t i = 0; i < n; i++)
        text[head + (int)i] = ((const char *)p)[i];
    put(text, (size_t)head + n);
    free(text);
}

/* A descriptor with O_DSYNC: its write is durable by itself. */
static bool lasting(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || (flags & O_DSYNC) || (flags & O_ACCMODE) == O_WRONLY;
}

void journal_change(int fd, char op, uint64_t at, uint64_t n)
{
    struct stat st;
    if (journal < 0)
        return;
    pthread_mutex_lock(&lock);
    if (lasting(fd) || fstat(fd, &st) != 0 || st.st_nlink == 0)
        return;
    uint64_t size = (uint64_t)st.st_size;
    size_t old = op != 'w' || at >= size ? 0 : size - at < n ? (size_t)(size - at) : (size_t)n;
    char *bytes = malloc(old + 1);
    if (!bytes || syscall(SYS_pread64, fd, bytes, old, at) != (long)old)
        abort();
    record(op, fd, at, n, size, bytes, old);
    free(bytes);
}

void journal_made(void)
{
    if (journal >= 0)
        pthread_mutex_unlock(&lock);
}

uint64_t journal_mark(void)
{
    return atomic_load(&length);
}

void journal_synced(int fd, uint64_t mark)
{
    if (journal < 0)
        return;
    pthread_mutex_lock(&lock);
    record('s', fd, mark, 0, 0, "", 0);
    pthread_mutex_unlock(&lock);
}

void journal_created(int dirfd, const char *name, int fd)
{
    struct stat st;
    if (journal < 0 || (dirfd == AT_FDCWD ? stat(".", &st) : fstat(dirfd, &st)) != 0)
        return;
    size_t n = 0;
    while (name[n])
        n++;
    pthread_mutex_lock(&lock);
    record('c', fd, (uint64_t)st.st_ino, 0, 0, name, n);
    pthread_mutex_unlock(&lock);
}
