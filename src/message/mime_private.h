/* The Content- fields of one part. */
#pragma once
#include "message/header.h"
#include "message/mime.h"

/* Takes one field of the part's header; of repeated ones the first counts (`seen` remembers, 0 at
 * the start). False: not understood, or no room. */
bool mime_set_field(
    struct mime_part *part, const struct header_field *field, unsigned *seen, struct arena *arena);
/* A part that cannot be looked into is shown as plain text. */
void mime_set_plain(struct mime_part *part);
