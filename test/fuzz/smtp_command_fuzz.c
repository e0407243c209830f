/* Every parser of command lines over the same bytes; addresses survive being written and read. */
#include "smtp/chunk.h"
#include "smtp/command.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_reply(const struct smtp_reply *r)
{
    struct buffer out;
    buffer_init(&out, (size_t)64 * 1024);
    smtp_reply_write(r, false, &out);
    if (r->code < 400 || r->code > 599 || out.overflow ||
        !slice_ends(buffer_slice(&out), S("\r\n")))
        abort();
    for (size_t i = 0; i < out.n; i++)
        if ((unsigned char)out.p[i] > 126)
            abort();
    buffer_finish(&out);
}

static void check_path(const struct smtp_path *path, enum smtp_path_kind kind)
{
    struct smtp_path again;
    struct buffer text;
    buffer_init(&text, SMTP_PATH_TEXT + 2);
    buffer_add_char(&text, '<');
    smtp_path_write(path, &text);
    buffer_add_char(&text, '>');
    struct cursor c = cursor(buffer_slice(&text));
    if (text.overflow || smtp_path_take(&c, kind, &again) != SMTP_PATH_OK || !cursor_end(&c))
        abort();
    if (!slice_eq(smtp_path_local(path), smtp_path_local(&again)) ||
        !slice_eq(smtp_path_domain(path), smtp_path_domain(&again)))
        abort();
    buffer_finish(&text);
}

static void check_mail(const struct smtp_mail *m)
{
    check_path(&m->sender, SMTP_REVERSE);
    bool by = m->given & SMTP_PARAM_BY, hold = m->given & SMTP_PARAM_HOLD;
    if (m->priority < -9 || m->priority > 9 || m->by > 999999999 || m->by < -999999999 ||
        (m->by_return && m->by <= 0) || (!by && (m->by || m->by_return || m->by_trace)) ||
        m->hold_for > 999999999 || (m->hold_for && m->hold_until) || (!hold && m->hold_until))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct smtp_command c;
    struct smtp_mail mail;
    struct smtp_rcpt rcpt;
    struct smtp_chunk chunk;
    struct smtp_reply r = {0};
    char helo[SMTP_HELO_MAX + 1];
    struct buffer plain;
    smtp_command_parse(slice(data, n), &c);
    if (smtp_command_mail(c.args, SMTP_PARAM_ALL, &mail, &r))
        check_mail(&mail);
    else
        check_reply(&r);
    if (smtp_command_rcpt(c.args, SMTP_PARAM_ALL, true, &rcpt, &r))
        check_path(&rcpt.recipient, SMTP_FORWARD);
    else
        check_reply(&r);
    if (!smtp_command_helo(c.args, helo, &r))
        check_reply(&r);
    if (!smtp_chunk_parse(c.args, &chunk, &r))
        check_reply(&r);
    buffer_init(&plain, 1024);
    smtp_xtext_decode(c.args, &plain);
    buffer_finish(&plain);
    return 0;
}
