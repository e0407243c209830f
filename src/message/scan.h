/* Facts about a message learned while it is received: the bytes come in pieces, cut anywhere, and
 * are not kept. Agrees with header.h on where the header ends and what a field's name is. Runs at
 * several GB/s on plain text. */
#pragma once
#include "base/slice.h"

enum scan_field {
    SCAN_RECEIVED,
    SCAN_DELIVERED_TO,
    SCAN_FROM,
    SCAN_SENDER,
    SCAN_TO,
    SCAN_CC,
    SCAN_BCC,
    SCAN_DATE,
    SCAN_MESSAGE_ID,
    SCAN_RETURN_PATH,
    SCAN_TLS_REQUIRED,
    SCAN_FIELDS
};

#define SCAN_NAME_MAX 16 /* the longest name looked at, and a byte more */

struct scan {
    uint64_t bytes;              /* all so far */
    uint64_t header_bytes;       /* with the empty line */
    uint64_t longest_line;       /* without its line end, by LF */
    uint32_t field[SCAN_FIELDS]; /* how many fields of each name */
    bool in_body;                /* the header has ended */
    bool header_8bit, body_8bit;
    bool nul;
    bool bare_cr, bare_lf; /* CR not before LF, LF not behind CR */
    bool tls_optional;     /* a field "TLS-Required: No" (RFC 8689 §3) */
    bool ends_in_line;     /* the last line has no line end; told by scan_end */
    /* own state */
    uint64_t line; /* bytes of the line so far */
    bool cr;       /* the last byte was CR */
    char name[SCAN_NAME_MAX];
    uint8_t name_n, name_state;
    char value[3]; /* the start of TLS-Required's, without blanks; one byte more than is looked for
                    */
    uint8_t value_n;
    bool in_value;
};

void scan_init(struct scan *s);
void scan_feed(struct scan *s, struct slice bytes);
/* The message is over: a last line without line end is counted. */
void scan_end(struct scan *s);
