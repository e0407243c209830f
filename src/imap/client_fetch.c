/* Messages in and out: UID FETCH, APPEND. */
#include "imap/client_private.h"

#define FETCH_MAX ((uint64_t)1 << 30)

struct fetching {
    struct imap_client *c;
    bool odd;
};

/* BODY[] as a quoted string: given on like a literal. */
static bool quoted_body(struct imap_client *c, struct slice value, struct imap_client_fetched *m)
{
    if (slice_eq_nocase(value, S("NIL"))) {
        m->has_body = c->body_given;
        m->size = c->body_size;
        return true;
    }
    struct slice bytes = imap_client_unquote(c, value);
    m->has_body = true;
    m->size = bytes.n;
    if (c->body_given || bytes.n > c->fetch->max || value.p[0] != '"')
        return false;
    return !c->fetch->body || !bytes.n || c->fetch->body(c->fetch->arg, bytes);
}

/* Atoms only, and nothing that a terminal or a command would take for something else. */
static bool are_flags(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return !slice_has_any(s, "\"(){}");
}

static bool take_item(
    struct imap_client *c, struct slice name, struct slice value, struct imap_client_fetched *m)
{
    uint64_t n;
    if (slice_eq_nocase(name, S("UID"))) {
        if (!slice_to_u64(value, UINT32_MAX, &n) || !n)
            return false;
        m->uid = (uint32_t)n;
    } else if (slice_eq_nocase(name, S("FLAGS"))) {
        if (value.p[0] != '(')
            return false;
        m->flags = slice_sub(value, 1, value.n - 2);
        return are_flags(m->flags);
    } else if (slice_eq_nocase(name, S("INTERNALDATE"))) {
        m->has_date = date_parse_imap(imap_client_unquote(c, value), &m->date);
    } else if (slice_eq_nocase(name, S("BODY[]"))) {
        return quoted_body(c, value, m);
    }
    return true;
}

/* "3 FETCH (UID 7 FLAGS (\Seen) ...)"; *other: something else. */
static bool parse_fetch(
    struct imap_client *c, struct slice response, struct imap_client_fetched *m, bool *other)
{
    struct cursor at = cursor(response);
    struct slice name, value;
    uint64_t n;
    *m = (struct imap_client_fetched){0};
    *other = !cursor_take_number(&at, UINT32_MAX, &n) || !cursor_take_char(&at, ' ') ||
             !imap_client_word(&at, S("FETCH"));
    if (*other)
        return true;
    m->sequence = (uint32_t)n;
    if (!n || !cursor_take_char(&at, '('))
        return false;
    while (!cursor_take_char(&at, ')')) {
        if (!imap_client_take_name(&at, &name) || !cursor_take_char(&at, ' ') ||
            !imap_client_take_value(&at, &value) || !take_item(c, name, value, m))
            return false;
        cursor_take_char(&at, ' ');
    }
    return cursor_end(&at);
}

static bool hear_fetch(void *arg, struct slice response)
{
    struct fetching *f = arg;
    struct imap_client_fetched m;
    bool other;
    f->odd = !parse_fetch(f->c, response, &m, &other) || (f->c->body_given && !m.has_body) ||
             (m.has_body && !m.uid);
    if (f->odd || other || !m.uid) /* flags that changed meanwhile come without a UID */
        return !f->odd;
    return f->c->fetch->message(f->c->fetch->arg, &m);
}

enum answer imap_client_fetch(
    struct imap_client *c, struct slice uids, const struct imap_client_fetch *fetch, deadline until)
{
    struct fetching f = {c, false};
    struct imap_client_fetch own = *fetch;
    struct buffer words;
    own.max = own.max ? own.max : FETCH_MAX;
    buffer_init(&words, 65536);
    if (!buffer_add(&words, S("UID FETCH ")) || !buffer_add(&words, uids) ||
        !buffer_add(&words, own.body ? S(" (UID FLAGS INTERNALDATE BODY.PEEK[])")
                                     : S(" (UID FLAGS INTERNALDATE)"))) {
        buffer_finish(&words);
        return imap_client_fail(c, ANSWER_UNSUPPORTED, "more UIDs than one command takes");
    }
    c->fetch = &own;
    enum answer a = imap_client_command(c, buffer_slice(&words), hear_fetch, &f, until);
    c->fetch = NULL;
    buffer_finish(&words);
    return f.odd ? imap_client_fail(c, ANSWER_PROTOCOL, "a FETCH response that is none") : a;
}

