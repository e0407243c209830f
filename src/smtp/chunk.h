/* BDAT (RFC 3030 §2): how many bytes of the stream are message. Pure. */
#pragma once
#include "smtp/reply.h"

struct smtp_chunk {
    uint64_t left;
    bool last;
};

/* args of BDAT. False: *error; where the next command begins is then unknown, so the connection has
 * to be closed. */
bool smtp_chunk_parse(struct slice args, struct smtp_chunk *chunk, struct smtp_reply *error);
/* Takes what belongs to the chunk off the front of in. */
struct slice smtp_chunk_take(struct smtp_chunk *chunk, struct slice in);
