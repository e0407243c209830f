/* Names of folders on disk and of mailboxes (mailbox/mailbox.h), to and fro. Pure.
 *
 * On disk a level is modified UTF-7 (RFC 3501 §5.1.3), as Courier and Dovecot write it, or plain
 * UTF-8; a dot that would mean something there is written as "&AC4-", which no encoder of names
 * makes. Maildir++: ".Sub.Folder" is "Sub/Folder". In folders of files "Sub.sbd/Folder" is so too
 * (Thunderbird), and "Sub/Folder". */
#pragma once
#include "base/buffer.h"
#include "mailbox/mailbox.h"

#define FOLDER_PATH_MAX 2048 /* bytes of a path below the root */
#define FOLDER_FILE_MAX 255  /* of a name on disk */

/* A mailbox name and what became of it. */
struct folder_name {
    char text[MAILBOX_NAME_MAX];
    size_t n;
    bool changed; /* it had to be, to be legal here */
};

/* The mailbox of a folder: path is what stands below the root, with '/' between levels; "" is
 * INBOX. maildir: levels that begin with a dot are Maildir++. Never fails: what is not legal
 * (controls, bad UTF-8, empty levels, too long) is made so. */
void folder_to_mailbox(struct slice path, bool maildir, struct folder_name *name);
/* The special mailbox that a name usually stands for ("Spam": "Junk"); empty when it is none, or
 * that name itself. */
struct slice folder_special(struct slice name);

/* Maildir++: the folder of a mailbox; "" for INBOX. False: longer than a file name may be, which
 * out then holds cut, with a hash behind it. */
bool folder_of_maildir(struct slice mailbox, char out[FOLDER_FILE_MAX + 1]);
/* Folders of files: "Sub.sbd/Folder". False: a level was cut. */
bool folder_of_file(struct slice mailbox, char out[FOLDER_PATH_MAX]);
