/* The parser, and the writers of replies and messages: whatever comes in, lines come out. The first
 * byte says where the rest is cut in two and how many lines TOP wants. */
#include "base/buffer.h"
#include "pop3/command.h"
#include "pop3/dot.h"
#include "pop3/reply.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool right)
{
    if (!right)
        abort();
}

static bool inside(struct slice part, struct slice whole)
{
    return !part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void command(struct slice line)
{
    struct pop3_command c;
    enum pop3_parse p = pop3_command_parse(line, &c);
    check(c.verb < POP3_VERBS && (p != POP3_PARSE_OK || c.verb != POP3_UNKNOWN));
    check(p != POP3_PARSE_SYNTAX || c.syntax);
    check(inside(c.text, line) && inside(c.second, line));
}

static void reply(struct slice text)
{
    struct pop3_reply r;
    char line[POP3_REPLY_LINE];
    pop3_reply_error(&r, POP3_CODE_SYS_TEMP, SLICE_FMT, SLICE_ARG(text));
    struct slice s = pop3_reply_write(&r, line);
    check(s.n <= sizeof line && slice_find(s, '\n') == s.n - 1 && slice_find(s, '\r') == s.n - 2);
}

/* Lines ended by CRLF, the last one and no other a dot alone. */
static void check_response(struct slice s)
{
    while (s.n) {
        size_t lf = slice_find(s, '\n');
        check(lf != SLICE_NONE && lf > 0 && slice_find(s, '\r') == lf - 1);
        struct slice line = slice_sub(s, 0, lf - 1);
        s = slice_from(s, lf + 1);
        check(slice_eq(line, S(".")) == !s.n);
        check(!slice_starts(line, S(".")) || line.n == 1 || line.p[1] == '.');
    }
}

static void put(struct pop3_dot *d, struct pop3_top *t, struct slice in, struct buffer *out)
{
    struct slice piece;
    if (t) {
        size_t n = pop3_top_take(t, in);
        check(n <= in.n && (n == in.n || t->done));
        in.n = n;
    }
    while (pop3_dot_next(d, &in, &piece))
        check(buffer_add(out, piece));
}

/* In two pieces it is the same as in one. */
static void message(struct slice in, size_t cut, bool top, uint64_t lines)
{
    struct buffer one, two;
    buffer_init(&one, in.n * 3 + 16);
    buffer_init(&two, in.n * 3 + 16);
    struct pop3_dot a = {0}, b = {0};
    struct pop3_top s = {.lines = lines}, t = s;
    put(&a, top ? &s : NULL, in, &one);
    buffer_add(&one, pop3_dot_end(&a));
    put(&b, top ? &t : NULL, slice_sub(in, 0, cut), &two);
    if (!top || !t.done)
        put(&b, top ? &t : NULL, slice_from(in, cut), &two);
    buffer_add(&two, pop3_dot_end(&b));
    check_response(buffer_slice(&one));
    check(slice_eq(buffer_slice(&one), buffer_slice(&two)));
    buffer_finish(&one);
    buffer_finish(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    struct slice in = slice(data + 1, n - 1);
    command(in);
    reply(in);
    message(in, data[0], false, 0);
    message(in, data[0], true, data[0] % 5);
    return 0;
}
