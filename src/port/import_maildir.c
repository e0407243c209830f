/* Maildirs as a source: Maildir++ and nested folders, Dovecot's and Courier's. */
#include "port/import_private.h"
#include "port/maildir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)

/* ---- which folders there are ---- */

static bool is_maildir(int folder)
{
    return tree_has_folder(folder, "cur") || tree_has_folder(folder, "new");
}

static bool own_folder(const char *name)
{
    return !strcmp(name, "cur") || !strcmp(name, "new") || !strcmp(name, "tmp");
}

/* Folders whose path is still to be looked into. */
struct todo {
    char **paths;
    size_t n, room;
};

static bool push(struct todo *t, const char *parent, const char *name)
{
    char path[FOLDER_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s%s", parent, *parent ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof path || t->n >= IMPORT_FOLDERS)
        return false;
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        char **grown = realloc(t->paths, room * sizeof *grown);
        if (!grown)
            return false;
        t->paths = grown;
        t->room = room;
    }
    return (t->paths[t->n++] = strdup(path)) != NULL;
}

static void look_at_child(
    struct import *i, struct todo *t, int folder, const char *path, const char *name)
{
    char whole[FOLDER_PATH_MAX + FOLDER_FILE_MAX + 2];
    struct stat st;
    snprintf(whole, sizeof whole, "%s%s%s", path, *path ? "/" : "", name);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
        return;
    if (S_ISLNK(st.st_mode)) {
        /* It may lead anywhere; a file in between is none of ours. */
        struct stat target;
        if (fstatat(folder, name, &target, 0) == 0 && S_ISDIR(target.st_mode))
            import_problem(i, whole, "a symbolic link is not followed");
        return;
    }
    /* A hidden folder is one of Maildir++, which stand in its root. */
    if (!S_ISDIR(st.st_mode) || own_folder(name) || (name[0] == '.' && *path))
        return;
    if (!push(t, path, name))
        import_problem(i, whole, "too deep, or too many folders");
}

static void look_into(struct import *i, struct todo *t, const char *path)
{
    struct folder_name mailbox;
    struct tree_names names;
    int folder = tree_open_folder(i->root, path);
    if (folder < 0 || !tree_names(folder, &names)) {
        import_problem(i, path, strerror(errno));
        if (folder >= 0)
            close(folder);
        return;
    }
    if (is_maildir(folder)) {
        folder_to_mailbox(slice_str(path), true, &mailbox);
        if (!import_add_folder(i, path, &mailbox))
            import_problem(i, path, "too many folders");
    }
    for (size_t n = 0; n < names.n; n++)
        look_at_child(i, t, folder, path, names.names[n]);
    tree_names_free(&names);
    close(folder);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct import_folder *)a)->path, ((const struct import_folder *)b)->path);
}

bool import_maildir_scan(struct import *i)
{
    struct todo t = {0};
    if (!push(&t, "", "") && !t.n)
        return false;
    for (size_t n = 0; n < t.n; n++) {
        look_into(i, &t, t.paths[n]);
        free(t.paths[n]);
    }
    free(t.paths);
    if (i->folder_n)
        qsort(i->folders, i->folder_n, sizeof *i->folders, by_path);
    else
        snprintf(i->why, sizeof i->why,
            "%.300s is no Maildir: there is no folder with cur or new in it", i->options->path);
    return i->folder_n;
}

/* ---- the messages of a folder ---- */

struct file {
    char *name;
    bool fresh; /* in new/ */
    int64_t date, nanoseconds;
    uint64_t size;
};

struct files {
    struct file *files;
    size_t n, room;
};

static bool add_file(struct files *f, const struct file *one)
{
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 256;
        struct file *grown = realloc(f->files, room * sizeof *grown);
        if (!grown)
            return false;
        f->files = grown;
        f->room = room;
    }
    f->files[f->n++] = *one;
    return true;
}

