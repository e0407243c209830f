/* mbox files as a source: one file, or a folder of them. Each is read twice, a batch of messages at
 * a time: to know their identities, then those that are missing. */
#include "base/table.h"
#include "message/date.h"
#include "message/header.h"
#include "port/import_private.h"
#include "port/mbox.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)
#define HEAD_MAX  ((size_t)64 * 1024)
#define NOT_MBOX  "no mbox: it does not begin with a \"From \" line"
#define EQUALS    ((size_t)4 * 1024 * 1024) /* messages among which equal ones are told apart */

/* How many messages there were so far with these bytes for this mailbox. */
struct equal {
    struct table_node node;
    uint8_t id[IMPORTED_ID];
    uint32_t count;
};

/* A message that was found: where it is, and how to read it again. */
struct found {
    uint8_t id[IMPORTED_ID];
    uint64_t at, end;
    bool lenient, first;
    uint8_t flags;
    int64_t date;
    int zone;
    char *keywords;
};

struct source {
    struct import *i;
    const struct import_folder *folder;
    int fd;
    int64_t changed; /* of the file: the date of what has none */
    struct mbox mbox, again;
    EVP_MD_CTX *hash;
    struct newline newline;
    struct buffer head, line;
    uint64_t size;
    struct found batch[IMPORTED_ASK];
    size_t n;
    struct table equals;
    uint8_t ids[IMPORTED_ASK][IMPORTED_ID];
    bool there[IMPORTED_ASK];
    char piece[READ_SIZE], piece_again[READ_SIZE];
};

/* For reports. */
static const char *name_of(const struct source *s)
{
    return *s->folder->path ? s->folder->path : s->i->options->path;
}

/* ---- which files there are ---- */

static bool passed_over(const char *name)
{
    return name[0] == '.' || slice_ends(slice_str(name), S(".msf"));
}

static void look_at(struct import *i, int folder, const char *path, const char *name, char **below)
{
    char whole[FOLDER_PATH_MAX];
    struct stat st;
    struct folder_name mailbox;
    int n = snprintf(whole, sizeof whole, "%s%s%s", path, *path ? "/" : "", name);
    if (passed_over(name) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
        return;
    if (n < 0 || (size_t)n >= sizeof whole)
        import_problem(i, name, "too deep");
    else if (S_ISDIR(st.st_mode))
        *below = strdup(whole);
    else if (!S_ISREG(st.st_mode))
        import_problem(
            i, whole, S_ISLNK(st.st_mode) ? "a symbolic link is not followed" : "no regular file");
    else {
        folder_to_mailbox(slice_str(whole), false, &mailbox);
        if (!import_add_folder(i, whole, &mailbox))
            import_problem(i, whole, "too many files");
    }
}

/* Breadth first: the folders found so far are the list of what is to be done. */
static void look_into_all(struct import *i)
{
    size_t n = 0, room = 64;
    char **paths = calloc(room, sizeof *paths);
    if (paths && (paths[0] = strdup("")))
        n = 1;
    for (size_t at = 0; at < n; at++) {
        struct tree_names names = {0};
        int folder = tree_open_folder(i->root, paths[at]);
        if (folder < 0 || !tree_names(folder, &names))
            import_problem(i, paths[at], strerror(errno));
        for (size_t k = 0; k < names.n; k++) {
            char *below = NULL;
            look_at(i, folder, paths[at], names.names[k], &below);
            if (below && n == room && room < IMPORT_FOLDERS) {
                char **grown = realloc(paths, 2 * room * sizeof *grown);
                paths = grown ? grown : paths;
                room = grown ? 2 * room : room;
            }
            if (below && n < room)
                paths[n++] = below;
            else
                free(below);
        }
        tree_names_free(&names);
        if (folder >= 0)
            close(folder);
        free(paths[at]);
    }
    free(paths);
}

/* A single file is the INBOX when it is called as one usually is, else a mailbox of its name. */
static bool add_single(struct import *i)
{
    struct folder_name mailbox;
    struct slice path = slice_str(i->options->path), address = slice_str(i->options->address);
    size_t at = slice_rfind(path, '/');
    struct slice name = at == SLICE_NONE ? path : slice_from(path, at + 1);
    if (slice_ends(name, S(".mbox")) && name.n > 5)
        name.n -= 5;
    if (slice_eq_nocase(name, S("mbox")) || slice_eq_nocase(name, slice_cut(&address, '@')))
        name = S("INBOX");
    folder_to_mailbox(name, false, &mailbox);
    return import_add_folder(i, "", &mailbox);
}

bool import_mbox_scan(struct import *i)
{
    struct stat st;
    if (fstat(i->root, &st) == 0 && S_ISREG(st.st_mode))
        return add_single(i);
    if (S_ISDIR(st.st_mode))
        look_into_all(i);
    if (!i->folder_n)
        snprintf(i->why, sizeof i->why, "%.300s is no mbox file, nor a folder with any in it",
            i->options->path);
    return i->folder_n;
}

/* ---- the first reading ---- */

/* Of the newest Received field, which stands first, else of the Date field. */
static bool date_of(struct slice head, struct date *d)
{
    struct header_field field;
    if (header_find(head, S("Received"), &field)) {
        size_t at = slice_rfind(field.value, ';');
        if (at != SLICE_NONE && date_parse(slice_from(field.value, at + 1), d))
            return true;
    }
    return header_find(head, S("Date"), &field) && date_parse(field.value, d);
}

static void count_equals(struct source *s, uint8_t id[IMPORTED_ID])
{
    uint64_t hash;
    memcpy(&hash, id, sizeof hash); /* of a SHA-256: nobody chooses it */
    struct table_node *node = table_find(&s->equals, hash);
    struct equal *e = (struct equal *)(void *)node;
    while (node && memcmp(e->id, id, IMPORTED_ID) != 0) {
        node = table_find_next(node);
        e = (struct equal *)(void *)node;
    }
    if (!node) {
        e = calloc(1, sizeof *e);
        if (!e)
            return;
        memcpy(e->id, id, IMPORTED_ID);
        if (!table_insert(&s->equals, &e->node, hash))
            free(e);
        return;
    }
    char ordinal[16];
    int n = snprintf(ordinal, sizeof ordinal, "%u", ++e->count);
    const struct slice parts[] = {slice(id, IMPORTED_ID), slice(ordinal, (size_t)n)};
    uint8_t again[IMPORTED_ID];
    import_identity(parts, 2, again);
    memcpy(id, again, IMPORTED_ID);
}

static void message_found(struct source *s)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_n = 0;
    struct found *f = &s->batch[s->n];
    const struct folder_name *m = &s->folder->mailbox;
    struct date d;
    EVP_DigestFinal_ex(s->hash, digest, &digest_n);
    if (s->mbox.internal)
        return;
    const struct slice parts[] = {S("mbox"), slice(m->text, m->n), slice(digest, digest_n)};
    import_identity(parts, 3, f->id);
    count_equals(s, f->id);
    f->at = s->mbox.at;
    f->end = s->mbox.end;
    f->flags = s->mbox.flags;
    f->date = s->mbox.date;
    f->zone = s->mbox.zone;
    if (!s->mbox.has_date && date_of(buffer_slice(&s->head), &d)) {
        f->date = date_to_unix(&d);
        f->zone = d.zone;
    } else if (!s->mbox.has_date) {
        f->date = s->changed;
        f->zone = 0;
    }
    f->keywords = slice_to_new(slice(s->mbox.keywords, s->mbox.keywords_n));
    s->n++;
}

