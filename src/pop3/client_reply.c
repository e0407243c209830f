/* What a POP3 server says: one line, or lines up to a dot (RFC 1939 §3). */
#include "base/cursor.h"
#include "pop3/client_private.h"

#define REPLIES ((uint64_t)256 * 1024) /* bytes of one line, the rest of a long one thrown away */

deadline pop3_client_soon(const struct pop3_client *c, deadline until)
{
    return deadline_min(until, deadline_in(c->idle > 0 ? c->idle : 300 * CLOCK_SEC));
}

enum answer pop3_client_fail(struct pop3_client *c, enum answer a, const char *words)
{
    answer_clean(slice_str(words), c->text, sizeof c->text);
    c->code[0] = '\0';
    if (a != ANSWER_UNSUPPORTED)
        c->dead = true;
    return a;
}

enum answer pop3_client_broken(struct pop3_client *c, enum channel_result r)
{
    return pop3_client_fail(c, answer_of(r),
        r == CHANNEL_TIMEOUT     ? "no reply in time"
        : r == CHANNEL_CANCELLED ? "cancelled"
                                 : channel_error(c->channel));
}

enum answer pop3_client_ready(struct pop3_client *c)
{
    if (c->dead)
        return pop3_client_fail(c, ANSWER_LOST, "the connection is over");
    enum channel_result r = channel_poll(c->channel);
    if (channel_unread(c->channel).n)
        return pop3_client_fail(c, ANSWER_PROTOCOL, "a reply before its command");
    return r == CHANNEL_OK ? ANSWER_OK : pop3_client_broken(c, r);
}

/* Takes "[CODE]" off the front (RFC 2449 §8). */
static void take_code(struct pop3_client *c, struct slice *words)
{
    size_t end = words->n && words->p[0] == '[' ? slice_find(*words, ']') : SLICE_NONE;
    c->code[0] = '\0';
    if (end == SLICE_NONE)
        return;
    answer_clean(slice_sub(*words, 1, end - 1), c->code, sizeof c->code);
    *words = slice_trim(slice_from(*words, end + 1));
}

/* RFC 2449 §8.1.1, RFC 3206 §3: what may be different another time. */
static enum answer refused(const struct pop3_client *c)
{
    static const struct slice later[] = {{"IN-USE", 6}, {"LOGIN-DELAY", 11}, {"SYS/TEMP", 8}};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (slice_eq_nocase(slice_str(c->code), later[i]))
            return ANSWER_TEMPORARY;
    return ANSWER_PERMANENT;
}

/* "+OK" alone or with a blank behind it. */
static bool starts(struct slice line, struct slice word, struct slice *rest)
{
    *rest = slice_from(line, word.n + 1);
    return slice_starts_nocase(line, word) && (line.n == word.n || line.p[word.n] == ' ');
}

enum answer pop3_client_ask(
    struct pop3_client *c, struct slice *more, bool *challenge, deadline until)
{
    struct slice line, rest;
    until = pop3_client_soon(c, until);
    enum channel_result r = channel_flush(c->channel, until);
    channel_set_limit(c->channel, REPLIES);
    if (r == CHANNEL_OK)
        r = channel_line(c->channel, POP3_CLIENT_LINE, CHANNEL_CUT, &line, until);
    if (r != CHANNEL_OK)
        return pop3_client_broken(c, r);
    bool ok = starts(line, S("+OK"), &rest), no = !ok && starts(line, S("-ERR"), &rest);
    bool asks = !ok && !no && challenge && starts(line, S("+"), &rest);
    if (!ok && !no && !asks)
        return pop3_client_fail(c, ANSWER_PROTOCOL, "a reply that is not POP3");
    if (challenge)
        *challenge = asks;
    if (more)
        *more = rest;
    take_code(c, &rest);
    answer_clean(rest, c->text, sizeof c->text);
    return no ? refused(c) : ANSWER_OK;
}

enum answer pop3_client_say(struct pop3_client *c, struct slice command, deadline until)
{
    enum answer a = pop3_client_ready(c);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, command);
    channel_put(c->channel, S("\r\n"));
    return pop3_client_ask(c, NULL, NULL, until);
}

