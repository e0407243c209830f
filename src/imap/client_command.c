/* Commands in words, and those whose answers a client understands. */
#include "imap/client_private.h"

/* The next piece that can be said at once: up to a literal's bytes, or the rest. False: a line end
 * that belongs to no literal. */
static bool next_piece(struct slice *words, struct slice *line, uint64_t *literal, bool *more)
{
    size_t end = slice_find_slice(*words, S("\r\n"));
    *line = slice_sub(*words, 0, end);
    *more = end != SLICE_NONE;
    if (slice_has_any(*line, "\r\n") || slice_find(*line, '\0') != SLICE_NONE)
        return false;
    if (!*more)
        return true;
    struct slice before;
    *words = slice_from(*words, end + 2);
    if (!imap_client_literal(*line, &before, literal) || *literal > words->n)
        return false;
    *line = before;
    return true;
}

static bool speakable(struct slice words)
{
    struct slice line;
    uint64_t n;
    for (bool more = true; more;) {
        if (!next_piece(&words, &line, &n, &more))
            return false;
        words = more ? slice_from(words, (size_t)n) : words;
    }
    return true;
}

static enum answer write_all(struct imap_client *c, struct slice s, deadline until)
{
    enum channel_result r = channel_write(c->channel, s, imap_client_soon(c, until));
    return r == CHANNEL_OK ? ANSWER_OK : imap_client_broken(c, r);
}

/* *said: all of it; otherwise the server has ended the command at a literal. */
static enum answer say(struct imap_client *c, struct slice words, imap_client_untagged untagged,
    void *arg, bool *said, deadline until)
{
    struct slice line;
    uint64_t n;
    *said = false;
    for (bool more = true, plus;;) {
        next_piece(&words, &line, &n, &more);
        enum answer a = write_all(c, line, until);
        if (a != ANSWER_OK || !more) {
            *said = a == ANSWER_OK;
            return a;
        }
        bool unasked = imap_client_unasked(c, n);
        channel_printf(c->channel, "{%llu%s}\r\n", (unsigned long long)n, unasked ? "+" : "");
        if (!unasked) {
            a = imap_client_flush(c, until);
            if (a == ANSWER_OK)
                a = imap_client_wait(c, untagged, arg, &plus, NULL, until);
            if (a != ANSWER_OK || !plus)
                return a;
        }
        a = write_all(c, slice_sub(words, 0, (size_t)n), until);
        if (a != ANSWER_OK)
            return a;
        words = slice_from(words, (size_t)n);
    }
}

enum answer imap_client_command(struct imap_client *c, struct slice words,
    imap_client_untagged untagged, void *arg, deadline until)
{
    bool said;
    if (!speakable(words))
        return imap_client_fail(c, ANSWER_UNSUPPORTED, "a command with a line end in it");
    enum answer a = imap_client_begin(c);
    if (a == ANSWER_OK)
        a = say(c, words, untagged, arg, &said, until);
    if (a != ANSWER_OK || !said)
        return a;
    channel_put(c->channel, S("\r\n"));
    a = imap_client_flush(c, until);
    return a == ANSWER_OK ? imap_client_wait(c, untagged, arg, NULL, NULL, until) : a;
}

/* A command, one or two strings, something behind them. */
static enum answer say_strings(struct imap_client *c, struct slice command, struct slice one,
    const struct slice *two, struct slice tail, imap_client_untagged untagged, void *arg,
    deadline until)
{
    struct buffer words;
    buffer_init(&words, 65536);
    bool fine = buffer_add(&words, command) && imap_client_add_string(&words, one);
    if (two)
        fine = fine && buffer_add(&words, S(" ")) && imap_client_add_string(&words, *two);
    fine = fine && buffer_add(&words, tail);
    enum answer a = fine ? imap_client_command(c, buffer_slice(&words), untagged, arg, until)
                         : imap_client_fail(c, ANSWER_UNSUPPORTED, "a name that is too long");
    buffer_finish(&words);
    return a;
}

