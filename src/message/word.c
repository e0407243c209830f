#include "message/word.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "message/charset.h"
#include "message/transfer.h"

#define CHARSET_NAME_MAX 64   /* longer is no charset */
#define CHARSET_OPENS    1000 /* charsets opened for one value; opening is what costs time */
#define WORD_OUT_MAX     75   /* RFC 2047 §2 */

/* ---- reading ---- */

struct word {
    struct slice charset; /* without language */
    struct slice text;
    bool base64;
    size_t end; /* behind its "?=" */
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The token from *at up to '?', which is passed over; at most max bytes. */
static bool take_token(struct slice s, size_t *at, size_t max, struct slice *token)
{
    size_t from = *at;
    while (*at < s.n && *at - from < max && s.p[*at] != '?' && s.p[*at] != '\r' && s.p[*at] != '\n')
        ++*at;
    if (*at >= s.n || s.p[*at] != '?')
        return false;
    *token = slice_sub(s, from, *at - from);
    ++*at;
    return true;
}

/* The word at s[at], which is "=?". It ends at the third '?' at latest, so that a failed attempt
 * costs no more than the way to the next one. */
static bool parse_word(struct slice s, size_t at, struct word *word)
{
    struct slice encoding;
    at += 2;
    if (!take_token(s, &at, CHARSET_NAME_MAX, &word->charset) ||
        !take_token(s, &at, 1, &encoding) || !take_token(s, &at, WORD_MAX, &word->text) ||
        at >= s.n || s.p[at] != '=')
        return false;
    word->end = at + 1;
    /* RFC 2231 §5: =?charset*language?... */
    word->charset = slice_cut(&word->charset, '*');
    if (encoding.n != 1)
        return false;
    char e = ascii_lower(encoding.p[0]);
    word->base64 = e == 'b';
    return e == 'b' || e == 'q';
}

/* Decoding of one value. */
struct decoder {
    struct buffer *to;
    struct buffer bytes;  /* of one word, before its charset */
    struct charset *open; /* of the word before, which may go on in the next one */
    struct slice charset;
    unsigned opens;
};

static int hex_value(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_q(struct slice text, struct buffer *to)
{
    char *room = buffer_room(to, text.n);
    size_t n = 0;
    if (!room)
        return;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '=' && i + 2 < text.n && hex_value(text.p[i + 1]) >= 0 &&
            hex_value(text.p[i + 2]) >= 0) {
            c = (char)(hex_value(text.p[i + 1]) << 4 | hex_value(text.p[i + 2]));
            i += 2;
        } else if (c == '_') {
            c = ' ';
        }
        room[n++] = c;
    }
    buffer_took(to, n);
}

static void decode_b(struct slice text, struct buffer *to)
{
    struct transfer_decoder d;
    transfer_init(&d, TRANSFER_BASE64);
    transfer_feed(&d, text, to);
    transfer_end(&d, to);
}

static bool end_words(struct decoder *d)
{
    bool ok = !d->open || charset_end(d->open, d->to);
    charset_close(d->open);
    d->open = NULL;
    return ok;
}

/* Makes d->open the word's charset; false: unknown, or too many. */
static bool switch_charset(struct decoder *d, const struct word *word)
{
    if (d->open && slice_eq_nocase(d->charset, word->charset))
        return true;
    if (d->opens >= CHARSET_OPENS)
        return false;
    struct charset *next = charset_open(word->charset);
    if (!next)
        return false;
    end_words(d);
    d->open = next;
    d->opens++;
    d->charset = word->charset;
    return true;
}

/* Control bytes that were encoded must not become part of a line or of a terminal's commands. */
static void blank_controls(struct buffer *b, size_t from)
{
    for (size_t i = from; i < b->n; i++)
        if ((unsigned char)b->p[i] < ' ' || b->p[i] == 0x7f)
            b->p[i] = ' ';
}

/* False: the buffer is full. */
static bool add_word(struct decoder *d, const struct word *word)
{
    size_t before = d->to->n;
    buffer_reset(&d->bytes);
    if (word->base64)
        decode_b(word->text, &d->bytes);
    else
        decode_q(word->text, &d->bytes);
    bool ok = !d->bytes.overflow && charset_feed(d->open, buffer_slice(&d->bytes), d->to);
    blank_controls(d->to, before);
    return ok;
}

