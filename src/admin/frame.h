/* How requests and answers cross a socket: 4 bytes length (big-endian), then JSON. An answer is any
 * number of {"row": ...}, then
 * {"exit": N, "why": TEXT}. Between them, where a command says so (admin/stream.h), go frames of
 * raw bytes: the highest bit of their length is set. */
#pragma once
#include "base/buffer.h"
#include <jansson.h>

#define FRAME_MAX       ((size_t)1024 * 1024)
#define FRAME_RAW_MAX   ((size_t)64 * 1024)
#define FRAME_HEAD      4
#define FRAME_DEPTH_MAX 16 /* arrays and objects in each other */

/* Takes the value over; false: over FRAME_MAX or out of memory. */
bool frame_write(json_t *value, struct buffer *out);
/* The head of a raw frame of n bytes, at most FRAME_RAW_MAX. */
void frame_raw_head(size_t n, char out[FRAME_HEAD]);
enum frame_answer { FRAME_MORE, FRAME_OK, FRAME_BAD };
/* One value off the front of in; *used counts its bytes. OK: *value is a new reference, else NULL.
 * After BAD the rest of the stream means nothing. */
enum frame_answer frame_read(struct slice in, size_t *used, json_t **value);
/* The same where raw frames may come: then *value is NULL and *raw points into in. */
enum frame_answer frame_next(struct slice in, size_t *used, json_t **value, struct slice *raw);
