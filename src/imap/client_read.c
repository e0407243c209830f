/* Responses as a client reads them: lines and the literals in them, bounded; message bodies go
 * past them to their sink. */
#include "imap/client_private.h"
#include <stdio.h>

deadline imap_client_soon(const struct imap_client *c, deadline until)
{
    return deadline_min(until, deadline_in(c->idle > 0 ? c->idle : 300 * CLOCK_SEC));
}

enum answer imap_client_fail(struct imap_client *c, enum answer a, const char *words)
{
    if (a != ANSWER_UNSUPPORTED)
        c->dead = true;
    if (a == ANSWER_LOST && c->bye) /* the server's own words are better */
        return a;
    answer_clean(slice_str(words), c->text, sizeof c->text);
    c->code[0] = '\0';
    return a;
}

enum answer imap_client_broken(struct imap_client *c, enum channel_result r)
{
    return imap_client_fail(c, answer_of(r),
        r == CHANNEL_TIMEOUT     ? "no response in time"
        : r == CHANNEL_CANCELLED ? "cancelled"
                                 : channel_error(c->channel));
}

enum answer imap_client_flush(struct imap_client *c, deadline until)
{
    enum channel_result r = channel_flush(c->channel, imap_client_soon(c, until));
    return r == CHANNEL_OK ? ANSWER_OK : imap_client_broken(c, r);
}

/* ---- one response ---- */

static struct slice word_of(struct slice text)
{
    return slice_cut(&text, ' ');
}

static bool is_status(struct slice word)
{
    static const struct slice words[] = {
        {"OK", 2}, {"NO", 2}, {"BAD", 3}, {"BYE", 3}, {"PREAUTH", 7}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_eq_nocase(word, words[i]))
            return true;
    return false;
}

/* Free text may end in "{3}" and mean nothing by it. */
static bool may_have_literals(struct slice response)
{
    struct slice rest = response;
    struct slice first = slice_cut(&rest, ' ');
    return slice_eq(first, S("*")) && !is_status(word_of(rest));
}

/* The body of a message that is being fetched: "* 3 FETCH (UID 7 BODY[] ". */
static bool is_body(const struct imap_client *c, struct slice before)
{
    struct slice rest = before;
    slice_cut(&rest, ' ');
    slice_cut(&rest, ' ');
    return c->fetch && c->fetch->body && slice_starts_nocase(rest, S("FETCH (")) && before.n > 8 &&
           slice_eq_nocase(slice_from(before, before.n - 7), S("BODY[] ")) &&
           (before.p[before.n - 8] == ' ' || before.p[before.n - 8] == '(');
}

static enum answer stream_body(struct imap_client *c, uint64_t n, deadline until)
{
    if (c->body_given || n > c->fetch->max)
        return imap_client_fail(c, ANSWER_PROTOCOL, "more of a message than is wanted");
    c->body_given = true;
    c->body_size = n;
    while (n) {
        struct slice piece;
        enum channel_result r = channel_more(c->channel, &piece, imap_client_soon(c, until));
        if (r != CHANNEL_OK)
            return imap_client_broken(c, r);
        piece = slice_sub(piece, 0, n < SIZE_MAX ? (size_t)n : SIZE_MAX);
        if (!c->fetch->body(c->fetch->arg, piece))
            return imap_client_fail(c, ANSWER_LOCAL, "stopped");
        channel_take(c->channel, piece.n);
        n -= piece.n;
    }
    return ANSWER_OK;
}

static enum answer keep_literal(struct imap_client *c, uint64_t n, deadline until)
{
    char *room = n <= IMAP_CLIENT_RESPONSE && buffer_add(&c->response, S("\r\n"))
                     ? buffer_room(&c->response, (size_t)n)
                     : NULL;
    if (!room)
        return imap_client_fail(c, ANSWER_PROTOCOL, "a response that is too long");
    enum channel_result r = channel_read(c->channel, room, (size_t)n, imap_client_soon(c, until));
    buffer_took(&c->response, r == CHANNEL_OK ? (size_t)n : 0);
    return r == CHANNEL_OK ? ANSWER_OK : imap_client_broken(c, r);
}

/* Reads a whole response, in the place of a body that was streamed NIL. */
static enum answer read_response(struct imap_client *c, deadline until)
{
    buffer_reset(&c->response);
    c->body_given = false;
    for (;;) {
        struct slice line, before;
        uint64_t n;
        enum channel_result r = channel_line(
            c->channel, IMAP_CLIENT_LINE, CHANNEL_REFUSE, &line, imap_client_soon(c, until));
        if (r != CHANNEL_OK)
            return imap_client_broken(c, r);
        if (!buffer_add(&c->response, line))
            return imap_client_fail(c, ANSWER_PROTOCOL, "a response that is too long");
        struct slice all = buffer_slice(&c->response);
        if (!imap_client_literal(line, &before, &n) || !may_have_literals(all))
            return ANSWER_OK;
        all.n -= line.n - before.n;
        enum answer a;
        if (is_body(c, all)) {
            c->response.n = all.n;
            a = stream_body(c, n, until);
            buffer_add(&c->response, S("NIL"));
        } else {
            a = keep_literal(c, n, until);
        }
        if (a != ANSWER_OK)
            return a;
    }
}

