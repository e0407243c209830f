/* Line ends of mail in files: LF there, CRLF in the store. In pieces, cut anywhere. */
#pragma once
#include "base/buffer.h"

struct newline {
    bool cr; /* the last byte was CR (newline_lf: and is still held back) */
};

/* Appends with each LF that follows no CR as CRLF; at most twice as long. False: no room. */
bool newline_crlf(struct newline *n, struct slice in, struct buffer *out);
/* Appends with each CRLF as LF; other CRs stay. False: no room. */
bool newline_lf(struct newline *n, struct slice in, struct buffer *out);
/* The text is over: what newline_lf holds back. */
bool newline_lf_end(struct newline *n, struct buffer *out);
