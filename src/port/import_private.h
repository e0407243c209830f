/* One import, shared by import.c (the dialogue) and the readers of Maildir and mbox. */
#pragma once
#include "mailbox/imported.h"
#include "port/link.h"
#include "port/newline.h"
#include "port/port.h"
#include "port/progress.h"
#include "port/tree.h"
#include <openssl/sha.h>

#define IMPORT_WINDOW   256 /* messages whose answer is still to come */
#define IMPORT_FOLDERS  MAILBOX_COUNT_MAX
#define IMPORT_PROBLEMS 1000 /* in the summary; all are told on stderr */
#define IMPORT_PIECE    ((size_t)32 * 1024)

/* A folder or file that becomes a mailbox. */
struct import_folder {
    char *path; /* below the root; "" is the root */
    struct folder_name mailbox;
};

struct import {
    const struct port_options *options;
    int root;
    struct link link;
    struct progress progress;
    struct import_folder *folders;
    size_t folder_n, folder_room;
    uint64_t imported, already, skipped, bytes, message_size;
    size_t mailboxes;
    json_t *problems;
    json_t *answer; /* the row that an ask or a mailbox waits for */
    bool stopped;   /* nothing more is sent: over quota, or the other side has ended */
    char why[ADMIN_WHY];
    uint64_t next;               /* number of the next message */
    char *window[IMPORT_WINDOW]; /* what is being stored, for reports */
    char *lost_in;               /* the folder that has been told about keywords without room */
    struct newline newline;
    struct buffer piece;
};

/* A message of the source. */
struct import_item {
    uint8_t id[IMPORTED_ID];
    uint8_t flags;
    int64_t date;
    int zone;
    const struct slice *keywords;
    size_t keyword_n;
    const char *what; /* for reports: folder and file */
};

/* All return false when the import has stopped. */
bool import_enter(struct import *i, const struct import_folder *folder);
bool import_ask(
    struct import *i, const uint8_t (*ids)[IMPORTED_ID], size_t n, bool found[IMPORTED_ASK]);
bool import_begin(struct import *i, const struct import_item *item);
/* Bytes of it as they stand in the file. */
bool import_bytes(struct import *i, struct slice bytes);
/* whole: else the message is dropped, and whoever calls tells why. */
bool import_end(struct import *i, bool whole);

/* Something was skipped. */
void import_problem(struct import *i, const char *what, const char *why);
/* Something to know that costs no message. */
void import_note(struct import *i, const char *what, const char *why);
/* Adds a folder; tells when its name had to change. False: out of memory, or too many. */
bool import_add_folder(struct import *i, const char *path, struct folder_name *mailbox);
/* Identity: the first bytes of a SHA-256 over the parts, each with its length. */
void import_identity(const struct slice *parts, size_t n, uint8_t id[IMPORTED_ID]);

/* import_maildir.c, import_mbox.c: false: no such thing there, why says what is missing */
bool import_maildir_scan(struct import *i);
void import_maildir_run(struct import *i);
bool import_mbox_scan(struct import *i);
void import_mbox_run(struct import *i);