/* ---- APPEND ---- */

static bool no_line_end(struct slice s)
{
    return !slice_has_any(s, "\r\n{}()\"") && slice_find(s, '\0') == SLICE_NONE;
}

/* The command up to the bytes of the message. */
static bool compose(
    const struct imap_client *c, const struct imap_client_append *o, struct buffer *words)
{
    char date[DATE_TEXT_MAX];
    bool fine = no_line_end(o->flags) && buffer_add(words, S("APPEND ")) &&
                imap_client_add_string(words, o->mailbox) && buffer_add(words, S(" "));
    if (o->flags.n)
        fine = fine && buffer_printf(words, "(" SLICE_FMT ") ", SLICE_ARG(o->flags));
    if (o->date)
        fine = fine && buffer_add(words, S("\"")) &&
               buffer_add(words, date_format_imap(o->date, date)) && buffer_add(words, S("\" "));
    return fine;
}

static enum answer write_message(
    struct imap_client *c, const struct imap_client_append *o, deadline until)
{
    uint64_t left = o->size;
    while (left) {
        struct slice piece;
        if (!o->read(o->arg, &piece, until) || !piece.n || piece.n > left)
            return imap_client_fail(c, ANSWER_LOCAL, "the message cannot be read");
        enum channel_result r = channel_write(c->channel, piece, imap_client_soon(c, until));
        if (r != CHANNEL_OK)
            return imap_client_broken(c, r);
        left -= piece.n;
    }
    channel_put(c->channel, S("\r\n"));
    return imap_client_flush(c, until);
}

static void note_place(struct imap_client *c, struct imap_client_append *o)
{
    struct cursor at = cursor(slice_str(c->code));
    uint64_t validity, uid;
    if (!imap_client_word(&at, S("APPENDUID")) || !cursor_take_number(&at, UINT32_MAX, &validity) ||
        !cursor_take_char(&at, ' ') || !cursor_take_number(&at, UINT32_MAX, &uid) ||
        !cursor_end(&at))
        return;
    o->uidvalidity = (uint32_t)validity;
    o->uid = (uint32_t)uid;
}

/* The command's words and the announcement of the message; *go: it may follow. */
static enum answer announce(struct imap_client *c, const struct imap_client_append *o,
    struct slice words, bool *go, deadline until)
{
    bool unasked = imap_client_unasked(c, o->size);
    enum answer a = imap_client_begin(c);
    *go = unasked;
    if (a != ANSWER_OK)
        return a;
    channel_put(c->channel, words);
    channel_printf(c->channel, "{%llu%s}\r\n", (unsigned long long)o->size, unasked ? "+" : "");
    if (unasked)
        return ANSWER_OK;
    a = imap_client_flush(c, until);
    return a == ANSWER_OK ? imap_client_wait(c, NULL, NULL, go, NULL, until) : a;
}

static enum answer append(
    struct imap_client *c, struct imap_client_append *o, struct slice words, deadline until)
{
    bool go;
    enum answer a = announce(c, o, words, &go, until);
    if (a != ANSWER_OK)
        return a;
    if (!go) /* OK before the message has come */
        return imap_client_fail(c, ANSWER_PROTOCOL, "APPEND ended before its message");
    a = write_message(c, o, until);
    if (a != ANSWER_OK)
        return a;
    a = imap_client_wait(c, NULL, NULL, NULL, NULL, until);
    if (a == ANSWER_OK)
        note_place(c, o);
    bool lost = a == ANSWER_LOST || a == ANSWER_PROTOCOL || a == ANSWER_CANCELLED;
    return lost ? ANSWER_UNKNOWN : a;
}

enum answer imap_client_append(struct imap_client *c, struct imap_client_append *o, deadline until)
{
    struct buffer words;
    o->uidvalidity = o->uid = 0;
    buffer_init(&words, 8192);
    /* A name that has to be a literal would have to be asked for on its own. */
    enum answer a = compose(c, o, &words) && !slice_has_any(buffer_slice(&words), "\r\n")
                        ? append(c, o, buffer_slice(&words), until)
                        : imap_client_fail(c, ANSWER_UNSUPPORTED, "a name that cannot be said");
    buffer_finish(&words);
    return a;
}