static void list_files(struct import *i, int folder, const char *path, bool fresh, struct files *f)
{
    struct tree_names names;
    struct stat st;
    int sub =
        openat(folder, fresh ? "new" : "cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0 && errno == ENOENT)
        return;
    if (sub < 0 || !tree_names(sub, &names)) {
        import_problem(i, *path ? path : i->options->path, strerror(errno));
        if (sub >= 0)
            close(sub);
        return;
    }
    for (size_t n = 0; n < names.n; n++) {
        if (names.names[n][0] == '.' || fstatat(sub, names.names[n], &st, AT_SYMLINK_NOFOLLOW))
            continue;
        struct file one = {.name = strdup(names.names[n]),
            .fresh = fresh,
            .date = st.st_mtim.tv_sec,
            .nanoseconds = st.st_mtim.tv_nsec,
            .size = (uint64_t)st.st_size};
        if (!one.name || !add_file(f, &one)) {
            import_problem(i, names.names[n], "out of memory");
            free(one.name);
        }
    }
    tree_names_free(&names);
    close(sub);
}

/* By date, so that UIDs ascend as mail came. */
static int by_date(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    if (x->nanoseconds != y->nanoseconds)
        return x->nanoseconds < y->nanoseconds ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void list_folder(
    struct import *i, int folder, const struct import_folder *f, struct files *files)
{
    *files = (struct files){0};
    list_files(i, folder, f->path, false, files);
    list_files(i, folder, f->path, true, files);
    if (files->n)
        qsort(files->files, files->n, sizeof *files->files, by_date);
}

static void files_free(struct files *files)
{
    for (size_t n = 0; n < files->n; n++)
        free(files->files[n].name);
    free(files->files);
}

/* ---- sending ---- */

struct source {
    struct import *i;
    const struct import_folder *folder;
    int fd;
    struct maildir_keywords keywords;
    char *keywords_text;
    uint8_t ids[IMPORTED_ASK][IMPORTED_ID];
    bool there[IMPORTED_ASK];
    char piece[READ_SIZE];
};

static void read_keywords(struct source *s)
{
    struct stat st;
    int fd = tree_open_file(s->fd, "dovecot-keywords", &st);
    s->keywords_text = fd < 0 ? NULL : malloc(MAILDIR_KEYWORDS_FILE);
    ssize_t n = s->keywords_text ? read(fd, s->keywords_text, MAILDIR_KEYWORDS_FILE) : 0;
    maildir_keywords_parse(slice(s->keywords_text, n > 0 ? (size_t)n : 0), &s->keywords);
    if (fd >= 0)
        close(fd);
}

static void path_of(const struct source *s, const struct file *f, char out[1024])
{
    snprintf(out, 1024, "%s%s%s/%s", s->folder->path, *s->folder->path ? "/" : "",
        f->fresh ? "new" : "cur", f->name);
}

static void identity_of(const struct source *s, const struct file *f, uint8_t id[IMPORTED_ID])
{
    struct maildir_name name;
    maildir_name_parse(slice_str(f->name), &name);
    const struct slice parts[] = {S("maildir"), slice_str(s->folder->path), name.base};
    import_identity(parts, 3, id);
}

static size_t keywords_of(
    const struct source *s, const struct maildir_name *name, struct slice out[MAILDIR_KEYWORDS + 1])
{
    size_t n = 0;
    for (int k = 0; k < MAILDIR_KEYWORDS; k++)
        if (name->keywords & UINT32_C(1) << k && s->keywords.names[k].p)
            out[n++] = s->keywords.names[k];
    if (name->forwarded)
        out[n++] = S("$Forwarded");
    return n;
}

/* False: the import has stopped. */
static bool send_open(struct source *s, const struct import_item *item, int fd)
{
    ssize_t n = 0;
    bool ok = import_begin(s->i, item);
    while (ok && (n = read(fd, s->piece, sizeof s->piece)) > 0)
        ok = import_bytes(s->i, slice(s->piece, (size_t)n));
    int error = errno;
    if (ok && n < 0)
        import_problem(s->i, item->what, strerror(error));
    return import_end(s->i, n == 0) && ok;
}

static bool send_file(struct source *s, const struct file *f, const uint8_t id[IMPORTED_ID])
{
    char what[1024], path[FOLDER_FILE_MAX + 8];
    struct stat st;
    struct slice keywords[MAILDIR_KEYWORDS + 1];
    struct maildir_name name;
    path_of(s, f, what);
    snprintf(path, sizeof path, "%s/%s", f->fresh ? "new" : "cur", f->name);
    int sub = tree_open_folder(s->fd, f->fresh ? "new" : "cur");
    int fd = sub < 0 ? -1 : tree_open_file(sub, f->name, &st);
    int error = errno;
    if (sub >= 0)
        close(sub);
    if (fd < 0) {
        import_problem(s->i, what,
            error == ENOENT   ? "gone or renamed meanwhile: say the import again"
            : error == EINVAL ? "no regular file"
            : error == ELOOP  ? "a symbolic link is not followed"
                              : strerror(error));
        return !s->i->stopped;
    }
    bool ok = true;
    if (s->i->message_size && (uint64_t)st.st_size > s->i->message_size) {
        import_problem(s->i, what, "larger than limits.message_size");
    } else {
        maildir_name_parse(slice_str(f->name), &name);
        struct import_item item = {.flags = name.flags,
            .date = f->date,
            .keywords = keywords,
            .keyword_n = keywords_of(s, &name, keywords),
            .what = what};
        memcpy(item.id, id, IMPORTED_ID);
        ok = send_open(s, &item, fd);
    }
    close(fd);
    return ok;
}

static bool send_batch(struct source *s, const struct file *files, size_t n)
{
    for (size_t k = 0; k < n; k++)
        identity_of(s, &files[k], s->ids[k]);
    if (!import_ask(s->i, (const uint8_t(*)[IMPORTED_ID])s->ids, n, s->there))
        return false;
    for (size_t k = 0; k < n; k++) {
        s->i->already += s->there[k];
        if (!s->there[k] && !send_file(s, &files[k], s->ids[k]))
            return false;
        progress_add(&s->i->progress, files[k].size, 1);
    }
    return true;
}

static void send_folder(struct source *s)
{
    struct files files;
    list_folder(s->i, s->fd, s->folder, &files);
    read_keywords(s);
    if (import_enter(s->i, s->folder))
        for (size_t at = 0; at < files.n; at += IMPORTED_ASK) {
            size_t n = files.n - at < IMPORTED_ASK ? files.n - at : IMPORTED_ASK;
            if (!send_batch(s, files.files + at, n))
                break;
        }
    free(s->keywords_text);
    files_free(&files);
}

/* For the bar only. */
static uint64_t total(struct import *i)
{
    uint64_t bytes = 0;
    for (size_t f = 0; f < i->folder_n; f++) {
        struct files files;
        int fd = tree_open_folder(i->root, i->folders[f].path);
        if (fd < 0)
            continue;
        list_folder(i, fd, &i->folders[f], &files);
        for (size_t n = 0; n < files.n; n++)
            bytes += files.files[n].size;
        files_free(&files);
        close(fd);
    }
    return bytes;
}

void import_maildir_run(struct import *i)
{
    struct source *s = calloc(1, sizeof *s);
    if (!s) {
        import_problem(i, i->options->path, "out of memory");
        return;
    }
    s->i = i;
    progress_start(&i->progress, 0);
    if (i->progress.shown)
        progress_start(&i->progress, total(i));
    for (size_t f = 0; f < i->folder_n && !i->stopped; f++) {
        s->folder = &i->folders[f];
        s->fd = tree_open_folder(i->root, s->folder->path);
        if (s->fd < 0) {
            import_problem(i, s->folder->path, strerror(errno));
            continue;
        }
        send_folder(s);
        close(s->fd);
    }
    free(s);
}
