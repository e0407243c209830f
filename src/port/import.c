/* The dialogue of an import: asks which messages are there, sends the others, hears what became of
 * them. */
#include "admin/frame.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/pack.h"
#include "port/import_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- reports ---- */

/* File names need not be UTF-8. */
static json_t *json_of(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char *copy = strdup(text);
    for (char *c = copy; c && *c; c++)
        if (*c & 0x80)
            *c = '?';
    value = copy ? json_string(copy) : NULL;
    free(copy);
    return value ? value : json_string("?");
}

void import_note(struct import *i, const char *what, const char *why)
{
    progress_say(&i->progress, what, why);
    if (json_array_size(i->problems) < IMPORT_PROBLEMS)
        json_array_append_new(
            i->problems, json_pack("{s:o, s:o}", "file", json_of(what), "reason", json_of(why)));
}

void import_problem(struct import *i, const char *what, const char *why)
{
    i->skipped++;
    import_note(i, what, why);
}

static void stop(struct import *i, const char *why)
{
    if (!i->stopped)
        snprintf(i->why, sizeof i->why, "%s", why);
    i->stopped = true;
}

/* ---- answers ---- */

static void take_answer(struct import *i, const json_t *row)
{
    uint64_t n = (uint64_t)json_integer_value(json_object_get(row, "n"));
    const char *is = json_string_value(json_object_get(row, "is"));
    const char *why = json_string_value(json_object_get(row, "why"));
    char *what = i->window[n % IMPORT_WINDOW];
    i->window[n % IMPORT_WINDOW] = NULL;
    if (!is || !why || !what)
        stop(i, "the server does not speak as it should");
    else if (!strcmp(is, "kept"))
        i->imported++;
    else if (!strcmp(is, "already"))
        i->already++;
    else if (!strcmp(is, "bad"))
        import_problem(i, what, why);
    else
        stop(i, why);
    if (what && json_is_true(json_object_get(row, "lost")) && !i->lost_in) {
        i->lost_in = strdup(what);
        import_note(i, what, "the mailbox has 64 keywords already: others are left out here");
    }
    free(what);
}

/* False: the other side has ended, or (no wait) nothing is there. */
static bool hear(struct import *i, bool wait)
{
    json_t *row = NULL;
    struct slice raw;
    enum link_frame got = link_next(&i->link, wait, &row, &raw);
    if (got == LINK_END)
        stop(i, i->link.ended ? i->link.answer.why : "");
    if (got != LINK_ROW)
        return got == LINK_RAW;
    if (json_object_get(row, "n")) {
        take_answer(i, row);
        json_decref(row);
    } else {
        json_decref(i->answer);
        i->answer = row;
    }
    return true;
}

/* The row that answers what was said last; the caller frees it. */
static json_t *await(struct import *i)
{
    while (!i->stopped && !i->answer)
        if (!hear(i, true))
            return NULL;
    json_t *answer = i->answer;
    i->answer = NULL;
    return answer;
}

static bool say(struct import *i, json_t *value)
{
    if (i->stopped) {
        json_decref(value);
        return false;
    }
    if (link_put(&i->link, value))
        return true;
    while (hear(i, true))
        ;
    return false;
}

bool import_enter(struct import *i, const struct import_folder *folder)
{
    free(i->lost_in);
    i->lost_in = NULL;
    if (!say(i, json_pack("{s:s%}", "mailbox", folder->mailbox.text, folder->mailbox.n)))
        return false;
    json_t *answer = await(i);
    i->mailboxes += answer != NULL;
    json_decref(answer);
    return answer != NULL;
}

bool import_ask(
    struct import *i, const uint8_t (*ids)[IMPORTED_ID], size_t n, bool found[IMPORTED_ASK])
{
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++) {
        struct buffer hex;
        buffer_init(&hex, 2 * IMPORTED_ID);
        hex_encode(slice(ids[k], IMPORTED_ID), &hex);
        json_array_append_new(list, json_stringn(hex.p, hex.n));
        buffer_finish(&hex);
    }
    if (!say(i, json_pack("{s:o}", "ask", list)))
        return false;
    json_t *answer = await(i);
    const json_t *there = json_object_get(answer, "there");
    bool ok = json_string_length(there) == n;
    for (size_t k = 0; ok && k < n; k++)
        found[k] = json_string_value(there)[k] == '1';
    json_decref(answer);
    if (!ok)
        stop(i, "the server does not speak as it should");
    return ok;
}

