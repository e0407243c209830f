/* ENVELOPE and BODYSTRUCTURE in IMAP syntax (RFC 9051 §7.5.2), and the rendered row: both with the
 * common header fields of a message, compressed. A row is a cache: one of another version, or that
 * does not unpack, is as none. What a row cannot hold is rendered live each time.
 *
 * Whatever the message, what comes out is valid syntax: a list with too much in it for the buffer
 * is shown as NILs, a part as a plain leaf. */
#pragma once
#include "base/buffer.h"
#include "message/mime.h"

#define RENDER_TEXT_MAX   ((size_t)16 * 1024 * 1024) /* of one live rendering */
#define RENDER_UNPACK_MAX ((size_t)16 * 1024)        /* of a row */
#define RENDER_HEADER_MAX ((size_t)2 * 1024 * 1024)  /* of a header that is looked at */
/* For each part of a message a buffer needs this much room at least. */
#define RENDER_PART_MIN ((size_t)128)

struct rendered {
    struct slice envelope;  /* `("Sun, ..." ...)`; p NULL: not here */
    struct slice structure; /* BODYSTRUCTURE's */
    struct slice fields;    /* raw, of render_field_cached names, in order, with their CRLF */
    bool has_fields;        /* what is not in `fields` is not in the message; its header ends with
                               CRLF CRLF */
    bool utf8;              /* 8-bit header or message/global: UTF-8 sessions render live */
};

/* Where the header of an embedded message is found: part is the index of the message inside a
 * message/rfc822 part. The slice is used until the next call. */
struct render_source {
    struct slice (*header_of)(void *arg, uint32_t part);
    void *arg;
};

void render_envelope(struct slice header, struct buffer *to);
/* extended: BODYSTRUCTURE, else BODY. */
void render_structure(
    const struct mime *mime, bool extended, const struct render_source *source, struct buffer *to);
/* BODY from BODYSTRUCTURE's text. False: not text of ours, or no room. */
bool render_body_of_structure(struct slice structure, struct buffer *to);
/* All that a row holds, one behind the other in `to`, which was empty; out shows it. Without room
 * for the fields has_fields is false. False: no room for the rest. */
bool render_message(struct slice header, const struct mime *mime,
    const struct render_source *source, struct buffer *to, struct rendered *out);

/* ---- rows ---- */

/* Is this one of the fields that rows hold (any case)? */
bool render_field_cached(struct slice name);
/* Unpacks into the scratch, which lives as long as what comes out is used. About 2 us. */
bool render_row_unpack(struct slice row, char scratch[RENDER_UNPACK_MAX], struct rendered *out);
/* Appends the packed row, at most MAILBOX_RENDERED_MAX; leaves the fields out where they do not
 * fit. False: there is none. */
bool render_row_pack(const struct rendered *rendered, struct buffer *row);
