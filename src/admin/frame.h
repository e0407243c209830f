/* How requests and answers cross a socket: 4 bytes length (big-endian), then JSON. An answer is any
 * number of {"row": ...}, then
 * {"exit": N, "why": TEXT}. */
#pragma once
#include "base/buffer.h"
#include <jansson.h>

#define FRAME_MAX       ((size_t)1024 * 1024)
#define FRAME_DEPTH_MAX 16 /* arrays and objects in each other */

/* Takes the value over; false: over FRAME_MAX or out of memory. */
bool frame_write(json_t *value, struct buffer *out);
enum frame_answer { FRAME_MORE, FRAME_OK, FRAME_BAD };
/* One value off the front of in; *used counts its bytes. OK: *value is a new reference, else NULL.
 * After BAD the rest of the stream means nothing. */
enum frame_answer frame_read(struct slice in, size_t *used, json_t **value);
