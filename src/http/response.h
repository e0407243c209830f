/* A response (RFC 9112), taken apart as its bytes come. No socket, no clock. Every line, the number
 * of lines, and the body have a maximum; what is unclear about where the body ends is refused. */
#pragma once
#include "base/buffer.h"

#define RESPONSE_LINE_MAX   16384               /* some tell browsers their policies in 8 KB */
#define RESPONSE_LINES_MAX  ((size_t)64 * 1024) /* bytes of all lines: status, fields, chunks */
#define RESPONSE_FIELDS_MAX 100
#define RESPONSE_TYPE_MAX   128

enum response_state {
    RESPONSE_MORE,
    RESPONSE_DONE,    /* nothing behind it is looked at */
    RESPONSE_BAD,     /* no HTTP/1 response, or over a limit: why */
    RESPONSE_TOO_BIG, /* the body is over its maximum */
};

struct response {
    struct buffer *body; /* NULL: the head is all that is wanted */
    /* out; status and type from the end of the head on */
    int status;
    char type[RESPONSE_TYPE_MAX]; /* media type, lower case, without parameters; "": none */
    const char *why;
    /* inside */
    enum {
        RESPONSE_STATUS,
        RESPONSE_FIELD,
        RESPONSE_BODY,
        RESPONSE_CHUNK,
        RESPONSE_CHUNK_END,
        RESPONSE_TRAILER
    } at;
    enum response_state state;
    bool chunked, has_length;
    uint64_t left; /* of the body or the chunk */
    unsigned fields, interim;
    size_t line_n, lines_n;
    char line[RESPONSE_LINE_MAX];
};

/* body: its maximum is that of the response's body. */
void response_init(struct response *r, struct buffer *body);
/* Takes bytes in order, in pieces of any length. */
enum response_state response_feed(struct response *r, struct slice in);
