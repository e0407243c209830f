/* A reply line: status, response code (RFC 2449 §8, RFC 3206) and text. Pure. */
#pragma once
#include "base/slice.h"

#define POP3_REPLY_LINE 512 /* with its CRLF (RFC 2449 §4) */
#define POP3_REPLY_TEXT 480

enum pop3_code {
    POP3_CODE_NONE,
    POP3_CODE_AUTH,     /* the credentials are the problem */
    POP3_CODE_IN_USE,   /* they are right, but somebody else has the maildrop */
    POP3_CODE_SYS_TEMP, /* our fault, a later attempt may succeed */
    POP3_CODE_SYS_PERM, /* our fault, somebody has to look at it */
};

struct pop3_reply {
    bool ok;
    enum pop3_code code;        /* of -ERR */
    char text[POP3_REPLY_TEXT]; /* cut when too long */
};

void pop3_reply_ok(struct pop3_reply *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void pop3_reply_error(struct pop3_reply *r, enum pop3_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As it goes over the wire; what is not printable ASCII becomes '?'. */
struct slice pop3_reply_write(const struct pop3_reply *r, char out[POP3_REPLY_LINE]);