/* ---- what it says ---- */

static void note_capabilities(struct imap_client *c, struct slice words)
{
    answer_clean(slice_trim(words), c->capabilities, sizeof c->capabilities);
    c->told = true;
}

/* RFC 9051 §7.1; RFC 5530 §3: what may be different another time. */
static enum answer refused(const struct imap_client *c)
{
    static const struct slice later[] = {{"UNAVAILABLE", 11}, {"INUSE", 5}, {"LIMIT", 5}};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (slice_eq_nocase(word_of(slice_str(c->code)), later[i]))
            return ANSWER_TEMPORARY;
    return ANSWER_PERMANENT;
}

enum answer imap_client_status_response(struct imap_client *c, struct slice rest)
{
    struct slice word = slice_cut(&rest, ' ');
    size_t end = slice_starts(rest, S("[")) ? slice_find(rest, ']') : SLICE_NONE;
    c->code[0] = '\0';
    if (end != SLICE_NONE) {
        struct slice code = slice_sub(rest, 1, end - 1);
        answer_clean(code, c->code, sizeof c->code);
        if (slice_starts_nocase(code, S("CAPABILITY ")))
            note_capabilities(c, slice_from(code, 11));
        rest = slice_trim(slice_from(rest, end + 1));
    }
    answer_clean(rest, c->text, sizeof c->text);
    if (slice_eq_nocase(word, S("OK")) || slice_eq_nocase(word, S("PREAUTH")))
        return ANSWER_OK;
    if (slice_eq_nocase(word, S("NO")) || slice_eq_nocase(word, S("BAD")))
        return refused(c);
    if (slice_eq_nocase(word, S("BYE")))
        return ANSWER_TEMPORARY;
    return imap_client_fail(c, ANSWER_PROTOCOL, "a response that is not IMAP");
}

static void note_untagged(struct imap_client *c, struct slice rest)
{
    if (slice_starts_nocase(rest, S("CAPABILITY ")))
        note_capabilities(c, slice_from(rest, 11));
    if (slice_eq_nocase(word_of(rest), S("BYE"))) {
        imap_client_status_response(c, rest);
        c->bye = true;
    } else if (slice_starts_nocase(rest, S("OK [CAPABILITY "))) {
        note_capabilities(c, slice_sub(rest, 15, slice_find(slice_from(rest, 15), ']')));
    }
}

enum imap_client_kind imap_client_next(
    struct imap_client *c, struct slice *rest, enum answer *answer, deadline until)
{
    char tag[16];
    *answer = read_response(c, until);
    if (*answer != ANSWER_OK)
        return IMAP_CLIENT_FAILED;
    *rest = buffer_slice(&c->response);
    if (slice_eq(*rest, S("+")))
        return *rest = S(""), IMAP_CLIENT_PLUS;
    struct slice first = slice_cut(rest, ' ');
    snprintf(tag, sizeof tag, "A%u", c->tag);
    if (slice_eq(first, S("*")) && rest->n) {
        note_untagged(c, *rest);
        return IMAP_CLIENT_STAR;
    }
    if (slice_eq(first, S("+")))
        return IMAP_CLIENT_PLUS;
    if (slice_eq_nocase(first, slice_str(tag)))
        return IMAP_CLIENT_TAGGED;
    *answer = imap_client_fail(c, ANSWER_PROTOCOL, "a response that is not IMAP");
    return IMAP_CLIENT_FAILED;
}

enum answer imap_client_wait(struct imap_client *c, imap_client_untagged untagged, void *arg,
    bool *plus, struct slice *rest, deadline until)
{
    struct slice own;
    enum answer a;
    rest = rest ? rest : &own;
    if (plus)
        *plus = false;
    for (uint64_t i = 0; i < IMAP_CLIENT_RESPONSES; i++) {
        switch (imap_client_next(c, rest, &a, until)) {
        case IMAP_CLIENT_FAILED:
            return a;
        case IMAP_CLIENT_TAGGED:
            return imap_client_status_response(c, *rest);
        case IMAP_CLIENT_PLUS:
            if (!plus)
                return imap_client_fail(c, ANSWER_PROTOCOL, "the server waits for nothing we have");
            *plus = true;
            return ANSWER_OK;
        default:
            if (untagged && !untagged(arg, *rest))
                return imap_client_fail(c, ANSWER_LOCAL, "stopped");
        }
    }
    return imap_client_fail(c, ANSWER_PROTOCOL, "responses without an end");
}