/* ---- messages ---- */

static json_t *keywords_of(const struct import_item *item)
{
    json_t *list = json_array();
    for (size_t k = 0; k < item->keyword_n && k < IMPORTED_WORDS; k++)
        json_array_append_new(list, json_stringn(item->keywords[k].p, item->keywords[k].n));
    return list;
}

bool import_begin(struct import *i, const struct import_item *item)
{
    struct buffer hex;
    char **place = &i->window[i->next % IMPORT_WINDOW];
    while (hear(i, false))
        ;
    while (*place && hear(i, true))
        ;
    if (i->stopped)
        return false;
    *place = strdup(item->what);
    buffer_init(&hex, 2 * IMPORTED_ID);
    hex_encode(slice(item->id, IMPORTED_ID), &hex);
    i->newline = (struct newline){0};
    json_t *value = json_pack("{s:{s:I, s:s%, s:i, s:o, s:I, s:i}}", "item", "n",
        (json_int_t)i->next, "id", hex.p, hex.n, "flags", (int)item->flags, "keywords",
        keywords_of(item), "date", (json_int_t)item->date, "zone", item->zone);
    buffer_finish(&hex);
    return say(i, value);
}

bool import_bytes(struct import *i, struct slice bytes)
{
    for (; bytes.n && !i->stopped; bytes = slice_from(bytes, IMPORT_PIECE / 2)) {
        struct slice part = slice_sub(bytes, 0, IMPORT_PIECE / 2);
        newline_crlf(&i->newline, part, &i->piece);
        if (i->piece.n < IMPORT_PIECE)
            continue;
        i->bytes += i->piece.n;
        if (!link_put_raw(&i->link, buffer_slice(&i->piece)))
            while (hear(i, true))
                ;
        buffer_reset(&i->piece);
    }
    return !i->stopped;
}

bool import_end(struct import *i, bool whole)
{
    bool ok = !i->stopped;
    if (whole && ok && i->piece.n) {
        i->bytes += i->piece.n;
        ok = link_put_raw(&i->link, buffer_slice(&i->piece));
    }
    buffer_reset(&i->piece);
    if (!whole) {
        free(i->window[i->next % IMPORT_WINDOW]);
        i->window[i->next % IMPORT_WINDOW] = NULL;
    }
    i->next++;
    return say(i, json_pack("{s:b}", whole ? "done" : "drop", 1)) && ok;
}

/* ---- folders and identities ---- */

bool import_add_folder(struct import *i, const char *path, struct folder_name *mailbox)
{
    if (i->folder_n == i->folder_room) {
        size_t room = i->folder_room ? 2 * i->folder_room : 16;
        struct import_folder *grown =
            room <= 2 * IMPORT_FOLDERS ? realloc(i->folders, room * sizeof *grown) : NULL;
        if (!grown)
            return false;
        i->folders = grown;
        i->folder_room = room;
    }
    struct import_folder *f = &i->folders[i->folder_n];
    *f = (struct import_folder){.path = strdup(path), .mailbox = *mailbox};
    if (mailbox->changed) {
        char note[64 + MAILBOX_NAME_MAX];
        snprintf(note, sizeof note, "the name cannot be a mailbox's: it becomes %.*s",
            (int)mailbox->n, mailbox->text);
        import_note(i, path, note);
    }
    return f->path && ++i->folder_n;
}

/* The usual names of special mailboxes fall onto ours, unless the source has both. */
static void fold_specials(struct import *i)
{
    for (size_t f = 0; f < i->folder_n; f++) {
        struct folder_name *name = &i->folders[f].mailbox;
        struct slice special = folder_special(slice(name->text, name->n));
        bool both = false;
        for (size_t g = 0; special.n && g < i->folder_n; g++)
            both |= slice_eq(slice(i->folders[g].mailbox.text, i->folders[g].mailbox.n), special);
        if (special.n && !both)
            memcpy(name->text, special.p, name->n = special.n);
    }
}

