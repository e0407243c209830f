/* A message on its way out as a multi-line response (RFC 1939 §3): dots stuffed, every line ended
 * by CRLF. Pure; the message may come in pieces cut anywhere. */
#pragma once
#include "base/slice.h"

struct pop3_dot {
    enum {
        POP3_DOT_LINE, /* at the start of a line */
        POP3_DOT_TEXT, /* inside */
        POP3_DOT_CR,   /* the line has ended, its CRLF is not given out yet */
    } state;
};

/* At the start of a message: all zero. */

/* What is to be sent next, perhaps nothing: a run from the front of *in, or what has to stand in
 * between. False: *in is used up. */
bool pop3_dot_next(struct pop3_dot *d, struct slice *in, struct slice *out);
/* Behind the message: the end of the last line, if it had none, and of the response. */
struct slice pop3_dot_end(const struct pop3_dot *d);

/* The part of a message that TOP shows: the header, the blank line, so many lines of the body. */
struct pop3_top {
    uint64_t lines; /* of the body, still to come */
    bool body;      /* the blank line has passed */
    bool text;      /* the present line is not blank */
    bool cr;        /* the last byte was a CR: a LF belongs to it */
    bool done;
};

/* lines as above, the rest zero. How many bytes of in belong to the part; all of them unless done.
 */
size_t pop3_top_take(struct pop3_top *t, struct slice in);
