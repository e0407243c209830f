#include "smtp/reply.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void smtp_reply_set(
    struct smtp_reply *r, unsigned code, const char *enhanced, const char *format, ...)
{
    assert(code >= 200 && code <= 599);
    assert(!enhanced || (unsigned)(enhanced[0] - '0') == code / 100);
    r->code = (uint16_t)code;
    r->enhanced[0] = '\0';
    if (enhanced)
        slice_to_cstr(slice_str(enhanced), r->enhanced, sizeof r->enhanced);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(r->text, sizeof r->text, format, args);
    va_end(args);
    if (n < 0)
        r->text[0] = '\0';
}

/* textstring is HT and printable ASCII (RFC 5321 §4.2); with SMTPUTF8 also UTF-8. */
static void put_clean(struct slice line, bool utf8, struct buffer *out)
{
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        bool fine = (c >= 32 && c < 127) || c == '\t' || (utf8 && c >= 128);
        buffer_add_char(out, fine ? (char)c : '?');
    }
}

void smtp_reply_write(const struct smtp_reply *r, bool utf8, struct buffer *out)
{
    size_t used = 3 + 1 + strlen(r->enhanced) + 1 + 2;
    struct slice rest = slice_str(r->text);
    do {
        struct slice line = slice_cut(&rest, '\n');
        if (line.n > SMTP_REPLY_LINE - used)
            line.n = SMTP_REPLY_LINE - used;
        buffer_printf(out, "%03u%c", r->code, rest.n ? '-' : ' ');
        if (r->enhanced[0])
            buffer_printf(out, "%s ", r->enhanced);
        put_clean(line, utf8, out);
        buffer_add(out, S("\r\n"));
    } while (rest.n);
}