void import_identity(const struct slice *parts, size_t n, uint8_t id[IMPORTED_ID])
{
    struct buffer all;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    buffer_init(&all, 8 * FOLDER_PATH_MAX);
    for (size_t k = 0; k < n; k++) {
        char head[4];
        pack_u32(head, (uint32_t)parts[k].n);
        buffer_add(&all, slice(head, sizeof head));
        buffer_add(&all, parts[k]);
    }
    SHA256((const unsigned char *)all.p, all.n, digest);
    memcpy(id, digest, IMPORTED_ID);
    buffer_finish(&all);
}

/* ---- the whole ---- */

static bool open_dialogue(struct import *i)
{
    if (!say(i, json_pack("{s:i, s:s, s:s}", "v", ADMIN_VERSION, "do", "mailbox import", "address",
                    i->options->address)))
        return false;
    json_t *answer = await(i);
    i->message_size = (uint64_t)json_integer_value(json_object_get(answer, "message_size"));
    json_decref(answer);
    return answer != NULL;
}

static void close_dialogue(struct import *i)
{
    if (say(i, json_pack("{s:b}", "end", 1)))
        while (hear(i, true))
            ;
    /* After a stop of our own the others are still answered. */
    if (i->stopped && !i->link.ended && !i->link.lost) {
        link_put(&i->link, json_pack("{s:b}", "end", 1));
        while (hear(i, true))
            ;
    }
}

static void conclude(struct import *i, int64_t began, struct port_result *result)
{
    struct admin_answer *a = &result->answer;
    *a = i->link.answer;
    if (!i->link.ended) {
        a->exit = ADMIN_SILENT;
        snprintf(a->why, sizeof a->why,
            "the server went away; say the import again, it goes on where it stopped");
    } else if (a->exit == ADMIN_DONE && *i->why) {
        a->exit = ADMIN_FAULT;
        snprintf(
            a->why, sizeof a->why, "%.400s; say the import again, it goes on from here", i->why);
    } else if (a->exit == ADMIN_DONE && i->skipped) {
        a->exit = ADMIN_FAULT;
        snprintf(a->why, sizeof a->why, "%llu skipped", (unsigned long long)i->skipped);
    }
    result->summary =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:O}", "imported", (json_int_t)i->imported,
            "already", (json_int_t)i->already, "skipped", (json_int_t)i->skipped, "mailboxes",
            (json_int_t)i->mailboxes, "bytes", (json_int_t)i->bytes, "seconds",
            (double)(clock_now() - began) / (double)CLOCK_SEC, "problems", i->problems);
}

static bool open_path(struct import *i, struct port_result *result)
{
    i->root = open(i->options->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (i->root >= 0)
        return true;
    result->answer.exit = ADMIN_FAULT;
    snprintf(result->answer.why, sizeof result->answer.why, "%.300s: %s", i->options->path,
        strerror(errno));
    return false;
}

static void run(struct import *i, struct port_result *result)
{
    int64_t began = clock_now();
    bool found = i->options->maildir ? import_maildir_scan(i) : import_mbox_scan(i);
    if (!found) {
        result->answer.exit = ADMIN_FAULT;
        snprintf(result->answer.why, sizeof result->answer.why, "%s", i->why);
        return;
    }
    fold_specials(i);
    if (open_dialogue(i)) {
        if (i->options->maildir)
            import_maildir_run(i);
        else
            import_mbox_run(i);
        close_dialogue(i);
    }
    progress_clear(&i->progress);
    if (i->link.ended && i->link.answer.exit != ADMIN_DONE && !i->next && !i->mailboxes)
        result->answer = i->link.answer; /* it never began */
    else
        conclude(i, began, result);
}

void port_import(const struct port_options *options, struct port_result *result)
{
    struct import *i = calloc(1, sizeof *i);
    *result = (struct port_result){.answer = {.exit = ADMIN_FAULT, .why = "out of memory"}};
    if (!i) {
        close(options->fd);
        return;
    }
    i->options = options;
    i->problems = json_array();
    link_init(&i->link, options->fd);
    buffer_init(&i->piece, 2 * IMPORT_PIECE);
    if (open_path(i, result)) {
        run(i, result);
        close(i->root);
    }
    for (size_t f = 0; f < i->folder_n; f++)
        free(i->folders[f].path);
    for (size_t n = 0; n < IMPORT_WINDOW; n++)
        free(i->window[n]);
    free(i->folders);
    free(i->lost_in);
    json_decref(i->problems);
    json_decref(i->answer);
    buffer_finish(&i->piece);
    link_finish(&i->link);
    free(i);
}
