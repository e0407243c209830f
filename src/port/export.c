/* The dialogue of an export: mailboxes and messages as they come, handed to a writer. */
#include "base/clock.h"
#include "port/export_private.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROBLEMS 1000
#define PIECE    ((size_t)64 * 1024)

void export_problem(struct export *e, const char *what, const char *why, bool skipped)
{
    e->skipped += skipped;
    progress_say(&e->progress, what, why);
    if (json_array_size(e->problems) < PROBLEMS)
        json_array_append_new(e->problems, json_pack("{s:s, s:s}", "file", what, "reason", why));
}

bool export_failed(struct export *e, const char *what)
{
    if (!e->failed)
        snprintf(e->why, sizeof e->why, "%.300s: %s", what, strerror(errno));
    e->failed = true;
    return false;
}

bool export_write(struct export *e, int fd, struct slice bytes, const char *what)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return export_failed(e, what);
        bytes = slice_from(bytes, (size_t)n);
    }
    return true;
}

/* ---- the target ---- */

static bool empty_folder(int fd)
{
    struct tree_names names;
    bool empty = tree_names(fd, &names) && !names.n;
    tree_names_free(&names);
    return empty;
}

static bool open_target(struct export *e)
{
    const char *path = e->options->path;
    if (mkdir(path, 0700) && errno != EEXIST)
        return export_failed(e, path);
    e->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e->root < 0)
        return export_failed(e, path);
    if (empty_folder(e->root))
        return true;
    close(e->root);
    e->root = -1;
    snprintf(e->why, sizeof e->why, "%.300s is not empty: name a new or an empty folder", path);
    e->failed = true;
    return false;
}

/* ---- rows ---- */

static bool take_mailbox(struct export *e, const json_t *row)
{
    const json_t *name = json_object_get(row, "mailbox"), *list = json_object_get(row, "keywords");
    e->mailbox_n = json_string_length(name);
    if (!e->mailbox_n || e->mailbox_n > MAILBOX_NAME_MAX)
        return false;
    memcpy(e->mailbox, json_string_value(name), e->mailbox_n);
    e->mailbox[e->mailbox_n] = '\0';
    e->uidvalidity = (uint32_t)json_integer_value(json_object_get(row, "uidvalidity"));
    e->uidnext = (uint32_t)json_integer_value(json_object_get(row, "uidnext"));
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++) {
        const json_t *word = json_array_get(list, i);
        const char *text = json_is_string(word) ? json_string_value(word) : "";
        snprintf(e->names[i], sizeof e->names[i], "%s", text);
    }
    e->mailboxes++;
    return true;
}

static bool take_message(const struct export *e, const json_t *row, struct export_message *m)
{
    const json_t *size = json_object_get(row, "size");
    *m = (struct export_message){
        .uid = (uint32_t)json_integer_value(json_object_get(row, "uid")),
        .uidvalidity = e->uidvalidity,
        .flags = (uint8_t)json_integer_value(json_object_get(row, "flags")),
        .keywords = (uint64_t)json_integer_value(json_object_get(row, "keywords")),
        .date = json_integer_value(json_object_get(row, "date")),
        .size = (uint64_t)json_integer_value(size),
    };
    return json_is_integer(size) && m->uid && e->mailbox_n;
}

/* The raw frames of a message, or the row that says it is broken. False: the export is over. */
static bool take_body(struct export *e, const struct export_sink *sink, uint64_t size, bool *whole)
{
    struct newline newline = {0};
    struct buffer text;
    bool ok = true;
    *whole = true;
    buffer_init(&text, 2 * PIECE);
    while (ok && size && *whole) {
        json_t *row = NULL;
        struct slice raw;
        enum link_frame got = link_next(&e->link, true, &row, &raw);
        ok = got == LINK_RAW || got == LINK_ROW;
        *whole = got == LINK_RAW && raw.n <= size;
        json_decref(row);
        if (!*whole)
            continue;
        size -= raw.n;
        buffer_reset(&text);
        newline_lf(&newline, raw, &text);
        if (!size)
            newline_lf_end(&newline, &text);
        ok = sink->bytes(e, buffer_slice(&text));
    }
    *whole = *whole && ok;
    buffer_finish(&text);
    return ok;
}

