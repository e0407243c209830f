/* What both sessions have: commands in, replies out. */
#include "base/metrics.h"
#include "imap/session_private.h"
#include <stdarg.h>
#include <stdio.h>

METRIC(bad_closed, METRIC_COUNTER, "barid_imap_error_closes_total", "",
    "IMAP sessions closed because of too many bad commands")

#define LINE_MAX_UNTAGGED 2048

/* ---- input ---- */

void imap_talk_take(struct imap_talk *t)
{
    bool sync = t->frame.literal_sync;
    if (imap_frame_take(&t->frame) && sync)
        imap_put(t, S("+ OK\r\n"));
}

static bool run_decides(struct imap_talk *t, const struct imap_literals *literals)
{
    if (literals && literals->decide(t))
        return true;
    imap_talk_take(t);
    return false;
}

enum conn_next imap_talk_feed(struct imap_talk *t, const struct imap_literals *literals,
    struct slice in, bool eof, size_t *used)
{
    *used = 0;
    for (;;) {
        size_t n;
        t->found = imap_frame_feed(&t->frame, slice_from(in, *used), &n);
        *used += n;
        switch (t->found) {
        case IMAP_FRAMED_MORE:
            return eof ? CONN_CLOSE : CONN_MORE;
        case IMAP_FRAMED_LITERAL:
            if (run_decides(t, literals))
                return CONN_RUN;
            break;
        case IMAP_FRAMED_STREAM:
            if (!literals->sink(t, t->frame.text))
                return CONN_HOLD;
            break;
        case IMAP_FRAMED_STREAMED:
            break;
        case IMAP_FRAMED_COMMAND:
        case IMAP_FRAMED_TOO_LONG:
        case IMAP_FRAMED_FLOOD:
            return CONN_RUN;
        }
    }
}

/* ---- from text to command ---- */

/* "UID FETCH" is FETCH with uid. */
static bool take_name(struct imap_command *c)
{
    if (!imap_lex_space(&c->lex) || !imap_lex_atom(&c->lex, &c->name))
        return false;
    c->row = imap_table_find(c->name);
    if (!slice_eq_nocase(c->name, S("UID")))
        return true;
    c->uid = true;
    if (!imap_lex_space(&c->lex) || !imap_lex_atom(&c->lex, &c->name))
        return false;
    c->row = imap_table_find(c->name);
    if (c->row && !c->row->uid)
        c->row = NULL;
    return true;
}

bool imap_talk_command(
    struct imap_talk *t, struct slice text, struct arena *arena, struct imap_command *c)
{
    *c = (struct imap_command){.lex = imap_lex(text, arena), .arena = arena};
    buffer_init(&c->long_code, IMAP_LONG_CODE_MAX);
    imap_reply(c, IMAP_OK, "", "Done");
    if (!imap_lex_tag(&c->lex, &c->tag)) {
        c->tag = S("");
        imap_reply(c, IMAP_BAD_COMMAND, "", "A command begins with a tag and its name");
    } else if (!take_name(c)) {
        imap_reply(c, IMAP_BAD_COMMAND, "", "Behind the tag stands the name of a command");
    } else if (!c->row) {
        imap_reply(c, IMAP_BAD_COMMAND, "", "Unknown command; CAPABILITY tells what there is");
    } else {
        return true;
    }
    return false;
}

void imap_talk_thrown(struct imap_talk *t)
{
    struct imap_command c;
    struct arena arena;
    struct imap_frame *f = &t->frame;
    if (t->found == IMAP_FRAMED_FLOOD) {
        imap_talk_bye(t, "TOOBIG", "That is far more than anybody should send");
        return;
    }
    arena_init(&arena, IMAP_ARENA_MAX);
    imap_talk_command(t, f->text, &arena, &c);
    /* RFC 2971 §3.1: ID changes nothing, whatever is in it. */
    c.uncounted = slice_eq_nocase(c.name, S("ID"));
    imap_reply(&c, f->busy ? IMAP_NO : IMAP_BAD_COMMAND, f->code, "%s", f->why);
    imap_talk_tagged(t, &c);
    arena_reset(&arena);
}

/* ---- output ---- */

void imap_untagged(struct imap_talk *t, const char *format, ...)
{
    char line[LINE_MAX_UNTAGGED];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t kept = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    imap_put(t, S("* "));
    imap_put(t, slice(line, kept));
    imap_put(t, S("\r\n"));
}

bool imap_send(struct imap_talk *t, struct slice s)
{
    return conn_send(t->conn, s);
}

/* resp-text is of TEXT-CHAR (RFC 3501 §9). */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < 32 || *text == 127)
            *text = '?';
}

TASK_FN
static void send_code(struct imap_talk *t, struct slice code)
{
    if (!code.n)
        return;
    imap_put(t, S("["));
    imap_send(t, code);
    imap_put(t, S("] "));
}

void imap_talk_bye(struct imap_talk *t, const char *code, const char *text)
{
    imap_put(t, S("* BYE "));
    send_code(t, slice_str(code));
    imap_put(t, slice_str(text));
    imap_put(t, S("\r\n"));
    conn_close(t->conn);
}

TASK_FN
static void send_reply(struct imap_talk *t, struct imap_command *c)
{
    static const char *const words[] = {
        [IMAP_OK] = " OK ", [IMAP_NO] = " NO ", [IMAP_BAD_COMMAND] = " BAD ", [IMAP_BYE] = " BYE "};
    bool untagged = !c->tag.n || c->reply.status == IMAP_BYE;
    make_printable(c->reply.text);
    imap_put(t, untagged ? S("*") : c->tag);
    imap_put(t, slice_str(words[c->reply.status]));
    send_code(t, c->long_code.n ? buffer_slice(&c->long_code) : slice_str(c->reply.code));
    imap_put(t, slice_str(c->reply.text));
    imap_put(t, S("\r\n"));
}

static void count_bad(struct imap_talk *t)
{
    if (++t->bad < t->bad_max)
        return;
    metric_add(&bad_closed, 1);
    imap_talk_bye(t, "", "Too many bad commands");
}

void imap_talk_tagged(struct imap_talk *t, struct imap_command *c)
{
    if (!c->later) {
        send_reply(t, c);
        if (c->bye)
            imap_talk_bye(t, "", c->bye);
        else if (c->reply.status == IMAP_BYE)
            conn_close(t->conn);
        else if (c->reply.status == IMAP_BAD_COMMAND && !c->uncounted)
            count_bad(t);
    }
    buffer_finish(&c->long_code);
}
