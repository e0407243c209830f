/* `barid mailbox import` and `export`, the command's side: opens the files, speaks admin/stream.h
 * over a connection to the store. Blocking, one thread, no task; nothing here touches a store.
 *
 * Files are hostile: below the path that was named no symbolic link is followed, only regular files
 * are read, names and contents go through pure parsers (maildir.h, mbox.h, folder.h). */
#pragma once
#include "admin/admin.h"

struct port_options {
    int fd; /* connected; owned */
    const char *address, *path;
    bool maildir; /* else mbox */
};

struct port_result {
    struct admin_answer answer;
    json_t *summary; /* what was done, for --json; NULL when nothing began */
};

/* What is bad is told on stderr, a line each, and in the summary's "problems". */
void port_import(const struct port_options *options, struct port_result *result);
void port_export(const struct port_options *options, struct port_result *result);
/* The summary for people, on stdout. */
void port_print(const json_t *summary);