/* Text between words: unfolded, repaired. */
static bool add_text(struct decoder *d, struct slice text)
{
    if (!end_words(d))
        return false;
    while (text.n) {
        size_t n = 0;
        while (n < text.n && text.p[n] != '\r' && text.p[n] != '\n' && text.p[n])
            n++;
        if (!charset_repair_utf8(slice_sub(text, 0, n), d->to))
            return false;
        if (n < text.n && !text.p[n] && !buffer_add_char(d->to, ' '))
            return false;
        text = slice_from(text, n + 1);
    }
    return true;
}

static bool only_space(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_space(s.p[i]))
            return false;
    return true;
}

static bool decode(struct decoder *d, struct slice s)
{
    size_t done = 0; /* all before it has been written */
    size_t at = 0;
    bool behind_word = false;
    while (at < s.n) {
        const char *sign = memchr(s.p + at, '=', s.n - at);
        if (!sign)
            break;
        at = (size_t)(sign - s.p);
        struct word word;
        if (at + 1 >= s.n || s.p[at + 1] != '?' || !parse_word(s, at, &word)) {
            at++;
            continue;
        }
        struct slice gap = slice_sub(s, done, at - done);
        bool joined = behind_word && only_space(gap);
        if (!joined && !add_text(d, gap))
            return false;
        done = joined ? done : at;
        if (!switch_charset(d, &word)) {
            at = word.end;
            behind_word = false;
            continue;
        }
        if (!add_word(d, &word))
            return false;
        behind_word = true;
        done = at = word.end;
    }
    return add_text(d, slice_from(s, done));
}

bool word_decode(struct slice value, struct buffer *to)
{
    while (value.n && is_space(value.p[0]))
        value = slice_from(value, 1);
    while (value.n && is_space(value.p[value.n - 1]))
        value.n--;
    struct decoder d = {.to = to};
    buffer_init(&d.bytes, WORD_MAX + TRANSFER_SLACK);
    bool ok = decode(&d, value);
    charset_close(d.open);
    buffer_finish(&d.bytes);
    return ok && !to->overflow;
}

/* ---- writing ---- */

bool word_needed(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < ' ' || c > '~' || (c == '=' && i + 1 < text.n && text.p[i + 1] == '?'))
            return true;
    }
    return false;
}

/* Bytes that stand for themselves in Q. */
static bool q_plain(unsigned char c, enum word_place place)
{
    if (ascii_alnum((char)c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/')
        return true;
    return place == WORD_TEXT && c > ' ' && c < 0x7f && c != '=' && c != '?' && c != '_';
}

static size_t q_size(struct slice bytes, enum word_place place)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i++)
        n += bytes.p[i] == ' ' || q_plain((unsigned char)bytes.p[i], place) ? 1 : 3;
    return n;
}

static void add_q(struct slice bytes, enum word_place place, struct buffer *to)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        if (c == ' ')
            buffer_add_char(to, '_');
        else if (q_plain(c, place))
            buffer_add_char(to, (char)c);
        else
            buffer_printf(to, "=%02X", c);
    }
}

/* As many characters of *text as make an encoded word of at most `room` octets; at least one. */
static struct slice take_chunk(
    struct slice *text, bool base64, enum word_place place, size_t room, char chunk[WORD_OUT_MAX])
{
    size_t n = 0;
    size_t size = 0;
    while (text->n) {
        struct slice rest = *text;
        char code[4];
        size_t wide = utf8_put(utf8_take(&rest), code);
        size_t grown = base64 ? BASE64_SIZE(n + wide) : size + q_size(slice(code, wide), place);
        if (n && grown > room)
            break;
        size = grown;
        memcpy(chunk + n, code, wide);
        n += wide;
        *text = rest;
    }
    return slice(chunk, n);
}

bool word_encode(struct slice text, enum word_place place, size_t column, struct buffer *to)
{
    const size_t frame = sizeof "=?UTF-8?B?" - 1 + sizeof "?=" - 1;
    bool base64 = q_size(text, place) > BASE64_SIZE(text.n);
    bool first = true;
    while (text.n) {
        if (!first || column + frame + 12 > WORD_OUT_MAX + 1) {
            buffer_add(to, S("\r\n "));
            column = 1;
        }
        first = false;
        char chunk[WORD_OUT_MAX];
        size_t room = WORD_OUT_MAX + 1 - column - frame;
        if (room > WORD_OUT_MAX - frame)
            room = WORD_OUT_MAX - frame;
        struct slice part = take_chunk(&text, base64, place, room, chunk);
        buffer_add(to, base64 ? S("=?UTF-8?B?") : S("=?UTF-8?Q?"));
        if (base64)
            base64_encode(part, to);
        else
            add_q(part, place, to);
        if (!buffer_add(to, S("?=")))
            return false;
    }
    return !to->overflow;
}