/* ---- SELECT ---- */

static void take_u32(struct slice text, uint32_t *value)
{
    uint64_t n;
    struct cursor at = cursor(text);
    if (cursor_take_number(&at, UINT32_MAX, &n))
        *value = (uint32_t)n;
}

static bool hear_select(void *arg, struct slice response)
{
    struct imap_client_selected *s = arg;
    struct cursor at = cursor(response);
    uint64_t n;
    if (cursor_take_number(&at, UINT32_MAX, &n) && slice_eq_nocase(cursor_rest(&at), S(" EXISTS")))
        s->exists = (uint32_t)n;
    at = cursor(response);
    if (cursor_take_text(&at, S("OK [UIDVALIDITY ")))
        take_u32(cursor_rest(&at), &s->uidvalidity);
    else if (cursor_take_text(&at, S("OK [UIDNEXT ")))
        take_u32(cursor_rest(&at), &s->uidnext);
    else if (cursor_take_text(&at, S("OK [HIGHESTMODSEQ ")))
        cursor_take_number(&at, INT64_MAX, &s->highestmodseq);
    return true;
}

enum answer imap_client_select(struct imap_client *c, struct slice mailbox, bool read_only,
    struct imap_client_selected *selected, deadline until)
{
    *selected = (struct imap_client_selected){0};
    enum answer a = say_strings(c, read_only ? S("EXAMINE ") : S("SELECT "), mailbox, NULL, S(""),
        hear_select, selected, until);
    selected->read_only = slice_eq_nocase(slice_str(c->code), S("READ-ONLY"));
    return a;
}

enum answer imap_client_create_mailbox(struct imap_client *c, struct slice mailbox, deadline until)
{
    return say_strings(c, S("CREATE "), mailbox, NULL, S(""), NULL, NULL, until);
}

/* ---- LIST and STATUS ---- */

struct hearing {
    struct imap_client *c;
    imap_client_listed listed;
    void *arg;
    struct imap_client_status *status;
    bool odd;
};

static bool hear_list(void *arg, struct slice response)
{
    struct hearing *h = arg;
    struct cursor at = cursor(response);
    struct slice attributes, separator, name;
    if (!imap_client_word(&at, S("LIST")))
        return true;
    h->odd = !imap_client_take_value(&at, &attributes) || attributes.p[0] != '(' ||
             !cursor_take_char(&at, ' ') || !imap_client_take_value(&at, &separator) ||
             !cursor_take_char(&at, ' ') || !imap_client_take_value(&at, &name);
    if (h->odd)
        return false;
    struct slice one = imap_client_unquote(h->c, separator);
    bool quoted = separator.p[0] == '"' && one.n == 1;
    char character = quoted ? one.p[0] : '\0';
    return h->listed(h->arg, slice_sub(attributes, 1, attributes.n - 2), character,
        imap_client_unquote(h->c, name));
}

enum answer imap_client_list(struct imap_client *c, struct slice reference, struct slice pattern,
    imap_client_listed listed, void *arg, deadline until)
{
    struct hearing h = {.c = c, .listed = listed, .arg = arg};
    enum answer a = say_strings(c, S("LIST "), reference, &pattern, S(""), hear_list, &h, until);
    return h.odd ? imap_client_fail(c, ANSWER_PROTOCOL, "a LIST response that is none") : a;
}

static void note_status(struct imap_client_status *s, struct slice name, uint64_t value)
{
    const struct {
        struct slice name;
        uint64_t *value;
    } items[] = {
        {S("MESSAGES"), &s->messages},
        {S("UNSEEN"), &s->unseen},
        {S("UIDNEXT"), &s->uidnext},
        {S("UIDVALIDITY"), &s->uidvalidity},
        {S("SIZE"), &s->size},
        {S("HIGHESTMODSEQ"), &s->highestmodseq},
    };
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        if (slice_eq_nocase(name, items[i].name))
            *items[i].value = value;
}

