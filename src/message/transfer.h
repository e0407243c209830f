/* Content-Transfer-Encoding (RFC 2045 §6): streaming decoders, tolerant as mail demands. */
#pragma once
#include "base/buffer.h"

enum transfer {
    TRANSFER_7BIT, /* the default */
    TRANSFER_8BIT,
    TRANSFER_BINARY,
    TRANSFER_QUOTED_PRINTABLE,
    TRANSFER_BASE64,
    TRANSFER_UNKNOWN, /* decoded as identity; IMAP BINARY answers UNKNOWN-CTE */
};

/* name: the value of the field, comments and blanks around it allowed; empty is 7bit. */
enum transfer transfer_named(struct slice value);
/* Does decoding change bytes? */
static inline bool transfer_encoded(enum transfer t)
{
    return t == TRANSFER_QUOTED_PRINTABLE || t == TRANSFER_BASE64;
}

struct transfer_decoder {
    enum transfer transfer;
    bool bad; /* something was not right: bytes outside the alphabet, data behind the padding, a
                 broken =XX; decoding goes on as well as it can */
    /* base64: bits of an unfinished group of four; quoted-printable: bytes that wait */
    uint32_t bits;
    unsigned bits_n;
    bool padded;
    bool soft; /* behind "=" and blanks */
    size_t blanks;
    char held[4];
    unsigned held_n;
};

void transfer_init(struct transfer_decoder *d, enum transfer transfer);
/* Appends what these bytes decode to: never more than bytes.n + TRANSFER_SLACK. False: the buffer
 * is full. Blanks at the end of a quoted-printable line are dropped (RFC 2045 §6.7 (3)), at most
 * TRANSFER_SLACK - 4 of them: a longer run is data. */
#define TRANSFER_SLACK 1024
bool transfer_feed(struct transfer_decoder *d, struct slice bytes, struct buffer *to);
/* The data is over: appends what waited. The decoder is as after init, but keeps `bad`. */
bool transfer_end(struct transfer_decoder *d, struct buffer *to);