enum answer pop3_client_lines(
    struct pop3_client *c, bool (*line)(void *arg, struct slice line), void *arg, deadline until)
{
    for (uint64_t i = 0; i <= POP3_CLIENT_LISTED; i++) {
        struct slice text;
        channel_set_limit(c->channel, REPLIES);
        enum channel_result r = channel_line(
            c->channel, POP3_CLIENT_LINE, CHANNEL_CUT, &text, pop3_client_soon(c, until));
        if (r != CHANNEL_OK)
            return pop3_client_broken(c, r);
        if (slice_eq(text, S(".")))
            return ANSWER_OK;
        if (!line(arg, slice_from(text, slice_starts(text, S(".")))))
            return pop3_client_fail(c, ANSWER_LOCAL, "stopped");
    }
    return pop3_client_fail(c, ANSWER_PROTOCOL, "a list without an end");
}

/* ---- messages ---- */

/* Where the bytes are; only CRLF.CRLF is the end. A dot that begins a line is taken off; the CR
 * behind it is held back until the next byte tells what it is. */
struct unstuff {
    enum { AT_LINE, IN_LINE, AT_CR, AT_DOT, AT_DOT_CR, AT_END } state;
};

/* From inside a line to behind the next CR, or to the end. */
static size_t pass_line(struct unstuff *u, struct slice in, size_t at)
{
    size_t cr = slice_find(slice_from(in, at), '\r');
    u->state = cr == SLICE_NONE ? IN_LINE : AT_CR;
    return cr == SLICE_NONE ? in.n : at + cr + 1;
}

/* Passes bytes that go out as they stand. */
static size_t pass(struct unstuff *u, struct slice in)
{
    size_t at = 0;
    while (at < in.n) {
        if (u->state == AT_LINE && in.p[at] == '.')
            break;
        if (u->state == AT_CR && in.p[at] == '\n') {
            u->state = AT_LINE;
            at++;
        } else {
            at = pass_line(u, in, at);
        }
    }
    return at;
}

/* Takes the next run of the message off *in, possibly none. in->n > 0. */
static struct slice unstuff_next(struct unstuff *u, struct slice *in)
{
    struct slice run = {NULL, 0};
    size_t used = 1;
    if (u->state == AT_DOT && in->p[0] == '\r') {
        u->state = AT_DOT_CR;
    } else if (u->state == AT_DOT_CR && in->p[0] == '\n') {
        u->state = AT_END;
    } else if (u->state == AT_DOT_CR) {
        u->state = AT_CR;
        used = 0;
        run = S("\r");
    } else if (u->state == AT_LINE && in->p[0] == '.') {
        u->state = AT_DOT;
    } else {
        used = pass(u, *in);
        run = slice_sub(*in, 0, used);
    }
    *in = slice_from(*in, used);
    return run;
}

static enum answer give(struct pop3_client *c, struct unstuff *u, struct slice *bytes,
    uint64_t *left, pop3_client_sink sink, void *arg)
{
    while (bytes->n && u->state != AT_END) {
        struct slice run = unstuff_next(u, bytes);
        if (run.n > *left)
            return pop3_client_fail(c, ANSWER_PROTOCOL, "the message is too large");
        *left -= run.n;
        if (run.n && !sink(arg, run))
            return pop3_client_fail(c, ANSWER_LOCAL, "stopped");
    }
    return ANSWER_OK;
}

enum answer pop3_client_bytes(
    struct pop3_client *c, uint64_t max, pop3_client_sink sink, void *arg, deadline until)
{
    struct unstuff u = {AT_LINE};
    channel_set_limit(c->channel, UINT64_MAX);
    while (u.state != AT_END) {
        struct slice bytes;
        enum channel_result r = channel_more(c->channel, &bytes, pop3_client_soon(c, until));
        if (r != CHANNEL_OK)
            return pop3_client_broken(c, r);
        size_t n = bytes.n;
        enum answer a = give(c, &u, &bytes, &max, sink, arg);
        if (a != ANSWER_OK)
            return a;
        channel_take(c->channel, n - bytes.n);
    }
    return ANSWER_OK;
}