static void message_begins(struct source *s)
{
    struct found *f = &s->batch[s->n];
    f->lenient = s->mbox.lenient;
    f->first = s->mbox.first;
    s->newline = (struct newline){0};
    buffer_reset(&s->head);
    EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL);
}

static void message_data(struct source *s, struct slice out)
{
    buffer_reset(&s->line);
    newline_crlf(&s->newline, out, &s->line);
    EVP_DigestUpdate(s->hash, s->line.p, s->line.n);
    buffer_add(&s->head, slice_sub(buffer_slice(&s->line), 0, HEAD_MAX - s->head.n));
}

/* ---- the second ---- */

static size_t words_of(char *text, struct slice out[IMPORTED_WORDS])
{
    size_t n = 0;
    for (struct slice rest = slice_str(text); rest.n && n < IMPORTED_WORDS;) {
        struct slice word = slice_trim(slice_cut(&rest, ' '));
        if (imported_keyword_valid(word))
            out[n++] = word;
    }
    return n;
}

static bool send_events(struct source *s, struct slice in, bool eof, bool *ended)
{
    struct slice out;
    enum mbox_event e;
    while ((e = mbox_next(&s->again, &in, eof, &out)) != MBOX_MORE) {
        if (e == MBOX_DATA && !import_bytes(s->i, out))
            return false;
        *ended |= e == MBOX_END;
    }
    return true;
}

static bool send_message(struct source *s, const struct found *f)
{
    char what[1024];
    struct slice keywords[IMPORTED_WORDS];
    struct import_item item = {.flags = f->flags,
        .date = f->date,
        .zone = f->zone,
        .keywords = keywords,
        .keyword_n = words_of(f->keywords, keywords),
        .what = what};
    bool ended = false;
    ssize_t n = 1;
    snprintf(what, sizeof what, "%s at byte %llu", name_of(s), (unsigned long long)f->at);
    memcpy(item.id, f->id, IMPORTED_ID);
    mbox_init_at(&s->again, f->lenient, f->first, f->at);
    bool ok = import_begin(s->i, &item);
    for (uint64_t at = f->at; ok && n > 0 && at < f->end; at += (uint64_t)n) {
        size_t want = f->end - at < READ_SIZE ? (size_t)(f->end - at) : READ_SIZE;
        n = pread(s->fd, s->piece_again, want, (off_t)at);
        if (n > 0)
            ok = send_events(
                s, slice(s->piece_again, (size_t)n), at + (uint64_t)n == f->end, &ended);
    }
    if (ok && !ended)
        import_problem(s->i, what, n < 0 ? strerror(errno) : "the file changes while it is read");
    return import_end(s->i, ended) && ok;
}

