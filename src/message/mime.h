/* The MIME structure of a message (RFC 2045, 2046) as a flat array of parts, made in one pass over
 * the bytes, which may come in pieces of any size: nothing of the message is kept but the values of
 * the Content- fields. Linear in time; no recursion. */
#pragma once
#include "message/parameter.h"
#include "message/transfer.h"

#define MIME_DEPTH_MAX    100                 /* a part deeper than this is not looked into */
#define MIME_PARTS_MAX    10000               /* the last one extends to the end of the message */
#define MIME_BOUNDARY_MAX 256                 /* RFC 2046 §5.1.1 says 70; mail has longer ones */
#define MIME_FIELD_MAX    ((size_t)64 * 1024) /* of a Content- field; the rest is not read */
/* Enough for any structure within these limits and usual fields. An arena that is full acts as
 * MIME_PARTS_MAX. */
#define MIME_ARENA_MAX ((size_t)32 * 1024 * 1024)
#define MIME_NONE      UINT32_MAX

enum mime_kind {
    MIME_LEAF,      /* no children */
    MIME_MULTIPART, /* at least one child */
    MIME_MESSAGE,   /* message/rfc822 or message/global: exactly one child, the message in it, whose
                       header is its header */
};

/* Absent values have p == NULL; texts are unfolded. Offsets are from the start of the message. */
struct mime_part {
    enum mime_kind kind;
    uint32_t parent, child, next; /* index of the parent, of the first child, of the next sibling;
                                     or MIME_NONE. Every index is larger than its parent's and than
                                     that of the sibling before. */
    uint32_t depth;               /* 0: the message itself */
    uint64_t header, body, end;   /* header is [header, body) with its empty line, body [body, end)
                                     without the line end that belongs to the boundary */
    uint64_t lines;               /* line ends (LF) in the body */
    struct parameter_value
        content; /* Content-Type. Defaults: text/plain; in multipart/digest
                    message/rfc822 (RFC 2046 §5.1.5). A multipart without a usable
                    boundary or without parts, and what limits forbid to look
                    into, is a leaf and says text/plain without parameters. */
    struct parameter_value disposition;
    enum transfer transfer;
    struct slice encoding; /* Content-Transfer-Encoding as written, without comments */
    struct slice id, description, md5, language, location;
};

struct mime {
    struct mime_part *parts; /* parts[0] is the message, n is at least 1; in the order of a walk
                                through the tree, children before siblings */
    uint32_t n;
    uint64_t size;  /* of the message */
    bool truncated; /* a limit was met */
    bool broken;    /* a boundary missing or never closed, a field not understood */
};

struct mime_parser;
/* In the arena, with all that it makes; NULL when there is no room. Once begun, mime_end must be
 * called. */
struct mime_parser *mime_begin(struct arena *arena);
void mime_feed(struct mime_parser *p, struct slice bytes);
/* The result, valid as long as the arena. */
const struct mime *mime_end(struct mime_parser *p);
/* The three in one. NULL: no room. */
const struct mime *mime_parse(struct slice message, struct arena *arena);

static inline struct slice mime_header(const struct mime_part *part, struct slice message)
{
    return slice_sub(message, part->header, part->body - part->header);
}
static inline struct slice mime_body(const struct mime_part *part, struct slice message)
{
    return slice_sub(message, part->body, part->end - part->body);
}
/* type/subtype, ASCII case ignored; an empty subtype matches all. */
bool mime_is(const struct mime_part *part, struct slice type, struct slice subtype);
