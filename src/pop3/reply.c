#include "pop3/reply.h"
#include <stdarg.h>
#include <stdio.h>

static void set_text(struct pop3_reply *r, const char *format, va_list args)
{
    if (vsnprintf(r->text, sizeof r->text, format, args) < 0)
        r->text[0] = '\0';
}

void pop3_reply_ok(struct pop3_reply *r, const char *format, ...)
{
    va_list args;
    r->ok = true;
    r->code = POP3_CODE_NONE;
    va_start(args, format);
    set_text(r, format, args);
    va_end(args);
}

void pop3_reply_error(struct pop3_reply *r, enum pop3_code code, const char *format, ...)
{
    va_list args;
    r->ok = false;
    r->code = code;
    va_start(args, format);
    set_text(r, format, args);
    va_end(args);
}

struct slice pop3_reply_write(const struct pop3_reply *r, char out[POP3_REPLY_LINE])
{
    static const char *const codes[] = {
        [POP3_CODE_NONE] = "",
        [POP3_CODE_AUTH] = "[AUTH] ",
        [POP3_CODE_IN_USE] = "[IN-USE] ",
        [POP3_CODE_SYS_TEMP] = "[SYS/TEMP] ",
        [POP3_CODE_SYS_PERM] = "[SYS/PERM] ",
    };
    int n = snprintf(
        out, POP3_REPLY_LINE, "%s %s%s\r\n", r->ok ? "+OK" : "-ERR", codes[r->code], r->text);
    for (int i = 0; i < n - 2; i++)
        if (out[i] < 32 || out[i] == 127)
            out[i] = '?';
    return slice(out, (size_t)n);
}
