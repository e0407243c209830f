/* A Maildir++ as the target, with Dovecot's file of keywords. */
#include "port/export_private.h"
#include "port/maildir.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define FORWARDED S("$Forwarded")

/* One at a time: a command exports once. */
static struct {
    int folder, tmp, cur, file;
    char name[FOLDER_FILE_MAX + 1]; /* of the folder, for reports */
    char temporary[64];
    char letters[MAILBOX_KEYWORDS]; /* of each keyword bit; 0: none */
    char final[FOLDER_FILE_MAX + 1];
    struct timespec date;
} at = {.folder = -1, .tmp = -1, .cur = -1, .file = -1};

static int make_folder(int parent, const char *name)
{
    if (mkdirat(parent, name, 0700))
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool write_keywords(struct export *e)
{
    struct buffer text;
    int n = 0;
    bool ok = true;
    buffer_init(&text, MAILDIR_KEYWORDS_FILE);
    memset(at.letters, 0, sizeof at.letters);
    for (size_t bit = 0; bit < MAILBOX_KEYWORDS; bit++) {
        struct slice name = slice_str(e->names[bit]);
        if (!name.n || slice_eq_nocase(name, FORWARDED))
            continue;
        if (n == MAILDIR_KEYWORDS) {
            export_problem(
                e, e->names[bit], "no letter is left for this keyword: it is left out", true);
            continue;
        }
        buffer_printf(&text, "%d %s\n", n, e->names[bit]);
        at.letters[bit] = (char)('a' + n++);
    }
    if (text.n) {
        int fd = openat(at.folder, "dovecot-keywords",
            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        ok = fd >= 0 ? export_write(e, fd, buffer_slice(&text), "dovecot-keywords")
                     : export_failed(e, "dovecot-keywords");
        if (fd >= 0)
            close(fd);
    }
    buffer_finish(&text);
    return ok;
}

static bool leave(struct export *e)
{
    int *const fds[] = {&at.folder, &at.tmp, &at.cur, &at.file};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
    return true;
}

static bool enter(struct export *e)
{
    bool whole = folder_of_maildir(export_mailbox(e), at.name);
    if (!whole)
        export_problem(e, e->mailbox, "the name is too long for a folder: it is cut", false);
    at.folder = *at.name ? make_folder(e->root, at.name) : dup(e->root);
    int fresh = at.folder < 0 ? -1 : make_folder(at.folder, "new");
    at.tmp = at.folder < 0 ? -1 : make_folder(at.folder, "tmp");
    at.cur = at.folder < 0 ? -1 : make_folder(at.folder, "cur");
    if (fresh < 0 || at.tmp < 0 || at.cur < 0)
        return export_failed(e, e->mailbox);
    close(fresh);
    if (*at.name) {
        int mark = openat(
            at.folder, "maildirfolder", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (mark < 0)
            return export_failed(e, e->mailbox);
        close(mark);
    }
    return write_keywords(e);
}

static bool begin(struct export *e, const struct export_message *m)
{
    char info[MAILDIR_INFO_MAX];
    struct maildir_name name = {.flags = m->flags};
    for (size_t bit = 0; bit < MAILBOX_KEYWORDS; bit++) {
        if (!(m->keywords & UINT64_C(1) << bit))
            continue;
        if (at.letters[bit])
            name.keywords |= UINT32_C(1) << (at.letters[bit] - 'a');
        name.forwarded |= slice_eq_nocase(slice_str(e->names[bit]), FORWARDED);
    }
    struct slice letters = maildir_name_info(&name, info);
    snprintf(
        at.temporary, sizeof at.temporary, "%" PRIu32 ".%" PRIu32 ".barid", m->uidvalidity, m->uid);
    snprintf(at.final, sizeof at.final, "%" PRId64 ".V%" PRIu32 "U%" PRIu32 ".barid" SLICE_FMT,
        m->date > 0 ? m->date : 0, m->uidvalidity, m->uid, SLICE_ARG(letters));
    at.date = (struct timespec){.tv_sec = m->date};
    at.file =
        openat(at.tmp, at.temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return at.file >= 0 || export_failed(e, e->mailbox);
}

static bool bytes(struct export *e, struct slice text)
{
    return export_write(e, at.file, text, e->mailbox);
}

static bool end(struct export *e, bool whole)
{
    const struct timespec times[2] = {at.date, at.date};
    bool ok =
        !whole || (!futimens(at.file, times) && !renameat(at.tmp, at.temporary, at.cur, at.final));
    if (!ok)
        export_failed(e, e->mailbox);
    if (!whole || !ok)
        unlinkat(at.tmp, at.temporary, 0);
    close(at.file);
    at.file = -1;
    return ok;
}

const struct export_sink export_maildir_sink = {
    .enter = enter, .begin = begin, .bytes = bytes, .end = end, .leave = leave};
