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

#define TRANSFER_BLANKS_MAX 76
#define TRANSFER_SLACK      (TRANSFER_BLANKS_MAX + 4)

struct transfer_decoder {
    enum transfer transfer;
    bool bad; /* something was not right: bytes outside the alphabet, data behind the padding, a
                 broken =XX; decoding goes on as well as it can */
    /* base64: an unfinished group of four characters */
    uint32_t bits;
    uint8_t group_n;
    bool padded; /* "=" has been seen */
    /* quoted-printable: bytes whose meaning depends on what follows */
    uint8_t state, held_n;
    char held[TRANSFER_SLACK];
};

void transfer_init(struct transfer_decoder *d, enum transfer transfer);
/* Appends what these bytes decode to: never more than bytes.n + TRANSFER_SLACK, and wants that much
 * room. However the data is cut, the result is the same. False: the buffer is full. Blanks at the
 * end of a quoted-printable line are dropped (RFC 2045 §6.7 (3)), at most TRANSFER_BLANKS_MAX: a
 * longer run is data. */
bool transfer_feed(struct transfer_decoder *d, struct slice bytes, struct buffer *to);
/* The data is over: appends what waited. The decoder is as after init, but keeps `bad`. */
bool transfer_end(struct transfer_decoder *d, struct buffer *to);
