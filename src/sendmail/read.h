/* The message on stdin, whole: its first 2 MiB in memory, the rest in a file without a name. It is
 * read to its end before anything is said to the server, for a program may write it over hours. */
#pragma once
#include "base/buffer.h"
#include "message/scan.h"
#include "sendmail/options.h"

#define SENDMAIL_MEMORY_MAX  ((size_t)2 * 1024 * 1024) /* a header ends within */
#define SENDMAIL_MESSAGE_MAX ((uint64_t)2 * 1024 * 1024 * 1024)

struct sendmail_message {
    struct buffer memory;
    int fd;         /* of what does not fit there; -1: nothing */
    uint64_t size;  /* of both */
    uint64_t given; /* read back from the file so far */
    struct scan scan;
    char piece[64 * 1024];
};

void sendmail_read_init(struct sendmail_message *m);
/* SENDMAIL_OK, or why. */
enum sendmail_exit sendmail_read(
    struct sendmail_message *m, int from, bool dot_is_text, char why[SENDMAIL_WHY]);
/* The next bytes of those in the file, valid until the next call; empty: no more. False: they
 * cannot be read. */
bool sendmail_read_back(struct sendmail_message *m, struct slice *piece);
void sendmail_read_finish(struct sendmail_message *m);
