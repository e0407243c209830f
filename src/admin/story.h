/* Rows of `barid trace` as a story in plain words: a paragraph for each message, a line for each
 * event, in the time zone of whoever reads. */
#pragma once
#include "base/buffer.h"
#include <jansson.h>

#define STORY_ID  64
#define STORY_MAX ((size_t)64 * 1024) /* lines of one row */

struct story {
    char id[STORY_ID]; /* of the message being told */
    bool begun;
};

/* The next lines, each with its line end. Cleans the texts of the row. */
void story_tell(struct story *s, json_t *row, struct buffer *out);
/* What a stranger chose shall not move the cursor of a terminal: each byte of a control becomes
 * '?' (utf8_control). */
void story_clean(char *text);
