#include "message/scan.h"

/* Progress of the name at the start of a header line; kept in s->name_state. */
enum {
    NAME_READING,
    NAME_BLANKS, /* behind the name, a colon may still come */
    NAME_VALUE,  /* of TLS-Required */
    NAME_DONE,   /* nothing more to learn from this line */
};

static const struct {
    struct slice name;
    enum scan_field field;
} names[] = {
    {{"received", 8}, SCAN_RECEIVED},
    {{"delivered-to", 12}, SCAN_DELIVERED_TO},
    {{"from", 4}, SCAN_FROM},
    {{"sender", 6}, SCAN_SENDER},
    {{"to", 2}, SCAN_TO},
    {{"cc", 2}, SCAN_CC},
    {{"bcc", 3}, SCAN_BCC},
    {{"date", 4}, SCAN_DATE},
    {{"message-id", 10}, SCAN_MESSAGE_ID},
    {{"return-path", 11}, SCAN_RETURN_PATH},
    {{"tls-required", 12}, SCAN_TLS_REQUIRED},
};

void scan_init(struct scan *s)
{
    *s = (struct scan){0};
}

static void count_name(struct scan *s)
{
    struct slice name = slice(s->name, s->name_n);
    uint32_t before = s->field[SCAN_TLS_REQUIRED];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_eq_nocase(name, names[i].name))
            s->field[names[i].field]++;
    s->in_value = s->field[SCAN_TLS_REQUIRED] > before;
    s->name_state = s->in_value ? NAME_VALUE : NAME_DONE;
    s->value_n = 0;
}

static void end_value(struct scan *s)
{
    s->tls_optional |= slice_eq_nocase(slice(s->value, s->value_n), S("No"));
    s->in_value = false;
}

static void read_value(struct scan *s, char c)
{
    if (c == ' ' || c == '\t' || c == '\r')
        return;
    s->value[s->value_n++] = c;
    if (s->value_n == sizeof s->value) { /* it says something else */
        s->in_value = false;
        s->name_state = NAME_DONE;
    }
}

/* Bytes of a header line, without its LF, from where the name may still be read. */
static void read_name(struct scan *s, const char *p, const char *end)
{
    if (s->in_value && s->name_state == NAME_READING && p < end) { /* a line behind its first */
        if (*p == ' ' || *p == '\t')
            s->name_state = NAME_VALUE;
        else
            end_value(s);
    }
    for (; p < end && s->name_state != NAME_DONE; p++) {
        bool blank = *p == ' ' || *p == '\t';
        if (s->name_state == NAME_VALUE)
            read_value(s, *p);
        else if (*p == ':')
            count_name(s);
        else if (blank && s->name_n)
            s->name_state = NAME_BLANKS;
        else if (blank || s->name_state == NAME_BLANKS || s->name_n == SCAN_NAME_MAX)
            s->name_state = NAME_DONE;
        else
            s->name[s->name_n++] = *p;
    }
}

static bool has_8bit(const char *p, size_t n)
{
    uint64_t any = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        any |= word;
    }
    for (; i < n; i++)
        any |= (unsigned char)p[i];
    return (any & UINT64_C(0x8080808080808080)) != 0;
}

/* The LF of a line; its other bytes have been fed. */
static void end_line(struct scan *s, bool after_cr)
{
    uint64_t length = s->line - after_cr;
    if (!after_cr)
        s->bare_lf = true;
    if (length > s->longest_line)
        s->longest_line = length;
    if (!s->in_body && !length)
        s->in_body = true;
    if (s->in_body && s->in_value)
        end_value(s);
    s->line = 0;
    s->name_n = 0;
    s->name_state = NAME_READING;
}

/* One stretch of bytes without LF: all of a line or a piece of one. A CR is bare unless it is the
 * last before the LF; one at the end of the stretch is remembered in s->cr. */
static void feed_stretch(struct scan *s, const char *p, size_t n)
{
    if (!n)
        return;
    if (s->cr)
        s->bare_cr = true;
    if (!s->bare_cr) {
        const char *cr = memchr(p, '\r', n);
        if (cr && cr != p + n - 1)
            s->bare_cr = true;
    }
    s->cr = p[n - 1] == '\r';
    if (!s->in_body) {
        read_name(s, p, p + n);
        if (!s->header_8bit)
            s->header_8bit = has_8bit(p, n);
    }
    s->line += n;
}

/* To the end, or to the end of the header when it begins in one; returns where it stopped. */
static const char *feed_lines(struct scan *s, const char *p, const char *end)
{
    bool body = s->in_body;
    while (p < end && s->in_body == body) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        feed_stretch(s, p, (size_t)((lf ? lf : end) - p));
        if (!lf)
            return end;
        end_line(s, s->cr);
        s->cr = false;
        p = lf + 1;
    }
    return p;
}

void scan_feed(struct scan *s, struct slice bytes)
{
    if (!bytes.n)
        return;
    const char *p = bytes.p;
    const char *end = p + bytes.n;
    s->bytes += bytes.n;
    if (!s->nul)
        s->nul = memchr(p, '\0', bytes.n) != NULL;
    if (!s->in_body) {
        p = feed_lines(s, p, end);
        s->header_bytes += (uint64_t)(p - bytes.p);
    }
    if (p == end)
        return;
    if (!s->body_8bit)
        s->body_8bit = has_8bit(p, (size_t)(end - p));
    feed_lines(s, p, end);
}

void scan_end(struct scan *s)
{
    if (s->in_value)
        end_value(s);
    if (s->cr)
        s->bare_cr = true;
    s->ends_in_line = s->line > 0;
    if (s->line > s->longest_line)
        s->longest_line = s->line;
}
