/* One export, shared by export.c (the dialogue) and the writers of Maildir and mbox. */
#pragma once
#include "port/link.h"
#include "port/newline.h"
#include "port/port.h"
#include "port/progress.h"
#include "port/tree.h"

struct export_message {
    uint32_t uid, uidvalidity;
    uint8_t flags;
    uint64_t keywords; /* bits of names */
    int64_t date;
    uint64_t size; /* in the store */
};

struct export
{
    const struct port_options *options;
    int root; /* the folder that is written */
    struct link link;
    struct progress progress;
    char mailbox[MAILBOX_NAME_MAX + 1];
    size_t mailbox_n;
    uint32_t uidvalidity, uidnext;
    char names[MAILBOX_KEYWORDS][256]; /* of keywords, by bit; "": none */
    uint64_t messages, bytes, skipped;
    size_t mailboxes;
    json_t *problems;
    bool failed; /* nothing can be written any more: why */
    char why[ADMIN_WHY];
};

static inline struct slice export_mailbox(const struct export *e)
{
    return slice(e->mailbox, e->mailbox_n);
}

/* A message or a name did not go whole; what: a mailbox or message. */
void export_problem(struct export *e, const char *what, const char *why, bool skipped);
/* The disk refuses: the export ends. Always false. */
bool export_failed(struct export *e, const char *what);
bool export_write(struct export *e, int fd, struct slice bytes, const char *what);

/* How a format is written. All return false when the export has failed. */
struct export_sink {
    bool (*enter)(struct export *e); /* the next mailbox */
    bool (*begin)(struct export *e, const struct export_message *m);
    bool (*bytes)(struct export *e, struct slice text); /* in LF form */
    bool (*end)(struct export *e, bool whole);
    bool (*leave)(struct export *e); /* the mailbox is over */
};
extern const struct export_sink export_maildir_sink, export_mbox_sink;