static bool hear_status(void *arg, struct slice response)
{
    struct hearing *h = arg;
    struct cursor at = cursor(response);
    struct slice name, value;
    uint64_t n;
    if (!imap_client_word(&at, S("STATUS")))
        return true;
    h->odd = !imap_client_take_value(&at, &name) || !cursor_take_char(&at, ' ') ||
             !cursor_take_char(&at, '(');
    while (!h->odd && !cursor_take_char(&at, ')')) {
        h->odd = !imap_client_take_name(&at, &name) || !cursor_take_char(&at, ' ') ||
                 !imap_client_take_value(&at, &value);
        cursor_take_char(&at, ' ');
        if (!h->odd && slice_to_u64(value, UINT64_MAX - 1, &n))
            note_status(h->status, name, n);
    }
    return !h->odd;
}

enum answer imap_client_status(struct imap_client *c, struct slice mailbox, struct slice items,
    struct imap_client_status *status, deadline until)
{
    struct hearing h = {.c = c, .status = status};
    char tail[256];
    struct buffer text = {.p = tail, .cap = sizeof tail, .max = sizeof tail};
    memset(status, 0xff, sizeof *status);
    if (!buffer_add(&text, S(" (")) || !buffer_add(&text, items) || !buffer_add(&text, S(")")))
        return imap_client_fail(c, ANSWER_UNSUPPORTED, "more items than STATUS has");
    enum answer a =
        say_strings(c, S("STATUS "), mailbox, NULL, buffer_slice(&text), hear_status, &h, until);
    return h.odd ? imap_client_fail(c, ANSWER_PROTOCOL, "a STATUS response that is none") : a;
}

/* ---- IDLE ---- */

/* Waits with nothing half read, so that a timeout does not cut a response. */
static enum answer hear_out(struct imap_client *c, imap_client_untagged untagged, void *arg,
    bool *ended, deadline wait, deadline until)
{
    struct slice rest;
    enum answer a;
    for (uint64_t i = 0; i < IMAP_CLIENT_RESPONSES; i++) {
        enum channel_result r = channel_more(c->channel, &rest, deadline_min(wait, until));
        if (r == CHANNEL_TIMEOUT)
            return ANSWER_OK;
        if (r != CHANNEL_OK)
            return imap_client_broken(c, r);
        switch (imap_client_next(c, &rest, &a, until)) {
        case IMAP_CLIENT_STAR:
            if (!untagged(arg, rest))
                return ANSWER_OK;
            break;
        case IMAP_CLIENT_TAGGED:
            *ended = true;
            return imap_client_status_response(c, rest);
        case IMAP_CLIENT_FAILED:
            return a;
        default:
            return imap_client_fail(c, ANSWER_PROTOCOL, "a second + in IDLE");
        }
    }
    return ANSWER_OK;
}

struct rest_of_idle {
    imap_client_untagged untagged;
    void *arg;
};

/* What comes behind DONE is told, but stops nothing. */
static bool hear_rest(void *arg, struct slice response)
{
    struct rest_of_idle *r = arg;
    r->untagged(r->arg, response);
    return true;
}

enum answer imap_client_idle(
    struct imap_client *c, imap_client_untagged untagged, void *arg, deadline wait, deadline until)
{
    struct rest_of_idle r = {untagged, arg};
    bool plus, ended = false;
    enum answer a = imap_client_begin(c);
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, S("IDLE\r\n"));
    a = imap_client_flush(c, until);
    if (a == ANSWER_OK)
        a = imap_client_wait(c, hear_rest, &r, &plus, NULL, until);
    if (a != ANSWER_OK || !plus)
        return a;
    a = hear_out(c, untagged, arg, &ended, wait, until);
    if (a != ANSWER_OK || ended)
        return a;
    channel_put(c->channel, S("DONE\r\n"));
    a = imap_client_flush(c, until);
    return a == ANSWER_OK ? imap_client_wait(c, hear_rest, &r, NULL, NULL, until) : a;
}
