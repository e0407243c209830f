#include "message/compose.h"
#include "base/utf8.h"
#include "message/address.h"
#include "message/date.h"
#include "message/word.h"

#define COLUMN_MAX 78  /* RFC 5322 §2.1.1 */
#define LINE_MAX   998 /* the same, without CRLF */

/* A field being written. Words are added one by one; before each a blank, or a fold where the line
 * would grow too long. */
struct field {
    struct buffer *to;
    size_t column;
    bool empty; /* nothing on this line but blanks: folding again would make an empty line */
};

static struct field begin(struct buffer *to, struct slice name)
{
    buffer_add(to, name);
    buffer_add_char(to, ':');
    return (struct field){.to = to, .column = name.n + 1};
}

static bool end(struct field *f)
{
    return buffer_add(f->to, S("\r\n"));
}

static char clean(char c)
{
    return c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

/* Room for a word of n columns: a blank, or a fold. */
static void separate(struct field *f, size_t n)
{
    bool fold = !f->empty && f->column + 1 + n > COLUMN_MAX;
    buffer_add(f->to, fold ? S("\r\n ") : S(" "));
    f->column = fold ? 1 : f->column + 1;
}

static void add_bytes(struct field *f, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        buffer_add_char(f->to, clean(s.p[i]));
    f->column += s.n;
    f->empty = false;
}

/* A word without blanks. One that no line can hold is cut, between characters. */
static void add_word(struct field *f, struct slice word)
{
    separate(f, word.n);
    while (f->column + word.n > LINE_MAX) {
        size_t n = LINE_MAX - f->column;
        while (n > 1 && ((unsigned char)word.p[n] & 0xC0) == 0x80)
            n--;
        add_bytes(f, slice_sub(word, 0, n));
        word = slice_from(word, n);
        buffer_add(f->to, S("\r\n "));
        f->column = 1;
    }
    add_bytes(f, word);
}

static bool word_end(char c)
{
    return clean(c) == ' ' || c == '\t';
}

static void add_words(struct field *f, struct slice text)
{
    while (text.n) {
        size_t n = 0;
        while (n < text.n && !word_end(text.p[n]))
            n++;
        if (n)
            add_word(f, slice_sub(text, 0, n));
        text = slice_from(text, n < text.n ? n + 1 : n);
    }
}

bool compose_raw(struct buffer *to, struct slice name, struct slice value)
{
    struct field f = begin(to, name);
    add_words(&f, value);
    return end(&f);
}

bool compose_text(struct buffer *to, struct slice name, struct slice text)
{
    struct slice value = text;
    while (value.n && word_end(value.p[0]))
        value = slice_from(value, 1);
    while (value.n && word_end(value.p[value.n - 1]))
        value.n--;
    bool encoded = slice_find_slice(value, S("=?")) != SLICE_NONE;
    for (size_t i = 0; i < value.n && !encoded; i++)
        encoded = !word_end(value.p[i]) && word_needed(slice_sub(value, i, 1));
    if (!encoded)
        return compose_raw(to, name, value);
    struct field f = begin(to, name);
    buffer_add_char(to, ' ');
    word_encode(value, WORD_TEXT, f.column + 1, to);
    return end(&f);
}

/* ---- addresses ---- */

/* A display name of ASCII: as words where they are atoms, else as one quoted string. */
static void add_phrase(struct field *f, struct slice name)
{
    bool atoms = true;
    for (size_t i = 0; i < name.n; i++)
        atoms &= ascii_alnum(name.p[i]) || strchr(" !#$%&'*+-/=?^_`{|}~", name.p[i]) != NULL;
    if (atoms) {
        add_words(f, name);
        return;
    }
    separate(f, name.n + 2);
    add_bytes(f, S("\""));
    for (size_t i = 0; i < name.n; i++) {
        if (f->column >= COLUMN_MAX * 4 && name.p[i] == ' ') {
            buffer_add(f->to, S("\r\n"));
            f->column = 0;
        }
        if (name.p[i] == '"' || name.p[i] == '\\')
            add_bytes(f, S("\\"));
        add_bytes(f, slice_sub(name, i, 1));
    }
    add_bytes(f, S("\""));
}

static void add_display_name(struct field *f, struct slice name)
{
    if (!word_needed(name)) {
        add_phrase(f, name);
        return;
    }
    separate(f, 40);
    size_t before = f->to->n;
    word_encode(name, WORD_PHRASE, f->column, f->to);
    struct slice written = slice_from(buffer_slice(f->to), before);
    size_t line = slice_rfind(written, '\n');
    f->column = line == SLICE_NONE ? f->column + written.n : written.n - line - 1;
    f->empty = false;
}

bool compose_mailboxes(
    struct buffer *to, struct slice name, const struct compose_mailbox *list, size_t n)
{
    struct field f = begin(to, name);
    for (size_t i = 0; i < n; i++) {
        bool named = list[i].name.n > 0;
        if (named)
            add_display_name(&f, list[i].name);
        separate(&f, list[i].address.n + (named ? 3 : 1));
        if (named)
            add_bytes(&f, S("<"));
        add_bytes(&f, list[i].address);
        if (named)
            add_bytes(&f, S(">"));
        if (i + 1 < n)
            add_bytes(&f, S(","));
    }
    return end(&f);
}

/* ---- single fields ---- */

bool compose_date(struct buffer *to, struct slice name, int64_t seconds, int zone)
{
    char text[DATE_TEXT_MAX];
    struct date date = date_from_unix(seconds, zone);
    return compose_raw(to, name, date_format(&date, text));
}

/* Strangers' bytes reduced to what a domain or an address literal may hold. */
static void add_name(struct buffer *to, struct slice s)
{
    size_t n = s.n < ADDRESS_DOMAIN_MAX ? s.n : ADDRESS_DOMAIN_MAX;
    for (size_t i = 0; i < n; i++) {
        char c = s.p[i];
        bool plain = ascii_alnum(c) || (c && strchr(".-_:[]", c));
        buffer_add_char(to, plain ? c : '?');
    }
}

bool compose_message_id(struct buffer *to, struct slice unique, struct slice host)
{
    buffer_add(to, S("Message-ID: <"));
    add_name(to, unique);
    buffer_add_char(to, '@');
    add_name(to, host);
    return buffer_add(to, S(">\r\n"));
}

static void add_address(struct buffer *to, struct slice address)
{
    for (size_t i = 0; i < address.n; i++)
        buffer_add_char(to, clean(address.p[i]));
}

bool compose_return_path(struct buffer *to, struct slice address)
{
    buffer_add(to, S("Return-Path: <"));
    add_address(to, address);
    return buffer_add(to, S(">\r\n"));
}

/* "from HELO (RDNS [PEER])" (RFC 5321 §4.4, Extended-Domain and TCP-info). */
static void add_from(struct buffer *to, const struct compose_received *r)
{
    buffer_add(to, S("from "));
    if (r->helo.n)
        add_name(to, r->helo);
    else
        buffer_add(to, S("unknown"));
    if (r->peer.n) {
        buffer_add(to, S(" ("));
        add_name(to, r->rdns);
        buffer_add(to, r->rdns.n ? S(" [") : S("["));
        if (slice_find(r->peer, ':') != SLICE_NONE)
            buffer_add(to, S("IPv6:"));
        add_name(to, r->peer);
        buffer_add(to, S("])"));
    }
}

static void add_clause(struct buffer *to, struct slice word, struct slice value)
{
    if (!value.n)
        return;
    buffer_add(to, word);
    add_name(to, value);
}

static void add_comment(struct buffer *to, struct slice before, struct slice words)
{
    if (!words.n)
        return;
    buffer_add(to, before);
    for (size_t i = 0; i < words.n && i < COLUMN_MAX; i++)
        buffer_add_char(to, words.p[i] == ' ' || ascii_alnum(words.p[i]) || words.p[i] == '.' ||
                                    words.p[i] == '_' || words.p[i] == '/'
                                ? words.p[i]
                                : '-');
    buffer_add_char(to, ')');
}

bool compose_received(struct buffer *to, const struct compose_received *r)
{
    char text[DATE_TEXT_MAX];
    struct date date = date_from_unix(r->seconds, r->zone);
    buffer_add(to, S("Received: "));
    if (r->helo.n || r->peer.n) {
        add_from(to, r);
        buffer_add(to, S("\r\n\t"));
    }
    buffer_add(to, S("by "));
    add_name(to, r->by);
    add_comment(to, S(" ("), r->local);
    add_clause(to, S(" with "), r->protocol);
    add_clause(to, S(" id "), r->id);
    add_comment(to, S("\r\n\t("), r->tls);
    if (r->recipient.n) {
        buffer_add(to, S("\r\n\tfor <"));
        add_address(to, r->recipient);
        buffer_add_char(to, '>');
    }
    if (r->priority)
        buffer_printf(to, "\r\n\tPRIORITY %d", r->priority);
    buffer_add(to, S(";\r\n\t"));
    buffer_add(to, date_format(&date, text));
    return buffer_add(to, S("\r\n"));
}
