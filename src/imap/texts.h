/* The texts of a stored message: streamed from its blob, decoded (transfer encoding, charset,
 * encoded words) and shown to needles. Memory is bounded whatever the message; long computing runs
 * on offload threads. */
#pragma once
#include "imap/needles.h"
#include "store/engine.h"

#define TEXTS_HEADER_MAX ((size_t)2 * 1024 * 1024) /* of a header that is looked at */

/* Reads a message in pieces; one at a time. */
struct texts_source {
    struct store_blob *blob;
    uint64_t size, at; /* of the message; where the piece lies in it */
    size_t n;
    char *piece; /* TEXTS_PIECE, the caller's */
    deadline until;
};
#define TEXTS_PIECE ((size_t)64 * 1024)

/* DONE, REFUSED: there is no such blob, FAILED. piece: TEXTS_PIECE bytes. */
TASK_FN
enum outcome texts_open(
    struct texts_source *s, struct store *store, store_blob_id id, char *piece, deadline until);
void texts_close(struct texts_source *s);
/* Appends the header with its empty line, at most TEXTS_HEADER_MAX of it. */
TASK_FN
enum outcome texts_header(struct texts_source *s, struct buffer *to);
/* Feeds header fields (the message's and those of messages in it) and bodies of text parts, until
 * nothing more is wanted. REFUSED: out of memory. */
TASK_FN
enum outcome texts_feed(struct texts_source *s, struct needles *needles);
