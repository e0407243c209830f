#include "port/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMES_MAX ((size_t)50 * 1000 * 1000)

int tree_open_folder(int root, const char *path)
{
    int at = dup(root);
    struct slice rest = slice_str(path);
    for (int depth = 0; at >= 0 && rest.n; depth++) {
        char level[FOLDER_FILE_MAX + 1];
        int below = -1;
        if (depth < TREE_DEPTH && slice_to_cstr(slice_cut(&rest, '/'), level, sizeof level))
            below = openat(at, level, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        else
            errno = ENAMETOOLONG;
        int error = errno;
        close(at);
        errno = error;
        at = below;
    }
    return at;
}

int tree_open_file(int folder, const char *name, struct stat *st)
{
    /* A FIFO is opened without waiting for its other end, and then refused. */
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

bool tree_has_folder(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool add(struct tree_names *names, size_t *room, const char *name)
{
    if (names->n == *room) {
        size_t more = *room ? 2 * *room : 64;
        char **grown = more <= NAMES_MAX ? realloc(names->names, more * sizeof *grown) : NULL;
        if (!grown)
            return false;
        names->names = grown;
        *room = more;
    }
    names->names[names->n] = strdup(name);
    return names->names[names->n++] != NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool tree_names(int folder, struct tree_names *names)
{
    size_t room = 0;
    struct dirent *e;
    *names = (struct tree_names){0};
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok = true;
    errno = 0;
    while (ok && (e = readdir(dir)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            ok = add(names, &room, e->d_name);
    ok = ok && !errno;
    closedir(dir);
    if (names->n)
        qsort(names->names, names->n, sizeof *names->names, by_bytes);
    if (!ok)
        tree_names_free(names);
    return ok;
}

void tree_names_free(struct tree_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct tree_names){0};
}