static bool one_message(
    struct export *e, const struct export_sink *sink, const struct export_message *m)
{
    bool whole = false;
    if (!sink->begin(e, m))
        return false;
    bool ok = take_body(e, sink, m->size, &whole);
    if (ok && !whole) {
        char what[MAILBOX_NAME_MAX + 32];
        snprintf(what, sizeof what, "%s, UID %" PRIu32, e->mailbox, m->uid);
        export_problem(e, what, "cannot be read: see barid verify", true);
    }
    ok = sink->end(e, whole) && ok;
    e->messages += whole;
    e->bytes += whole ? m->size : 0;
    progress_add(&e->progress, m->size, 1);
    return ok;
}

/* False: the export is over, or failed. */
static bool one_row(struct export *e, const struct export_sink *sink, const json_t *row)
{
    struct export_message m;
    if (json_object_get(row, "bytes")) {
        progress_start(&e->progress, (uint64_t)json_integer_value(json_object_get(row, "bytes")));
        return e->root >= 0 || open_target(e);
    }
    if (json_object_get(row, "mailbox")) {
        if (e->mailbox_n && !sink->leave(e))
            return false;
        return take_mailbox(e, row) && sink->enter(e);
    }
    return take_message(e, row, &m) && one_message(e, sink, &m);
}

static void run(struct export *e)
{
    const struct export_sink *sink = e->options->maildir ? &export_maildir_sink : &export_mbox_sink;
    json_t *row = NULL;
    struct slice raw;
    bool ok = link_put(&e->link, json_pack("{s:i, s:s, s:s}", "v", ADMIN_VERSION, "do",
                                     "mailbox export", "address", e->options->address));
    while (ok && link_next(&e->link, true, &row, &raw) == LINK_ROW) {
        ok = one_row(e, sink, row);
        json_decref(row);
    }
    if (e->mailbox_n)
        sink->leave(e);
    /* One wait for the disk, for all files. */
    if (e->root >= 0 && !e->failed && syncfs(e->root))
        export_failed(e, e->options->path);
    progress_clear(&e->progress);
}

static void conclude(struct export *e, int64_t began, struct port_result *result)
{
    struct admin_answer *a = &result->answer;
    *a = e->link.answer;
    if (e->failed) {
        a->exit = ADMIN_FAULT;
        snprintf(a->why, sizeof a->why, "%s", e->why);
    } else if (!e->link.ended) {
        a->exit = ADMIN_SILENT;
        snprintf(a->why, sizeof a->why, "the server went away before the export was whole");
    } else if (a->exit == ADMIN_DONE && e->skipped) {
        a->exit = ADMIN_FAULT;
        snprintf(a->why, sizeof a->why, "%llu skipped", (unsigned long long)e->skipped);
    }
    if (e->root >= 0)
        result->summary = json_pack("{s:I, s:I, s:I, s:I, s:f, s:O}", "exported",
            (json_int_t)e->messages, "skipped", (json_int_t)e->skipped, "mailboxes",
            (json_int_t)e->mailboxes, "bytes", (json_int_t)e->bytes, "seconds",
            (double)(clock_now() - began) / (double)CLOCK_SEC, "problems", e->problems);
}

void port_export(const struct port_options *options, struct port_result *result)
{
    struct export *e = calloc(1, sizeof *e);
    int64_t began = clock_now();
    *result = (struct port_result){.answer = {.exit = ADMIN_FAULT, .why = "out of memory"}};
    if (!e) {
        close(options->fd);
        return;
    }
    e->options = options;
    e->root = -1;
    e->problems = json_array();
    link_init(&e->link, options->fd);
    run(e);
    conclude(e, began, result);
    if (e->root >= 0)
        close(e->root);
    json_decref(e->problems);
    link_finish(&e->link);
    free(e);
}
