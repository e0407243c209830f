/* The rendered row: ENVELOPE and BODYSTRUCTURE in IMAP syntax and the common header fields of a
 * message, compressed. A cache: a row of another version, or that does not unpack, is as none.
 *
 * What it cannot hold (over MAILBOX_RENDERED_MAX when compressed) is rendered live each time. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "message/mime.h"

#define RENDER_TEXT_MAX   ((size_t)16 * 1024 * 1024) /* of one live rendering */
#define RENDER_UNPACK_MAX ((size_t)16 * 1024)        /* of a row */

struct rendered {
    struct slice envelope;  /* `("Sun, ..." ...)`; p NULL: not here */
    struct slice structure; /* BODYSTRUCTURE's */
    struct slice fields;    /* raw, of render_field_cached names, in order, with their CRLF */
    bool has_fields;        /* what is not in `fields` is not in the message */
    bool utf8;              /* 8-bit header or message/global: UTF-8 sessions render live */
};

/* Unpacks into the scratch, which lives as long as what comes out is used. */
bool render_unpack(struct slice row, char scratch[RENDER_UNPACK_MAX], struct rendered *out);
/* Appends the packed row. False: there is none. */
bool render_pack(const struct rendered *rendered, struct buffer *row);
/* Is this one of the fields that rows hold (any case)? */
bool render_field_cached(struct slice name);

/* From the header and the structure of a message, live. */
void render_envelope(struct slice header, struct arena *arena, struct buffer *to);
/* extended: BODYSTRUCTURE, else BODY. header_of gives the header of an embedded message (part index
 * of the message inside a message/rfc822 part) for its envelope. */
void render_structure(const struct mime *mime, bool extended,
    struct slice (*header_of)(void *arg, uint32_t part), void *arg, struct arena *arena,
    struct buffer *to);
/* BODY from BODYSTRUCTURE's text. False: not text of ours. */
bool render_body_of_structure(struct slice structure, struct buffer *to);
