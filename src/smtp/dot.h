/* The bytes of a message on their way in: ends DATA at CRLF.CRLF and nothing else (RFC 5321
 * §4.1.1.4), takes stuffed dots off (RFC 5321 §4.5.2), sees bare CR, bare LF and NUL. Fed in pieces
 * of any size, gives pieces of the input back, copies nothing. Pure. */
#pragma once
#include "base/slice.h"

enum smtp_newline {
    SMTP_NEWLINE_REFUSE,    /* a bare CR or LF: 550 5.6.0 after the real end */
    SMTP_NEWLINE_NORMALISE, /* a bare CR or LF becomes CRLF */
};

struct smtp_dot {
    enum smtp_newline newline;
    bool stuffed; /* DATA; BDAT has neither stuffed dots nor an end of its own */
    enum {
        SMTP_DOT_LINE,    /* a line begins: at the start and behind CRLF */
        SMTP_DOT_TEXT,    /* inside a line */
        SMTP_DOT_CR,      /* behind a CR that has been given out */
        SMTP_DOT_BARE_LF, /* before a LF that wants a CR */
        SMTP_DOT_LF,      /* before that LF, the CR has been given out */
        SMTP_DOT_DOT,     /* behind a dot that begins a line and is held back */
        SMTP_DOT_DOT_CR,  /* behind such a dot and a CR, both held back */
        SMTP_DOT_ENDED,
    } state;
    bool nul, bare; /* seen so far */
};

void smtp_dot_init(struct smtp_dot *d, enum smtp_newline newline, bool stuffed);
/* Reads on from in.p[*at], moves *at, and sets *piece to the next bytes of the message (possibly
 * none; valid as long as the input). Call it until *at is in.n or it returns true: the message has
 * ended, *at is behind its last CRLF. */
bool smtp_dot_next(struct smtp_dot *d, struct slice in, size_t *at, struct slice *piece);
/* BDAT LAST: no more comes. *piece: what is still to be added. */
void smtp_dot_finish(struct smtp_dot *d, struct slice *piece);
