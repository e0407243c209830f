#include "base/log.h"
#include "store/engine/commit_private.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FORMAT_LINE "barid store 1\n"
#define NO_SPACE    ((uint64_t)1024 * 1024)

static bool refuse(enum store_open_error *error, enum store_open_error which, char why[512],
    const char *what, const char *detail)
{
    *error = which;
    snprintf(why, 512, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
    return false;
}

static bool refuse_errno(enum store_open_error *error, char why[512], const char *what)
{
    int e = errno;
    bool denied = e == EACCES || e == EPERM || e == EROFS || e == ELOOP;
    return refuse(error, denied ? STORE_OPEN_DENIED : STORE_OPEN_SYSTEM, why, what, strerror(e));
}

/* ---- the lock ---- */

static bool take_lock(struct lmdb *db, enum store_open_error *error, char why[512])
{
    int mode = db->read_only ? O_RDONLY : O_RDWR | O_CREAT;
    db->lock_fd = openat(db->dir, "lock", mode | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (db->lock_fd < 0)
        return refuse_errno(error, why, "data_dir/lock cannot be opened");
    char pid[24] = "";
    if (flock(db->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return refuse_errno(error, why, "data_dir/lock cannot be locked");
        ssize_t n = pread(db->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = 0;
        pid[strspn(pid, "0123456789")] = 0;
        *error = STORE_OPEN_LOCKED;
        snprintf(why, 512, "another process (pid %s) has the store open: stop it first",
            pid[0] ? pid : "unknown");
        return false;
    }
    if (db->read_only)
        return true;
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(db->lock_fd, 0) != 0 || pwrite(db->lock_fd, pid, (size_t)n, 0) != n)
        log_warn("store.lock.pid", log_text("error", strerror(errno))); /* only for the message */
    return true;
}

/* ---- the format ---- */

static bool check_format(struct lmdb *db, enum store_open_error *error, char why[512])
{
    char text[64] = "";
    int fd = openat(db->dir, "format", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT && !db->read_only) {
        db->fresh = true;
        return true;
    }
    if (fd < 0)
        return refuse_errno(error, why, "data_dir/format cannot be read");
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    if (strcmp(text, FORMAT_LINE) == 0)
        return true;
    unsigned version;
    if (sscanf(text, "barid store %u", &version) == 1 && version > LMDB_FORMAT) {
        *error = STORE_OPEN_FORMAT;
        snprintf(why, 512,
            "the store has format %u, this program knows formats up to %u: use a newer barid",
            version, (unsigned)LMDB_FORMAT);
        return false;
    }
    return refuse(error, STORE_OPEN_FORMAT, why,
        "data_dir/format does not say \"barid store 1\": this is not a store of barid", NULL);
}

bool home_seal(struct lmdb *db, enum store_open_error *error, char why[512])
{
    if (!db->fresh)
        return true;
    int fd =
        openat(db->dir, "format.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t n = sizeof FORMAT_LINE - 1;
    bool written = fd >= 0 && write(fd, FORMAT_LINE, n) == (ssize_t)n && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!written || renameat(db->dir, "format.new", db->dir, "format") != 0 || fsync(db->dir) != 0)
        return refuse_errno(error, why, "data_dir/format cannot be written");
    return true;
}

/* ---- folders ---- */

static bool make_folder(
    struct lmdb *db, const char *name, char why[512], enum store_open_error *error)
{
    struct stat st;
    if (!db->read_only && mkdirat(db->dir, name, 0700) != 0 && errno != EEXIST)
        return refuse_errno(error, why, "a folder cannot be made in data_dir");
    if (fstatat(db->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return refuse_errno(error, why, "a folder is missing in data_dir");
    if (!S_ISDIR(st.st_mode))
        return refuse(error, STORE_OPEN_DENIED, why, "in data_dir, this must be a folder", name);
    return true;
}

static bool check_owner(struct lmdb *db, enum store_open_error *error, char why[512])
{
    struct stat st;
    if (fstat(db->dir, &st) != 0)
        return refuse_errno(error, why, "data_dir cannot be read");
    if (!S_ISDIR(st.st_mode))
        return refuse(error, STORE_OPEN_DENIED, why, "data_dir is not a folder", NULL);
    if (st.st_uid != geteuid())
        return refuse(error, STORE_OPEN_DENIED, why,
            "data_dir belongs to another user: run as its owner", NULL);
    if (fstatat(db->dir, "data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
        return refuse(
            error, STORE_OPEN_DENIED, why, "data_dir/data.mdb is not an ordinary file", NULL);
    return true;
}

/* What a killed process left; bodies have no name there. */
static void empty_tmp(struct lmdb *db)
{
    int fd = openat(db->dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_type == DT_REG)
            unlinkat(fd, entry->d_name, 0);
    closedir(folder);
}

bool home_open(struct lmdb *db, enum store_open_error *error, char why[512])
{
    if (!check_owner(db, error, why) || !take_lock(db, error, why) ||
        !check_format(db, error, why) || !make_folder(db, "segments", why, error) ||
        !make_folder(db, "tmp", why, error))
        return false;
    db->segments_dir = openat(db->dir, "segments", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (db->segments_dir < 0)
        return refuse_errno(error, why, "data_dir/segments cannot be opened");
    if (!db->read_only)
        empty_tmp(db);
    return true;
}

bool home_forget_beginning(struct lmdb *db)
{
    if (!db->fresh || db->read_only)
        return false;
    int fd = openat(db->dir, "segments", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    bool empty = folder;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        empty &= !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
    if (!empty || unlinkat(db->dir, "data.mdb", 0) != 0)
        return false;
    log_warn(
        "store.began.again", log_text("reason", "the first start was cut off; nothing was kept"));
    return true;
}

void home_close(struct lmdb *db)
{
    if (db->segments_dir >= 0)
        close(db->segments_dir);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
}

/* ---- space ---- */

bool home_full(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG || error == MDB_MAP_FULL ||
           error == MDB_TXN_FULL;
}

/* Bytes that are free for us. */
static uint64_t space(const struct lmdb *db)
{
    struct statvfs vfs;
    return fstatvfs(db->dir, &vfs) == 0 ? (uint64_t)vfs.f_bavail * vfs.f_frsize : 0;
}

int home_commit_error(const struct lmdb *db, int error)
{
    return error == EIO && space(db) < NO_SPACE ? ENOSPC : error;
}

void home_ballast_drop(struct lmdb *db)
{
    if (atomic_exchange(&db->short_of_space, true))
        return;
    unlinkat(db->dir, "ballast", 0);
    log_error("store.space.short", log_text("effect", "no space left: only what deletes is taken"));
    keeper_hurry(db);
}

/* The blocks must be real: fallocate, and no ballast at all where it cannot be had. */
void home_ballast_make(struct lmdb *db)
{
    struct stat st;
    if (fstatat(db->dir, "ballast", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        (uint64_t)st.st_size == db->ballast_size) {
        atomic_store(&db->short_of_space, false);
        return;
    }
    if (space(db) < 2 * db->ballast_size)
        return;
    int fd =
        openat(db->dir, "ballast", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool made = fd >= 0 && fallocate(fd, 0, 0, (off_t)db->ballast_size) == 0;
    if (fd >= 0)
        close(fd);
    if (!made) {
        unlinkat(db->dir, "ballast", 0);
        return;
    }
    if (atomic_exchange(&db->short_of_space, false))
        log_info("store.space.back");
}
