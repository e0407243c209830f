#include "base/log_private.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

/* Kept free for what closes a cut line: a quote, the mark, a brace, the newline. */
#define CLOSING 32

struct line {
    char *p;
    size_t n;
    bool json, cut;
};

/* Adds all of s or, once something did not fit, nothing more. */
static bool put(struct line *l, struct slice s)
{
    /* n may stand in the closing part already: an ended quote. */
    if (l->cut || l->n + s.n > LOG_LINE_MAX - CLOSING) {
        l->cut = true;
        return false;
    }
    memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
    return true;
}

/* Into the room kept free. */
static void put_closing(struct line *l, struct slice s)
{
    memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
}

/* Controls, line separators and marks that turn the direction of text. */
static bool hostile(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xFFFD || code == 0xFEFF ||
           (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void put_code(struct line *l, struct slice raw, uint32_t code)
{
    char escape[12];
    if (code == '"' || code == '\\')
        snprintf(escape, sizeof escape, "\\%c", (char)code);
    else if (code == '\n' || code == '\r' || code == '\t')
        snprintf(escape, sizeof escape, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
    else if (hostile(code))
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
    else {
        put(l, raw);
        return;
    }
    put(l, slice_str(escape));
}

static bool needs_quotes(struct slice s)
{
    if (!s.n)
        return true;
    while (s.n) {
        uint32_t code = (unsigned char)s.p[0];
        if (code < 0x80)
            s = slice_from(s, 1);
        else
            code = utf8_take(&s);
        if (code == ' ' || code == '=' || code == '"' || code == '\\' || hostile(code))
            return true;
    }
    return false;
}

/* What stands before a value: a separator, the key, an opening quote. */
static bool put_key(struct line *l, const char *key, bool quoted)
{
    char text[64], *at = text;
    size_t n = strlen(key);
    if (n > sizeof text - 5)
        return false;
    if (l->n != (l->json ? 1 : 0))
        *at++ = l->json ? ',' : ' ';
    if (l->json)
        *at++ = '"';
    memcpy(at, key, n);
    at += n;
    if (l->json)
        *at++ = '"';
    *at++ = l->json ? ':' : '=';
    if (quoted)
        *at++ = '"';
    return put(l, slice(text, (size_t)(at - text)));
}

/* Bytes at the start that stand for themselves, as many as there is room for. */
static size_t plain_run(const struct line *l, struct slice s)
{
    size_t most = LOG_LINE_MAX - CLOSING, room = l->n < most ? most - l->n : 0, n = 0;
    while (n < s.n && n < room && s.p[n] >= ' ' && s.p[n] < 0x7F && s.p[n] != '"' && s.p[n] != '\\')
        n++;
    return n;
}

static void put_text(struct line *l, const char *key, struct slice value)
{
    bool quoted = l->json || needs_quotes(value);
    if (!put_key(l, key, quoted))
        return;
    while (value.n && !l->cut) {
        size_t run = plain_run(l, value);
        put(l, slice_sub(value, 0, run));
        value = slice_from(value, run);
        struct slice raw = value;
        if (!raw.n)
            break;
        uint32_t code = utf8_take(&value);
        put_code(l, slice_sub(raw, 0, raw.n - value.n), code);
    }
    if (quoted)
        put_closing(l, S("\""));
}

/* A number is whole or absent: half of one would be another number. */
static void put_number(struct line *l, const char *key, const char *digits)
{
    size_t before = l->n;
    if (put_key(l, key, false) && !put(l, slice_str(digits)))
        l->n = before;
}

static void put_field(struct line *l, const struct log_field *field)
{
    char digits[40];
    if (!field->key)
        return;
    if (field->kind == LOG_TEXT) {
        put_text(l, field->key, field->text);
        return;
    }
    if (field->kind == LOG_NUMBER)
        snprintf(digits, sizeof digits, "%" PRId64, field->number);
    else if (isfinite(field->real))
        snprintf(digits, sizeof digits, "%.9g", field->real);
    else
        snprintf(digits, sizeof digits, "null"); /* JSON has no infinity */
    put_number(l, field->key, digits);
}

static void put_time(struct line *l, int64_t wall)
{
    static _Thread_local struct {
        int64_t second;
        char text[48]; /* of this second, with room for the rest; empty: none yet */
    } last;
    struct tm tm;
    int64_t ms = wall / 1000;
    time_t seconds = (time_t)(ms / 1000);
    if (ms < 0)
        return;
    if (!last.text[0] || last.second != seconds) {
        if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8099)
            return;
        strftime(last.text, sizeof last.text, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        last.second = seconds;
    }
    for (int i = 22, rest = (int)(ms % 1000); i >= 20; i--, rest /= 10)
        last.text[i] = (char)('0' + rest % 10);
    put_text(l, "time", slice_str(last.text));
}

size_t log_format_line(char out[LOG_LINE_MAX], enum log_format format, int64_t wall,
    enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    struct line l = {.p = out, .json = format == LOG_JSON};
    if (l.json)
        put(&l, S("{"));
    put_time(&l, wall);
    put_text(&l, "level", slice_str(log_level_name(level)));
    put_text(&l, "event", slice_str(event));
    for (size_t i = 0; i < n && !l.cut; i++)
        put_field(&l, &fields[i]);
    if (l.cut)
        put_closing(&l, l.json ? S(",\"cut\":true") : S(" cut=true"));
    put_closing(&l, l.json ? S("}\n") : S("\n"));
    return l.n;
}
