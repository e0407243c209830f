/* A reply: three digits, an enhanced status code and text (RFC 5321 §4.2, RFC 2034). Made where the
 * outcome is known; written in one place. Pure. */
#pragma once
#include "base/buffer.h"

#define SMTP_REPLY_TEXT 496
/* A reply line with its code and CRLF (RFC 5321 §4.5.3.1.5). */
#define SMTP_REPLY_LINE 512

struct smtp_reply {
    uint16_t code;              /* 0: none was made */
    char enhanced[12];          /* "5.1.1"; "" for greetings, EHLO and 3yz, which carry none */
    char text[SMTP_REPLY_TEXT]; /* lines divided by '\n'; cut when too long */
};

/* enhanced: "x.y.z" whose class is the first digit of the code (asserted, RFC 2034 §4), or NULL. */
void smtp_reply_set(struct smtp_reply *r, unsigned code, const char *enhanced, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
/* Appends the reply as it goes over the wire: each line with the code and the enhanced code; CR,
 * LF, NUL and other controls become '?', and so do 8-bit bytes unless utf8 (RFC 6531 §3.7.4). */
void smtp_reply_write(const struct smtp_reply *r, bool utf8, struct buffer *out);
static inline bool smtp_reply_ok(const struct smtp_reply *r)
{
    return r->code >= 200 && r->code < 300;
}
