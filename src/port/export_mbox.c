/* mbox files as the target: one for each mailbox, those below it in a folder beside it. */
#include "message/header.h"
#include "port/export_private.h"
#include "port/mbox.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)16 * 1024)
#define OUT_MAX  ((size_t)256 * 1024)

/* One at a time: a command exports once. */
static struct {
    int file;
    bool first, begun;
    char last;   /* byte that was written */
    off_t start; /* of the message, to take it back */
    struct export_message message;
    struct mbox_quote quote;
    struct buffer head; /* until the sender is known */
} at = {.file = -1};

/* Makes the folders above the file. */
static int open_file(struct export *e, const char *path)
{
    int folder = dup(e->root);
    struct slice rest = slice_str(path);
    for (;;) {
        char level[FOLDER_FILE_MAX + 1];
        bool more = slice_find(rest, '/') != SLICE_NONE;
        int below = -1;
        if (folder < 0 || !slice_to_cstr(slice_cut(&rest, '/'), level, sizeof level))
            return -1;
        if (!more)
            below = openat(folder, level, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        else if (mkdirat(folder, level, 0700) == 0 || errno == EEXIST)
            below = openat(folder, level, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        close(folder);
        errno = error;
        if (!more)
            return below;
        folder = below;
    }
}

static bool enter(struct export *e)
{
    char path[FOLDER_PATH_MAX];
    if (!folder_of_file(export_mailbox(e), path))
        export_problem(e, e->mailbox, "the name is too long for a file: it is cut", false);
    at.file = open_file(e, path);
    at.first = true;
    return at.file >= 0 || export_failed(e, e->mailbox);
}

static bool leave(struct export *e)
{
    if (at.file >= 0)
        close(at.file);
    at.file = -1;
    return true;
}

static bool put(struct export *e, struct buffer *out)
{
    bool ok = !out->overflow && export_write(e, at.file, buffer_slice(out), e->mailbox);
    if (out->n)
        at.last = out->p[out->n - 1];
    return ok;
}

static void put_keywords(const struct export *e, struct buffer *words)
{
    for (size_t bit = 0; bit < MAILBOX_KEYWORDS; bit++)
        if (at.message.keywords & UINT64_C(1) << bit && *e->names[bit])
            buffer_printf(words, "%s%s", words->n ? " " : "", e->names[bit]);
}

/* "From " and the fields of our own, then the head that was held back. */
static bool write_start(struct export *e)
{
    struct buffer out, words;
    struct header_field field;
    struct slice sender = S("");
    const struct export_message *m = &at.message;
    if (header_find(buffer_slice(&at.head), S("Return-Path"), &field)) {
        slice_cut(&field.value, '<');
        sender = slice_cut(&field.value, '>');
    }
    buffer_init(&out, OUT_MAX);
    buffer_init(&words, MBOX_KEYWORDS / 2);
    put_keywords(e, &words);
    mbox_put_from(&out, sender, m->date);
    mbox_put_status(&out, m->flags, buffer_slice(&words), m->uid, m->uidvalidity, at.first);
    mbox_quote(&at.quote, buffer_slice(&at.head), &out);
    bool ok = put(e, &out);
    buffer_finish(&out);
    buffer_finish(&words);
    at.begun = true;
    at.first = false;
    return ok;
}

static bool begin(struct export *e, const struct export_message *m)
{
    at.message = *m;
    at.begun = false;
    at.start = lseek(at.file, 0, SEEK_END);
    at.quote = (struct mbox_quote){0};
    buffer_init(&at.head, HEAD_MAX);
    return true;
}

static bool bytes(struct export *e, struct slice text)
{
    struct buffer out;
    if (!at.begun) {
        size_t room = HEAD_MAX - at.head.n;
        buffer_add(&at.head, slice_sub(text, 0, room));
        if (text.n < room)
            return true;
        text = slice_from(text, room);
        if (!write_start(e))
            return false;
    }
    buffer_init(&out, OUT_MAX);
    mbox_quote(&at.quote, text, &out);
    bool ok = put(e, &out);
    buffer_finish(&out);
    return ok;
}

static bool end(struct export *e, bool whole)
{
    struct buffer out;
    bool ok = !whole || at.begun || write_start(e);
    buffer_finish(&at.head);
    if (!whole) {
        if (ftruncate(at.file, at.start))
            return export_failed(e, e->mailbox);
        lseek(at.file, at.start, SEEK_SET);
        return true;
    }
    buffer_init(&out, MBOX_LINE + 4);
    mbox_quote_end(&at.quote, &out);
    ok = ok && put(e, &out);
    buffer_reset(&out);
    if (at.last != '\n')
        buffer_add_char(&out, '\n');
    buffer_add_char(&out, '\n');
    ok = ok && put(e, &out);
    buffer_finish(&out);
    return ok;
}

const struct export_sink export_mbox_sink = {
    .enter = enter, .begin = begin, .bytes = bytes, .end = end, .leave = leave};