/* The messages found so far. False: the import has stopped. */
static bool send_batch(struct source *s)
{
    bool ok = true;
    for (size_t k = 0; k < s->n; k++)
        memcpy(s->ids[k], s->batch[k].id, IMPORTED_ID);
    if (s->n)
        ok = import_ask(s->i, (const uint8_t(*)[IMPORTED_ID])s->ids, s->n, s->there);
    for (size_t k = 0; k < s->n; k++) {
        struct found *f = &s->batch[k];
        s->i->already += ok && s->there[k];
        if (ok && !s->there[k])
            ok = send_message(s, f);
        if (ok)
            progress_add(&s->i->progress, f->end - f->at, 1);
        free(f->keywords);
    }
    s->n = 0;
    return ok;
}

/* ---- the whole ---- */

static bool take_events(struct source *s, struct slice in, bool eof)
{
    struct slice out;
    for (;;) {
        switch (mbox_next(&s->mbox, &in, eof, &out)) {
        case MBOX_MORE:
            return true;
        case MBOX_BEGIN:
            message_begins(s);
            break;
        case MBOX_DATA:
            message_data(s, out);
            break;
        case MBOX_END:
            message_found(s);
            if (s->n == IMPORTED_ASK && !send_batch(s))
                return false;
            break;
        case MBOX_NOT:
            import_problem(s->i, name_of(s), NOT_MBOX);
            break;
        }
    }
}

static void read_file(struct source *s)
{
    uint64_t at = 0;
    ssize_t n;
    bool ok = true;
    mbox_init(&s->mbox);
    while (ok && (n = pread(s->fd, s->piece, READ_SIZE, (off_t)at)) > 0) {
        ok = take_events(s, slice(s->piece, (size_t)n), false);
        at += (uint64_t)n;
    }
    if (ok && n < 0)
        import_problem(s->i, s->folder->path, strerror(errno));
    if (ok && take_events(s, S(""), true))
        send_batch(s);
}

static int open_file(struct import *i, const struct import_folder *f, struct stat *st)
{
    if (!*f->path)
        return fstat(i->root, st) ? -1 : dup(i->root);
    char parent[FOLDER_PATH_MAX];
    struct slice path = slice_str(f->path);
    size_t at = slice_rfind(path, '/');
    slice_to_cstr(slice_sub(path, 0, at == SLICE_NONE ? 0 : at), parent, sizeof parent);
    int folder = tree_open_folder(i->root, parent);
    int fd =
        folder < 0 ? -1 : tree_open_file(folder, f->path + (at == SLICE_NONE ? 0 : at + 1), st);
    if (folder >= 0)
        close(folder);
    return fd;
}

/* Empty, or with something like a first message; else no mailbox is made for it. */
static bool looks_like_one(int fd)
{
    char start[8];
    ssize_t n = pread(fd, start, sizeof start, 0);
    struct slice text = slice(start, n > 0 ? (size_t)n : 0);
    return !text.n || slice_starts(text, S("From ")) || text.p[0] == '\n' || text.p[0] == '\r';
}

static void send_all(struct source *s)
{
    struct import *i = s->i;
    for (size_t f = 0; f < i->folder_n && !i->stopped; f++) {
        struct stat st = {0};
        s->folder = &i->folders[f];
        s->fd = open_file(i, s->folder, &st);
        s->changed = st.st_mtim.tv_sec;
        if (s->fd < 0) {
            import_problem(i, s->folder->path, strerror(errno));
            continue;
        }
        if (!looks_like_one(s->fd))
            import_problem(i, name_of(s), NOT_MBOX);
        else if (import_enter(i, s->folder))
            read_file(s);
        close(s->fd);
    }
}

static uint64_t total(struct import *i)
{
    uint64_t bytes = 0;
    for (size_t f = 0; f < i->folder_n; f++) {
        struct stat st = {0};
        int fd = open_file(i, &i->folders[f], &st);
        if (fd >= 0)
            close(fd);
        bytes += (uint64_t)st.st_size;
    }
    return bytes;
}

static void equals_free(struct table *t)
{
    for (size_t slot = 0; slot < t->slot_count; slot++)
        for (struct table_node *node = t->slots[slot], *next; node; node = next) {
            next = node->next;
            free(node);
        }
    table_finish(t);
}

void import_mbox_run(struct import *i)
{
    struct source *s = calloc(1, sizeof *s);
    if (!s || !(s->hash = EVP_MD_CTX_new())) {
        import_problem(i, i->options->path, "out of memory");
        free(s);
        return;
    }
    s->i = i;
    buffer_init(&s->head, HEAD_MAX);
    buffer_init(&s->line, 2 * READ_SIZE);
    table_init(&s->equals, EQUALS);
    progress_start(&i->progress, total(i));
    send_all(s);
    buffer_finish(&s->head);
    buffer_finish(&s->line);
    equals_free(&s->equals);
    EVP_MD_CTX_free(s->hash);
    free(s);
}
