/* Names in a Maildir: of message files with their flags, and Dovecot's file of keywords. Pure. */
#pragma once
#include "base/slice.h"
#include "mailbox/mailbox.h"

#define MAILDIR_KEYWORDS      26 /* letters a to z */
#define MAILDIR_KEYWORDS_FILE ((size_t)64 * 1024)
#define MAILDIR_INFO_MAX      40
#define MAILDIR_KEYWORD_MAX   255

struct maildir_name {
    struct slice base; /* the name without flags: what stays the same */
    uint8_t flags;     /* enum mailbox_flag */
    bool forwarded;    /* P, "$Forwarded" as a keyword */
    uint32_t keywords; /* bit 0: a */
};

/* Takes a file name of cur/ or new/ apart: BASE, or BASE:2,FLAGS; unknown flags are passed over.
 * False: no message (empty, or hidden). */
bool maildir_name_parse(struct slice file, struct maildir_name *name);
/* ":2,FLAGS", letters in order of ASCII; base is not looked at. A slice over out. */
struct slice maildir_name_info(const struct maildir_name *name, char out[MAILDIR_INFO_MAX]);

/* names[0] is that of letter a; p NULL: none. Slices into the text. */
struct maildir_keywords {
    struct slice names[MAILDIR_KEYWORDS];
};
/* Lines "NUMBER NAME"; what is none, or no keyword, is passed over. The first one of a number
 * counts. */
void maildir_keywords_parse(struct slice text, struct maildir_keywords *keywords);
