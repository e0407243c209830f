/* Commands that move whole mailboxes: what crosses the socket beside rows (admin/frame.h).
 *
 * export   request {"do": "mailbox export", "address"}
 *   answer   {"row": {"messages", "bytes"}}, then for each mailbox {"row": {"mailbox",
 * "uidvalidity", "uidnext", "keywords": [name of bit 0, ...]}}, for each of its messages {"row":
 * {"uid", "flags", "keywords", "date", "size"}} and raw frames of `size` bytes in all, the last not
 * full; a row {"broken": TEXT} in place of raw frames ends a message that cannot be read.
 *
 * import   request {"do": "mailbox import", "address"}
 *   answer   {"row": {"message_size"}}; from now on both sides speak when they like:
 *   command  {"ask": [IDENTITY, ...]}           -> row {"there": "0101..."}
 *            {"mailbox": NAME}                  -> row {"mailbox": NAME}: made where missing; where
 *                                                  items go from now on
 *            {"item": {"n", "id", "flags", "keywords": [NAME, ...], "date", "zone"}}, raw frames,
 *            {"done": true} or {"drop": true}   -> row {"n", "is", "why", "lost"} unless dropped
 *            {"end": true}                      -> the end of the answer
 * Identities are 32 hex digits, flags as in mailbox/mailbox.h, dates seconds. "is": "kept",
 * "already", "bad" (why), "full" (over quota), "failed" (why; nothing more should be sent). */
#pragma once
#include "admin/admin.h"
#include "base/buffer.h"
#include "mailbox/imported.h"

#define STREAM_ASK     IMPORTED_ASK
#define STREAM_KEYWORD 255 /* bytes of a keyword */

/* ---- export ---- */

typedef bool (*stream_raw)(void *arg, struct slice bytes); /* as admin_emit; <= FRAME_RAW_MAX */

/* The whole account, mailbox by mailbox. Never trusts the request. */
TASK_FN
void stream_export(const struct admin *a, const json_t *request, admin_emit emit, stream_raw raw,
    void *arg, struct admin_answer *answer);

/* ---- import ---- */

struct stream_import {
    const struct admin *admin;
    uint64_t account, quota, message_size;
    uint32_t mailbox; /* where items go; 0: none yet */
};

/* False: answer says why. */
TASK_FN
bool stream_import_open(const struct admin *a, const json_t *request, struct stream_import *i,
    struct admin_answer *answer);
/* "ask" and "mailbox": the row that answers; NULL: the frame is nonsense or the store fails, answer
 * says why, the import ends. */
TASK_FN
json_t *stream_import_small(
    struct stream_import *i, const json_t *frame, struct admin_answer *answer);

struct stream_item {
    uint64_t n;
    struct imported_message message;
    struct slice keywords[IMPORTED_WORDS]; /* into frame */
    json_t *frame;
};
/* Takes a reference of the frame. False: nonsense. */
bool stream_item_open(const struct stream_import *i, json_t *frame, struct stream_item *item);
void stream_item_close(struct stream_item *item);
/* Puts the spooled message where it belongs; the row for the command. NULL: out of memory. */
TASK_FN
json_t *stream_item_store(
    const struct stream_import *i, struct stream_item *item, struct spool *body, bool nul);
