#include "message/transfer.h"
#include "message/lexis_private.h"

enum {
    TEXT,
    BLANKS,      /* blanks at the end of what was fed, held: dropped if the line ends here */
    LONG_BLANKS, /* too many to be held: data */
    EQUALS,      /* held: "=" */
    HEX,         /* held: "=X" */
    SOFT_BLANKS, /* held: "=" and blanks */
    SOFT_CR,     /* held: "=", blanks, CR */
};

/* 0..63, or -1 outside the alphabet of RFC 4648 §4. */
/* clang-format off */
static const int8_t base64_value[256] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
    -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1,
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
};
/* clang-format on */

enum transfer transfer_named(struct slice value)
{
    static const struct {
        struct slice name;
        enum transfer transfer;
    } names[] = {
        {{"7bit", 4}, TRANSFER_7BIT},
        {{"8bit", 4}, TRANSFER_8BIT},
        {{"binary", 6}, TRANSFER_BINARY},
        {{"quoted-printable", 16}, TRANSFER_QUOTED_PRINTABLE},
        {{"base64", 6}, TRANSFER_BASE64},
    };
    size_t from = lexis_cfws(value, 0);
    if (from < value.n && value.p[from] == '"')
        from++;
    struct slice token = slice_from(value, from);
    size_t n = 0;
    while (n < token.n && (ascii_alnum(token.p[n]) || token.p[n] == '-'))
        n++;
    if (!token.n)
        return TRANSFER_7BIT;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_eq_nocase(slice_sub(token, 0, n), names[i].name))
            return names[i].transfer;
    return TRANSFER_UNKNOWN;
}

void transfer_init(struct transfer_decoder *d, enum transfer transfer)
{
    *d = (struct transfer_decoder){.transfer = transfer};
}

/* ---- base64 ---- */

/* What a group of fewer than four characters holds. */
static char *end_group(struct transfer_decoder *d, char *to)
{
    if (d->group_n >= 2)
        *to++ = (char)(d->bits >> (d->group_n == 2 ? 4 : 10));
    if (d->group_n == 3)
        *to++ = (char)(d->bits >> 2);
    if (d->group_n == 1)
        d->bad = true;
    d->group_n = 0;
    d->bits = 0;
    return to;
}

static char *base64_char(struct transfer_decoder *d, unsigned char c, char *to)
{
    int value = base64_value[c];
    if (value >= 0) {
        if (d->padded && !d->group_n)
            d->bad = true;
        d->bits = d->bits << 6 | (uint32_t)value;
        if (++d->group_n < 4)
            return to;
        *to++ = (char)(d->bits >> 16);
        *to++ = (char)(d->bits >> 8);
        *to++ = (char)d->bits;
        d->bits = 0;
        d->group_n = 0;
    } else if (c == '=') {
        to = end_group(d, to);
        d->padded = true;
    } else if (c != '\r' && c != '\n' && c != ' ' && c != '\t') {
        d->bad = true;
    }
    return to;
}

static bool feed_base64(struct transfer_decoder *d, struct slice bytes, struct buffer *to)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    const unsigned char *end = p + bytes.n;
    /* A group held and n bytes make at most this much; "A=" repeated makes none. */
    char *room = buffer_room(to, bytes.n / 4 * 3 + 6);
    char *at = room;
    if (!room)
        return false;
    while (p < end) {
        while (!d->group_n && !d->padded && end - p >= 4) {
            int a = base64_value[p[0]], b = base64_value[p[1]];
            int c = base64_value[p[2]], e = base64_value[p[3]];
            if ((a | b | c | e) < 0)
                break;
            uint32_t word = (uint32_t)(a << 18 | b << 12 | c << 6 | e);
            *at++ = (char)(word >> 16);
            *at++ = (char)(word >> 8);
            *at++ = (char)word;
            p += 4;
        }
        if (p < end)
            at = base64_char(d, *p++, at);
    }
    buffer_took(to, (size_t)(at - room));
    return true;
}

/* ---- quoted-printable ---- */

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

static char *flush_held(struct transfer_decoder *d, char *to)
{
    memcpy(to, d->held, d->held_n);
    to += d->held_n;
    d->held_n = 0;
    return to;
}

/* A "=" that began nothing: it is data. */
static char *not_encoded(struct transfer_decoder *d, char *to)
{
    d->bad = true;
    d->state = TEXT;
    return flush_held(d, to);
}

static void hold(struct transfer_decoder *d, unsigned char c, uint8_t state)
{
    d->held[d->held_n++] = (char)c;
    d->state = state;
}

static void end_soft_break(struct transfer_decoder *d)
{
    d->held_n = 0;
    d->state = TEXT;
}

/* Text up to the next byte with a meaning; *from moves behind what was done with. */
static char *text_run(
    struct transfer_decoder *d, const unsigned char **from, const unsigned char *end, char *to)
{
    const unsigned char *p = *from;
    while (p < end && *p != '=' && *p != '\r' && *p != '\n')
        p++;
    const unsigned char *text_end = p;
    while (text_end > *from && is_blank(text_end[-1]))
        text_end--;
    bool line_end = p < end && *p != '=';
    size_t blanks = (size_t)(p - text_end);
    if ((!line_end && p < end) || blanks > TRANSFER_BLANKS_MAX) {
        text_end = p;
        if (p == end)
            d->state = LONG_BLANKS;
    } else if (p == end && blanks) {
        memcpy(d->held, text_end, blanks);
        d->held_n = (uint8_t)blanks;
        d->state = BLANKS;
    }
    memcpy(to, *from, (size_t)(text_end - *from));
    to += text_end - *from;
    if (line_end)
        *to++ = (char)*p++;
    else if (p < end)
        hold(d, *p++, EQUALS);
    *from = p;
    return to;
}

/* One byte in a state other than TEXT; *took: it was used up. */
static char *waiting_char(struct transfer_decoder *d, unsigned char c, char *to, bool *took)
{
    *took = true;
    if (d->state == BLANKS && is_blank(c)) {
        if (d->held_n < TRANSFER_BLANKS_MAX) {
            hold(d, c, BLANKS);
            return to;
        }
        to = flush_held(d, to);
        *to++ = (char)c;
        d->state = LONG_BLANKS;
        return to;
    }
    if (d->state == LONG_BLANKS && is_blank(c)) {
        *to++ = (char)c;
        return to;
    }
    if (d->state == EQUALS && hex_value(c) >= 0) {
        hold(d, c, HEX);
        return to;
    }
    if (d->state == HEX && hex_value(c) >= 0) {
        *to++ = (char)(hex_value((unsigned char)d->held[1]) << 4 | hex_value(c));
        end_soft_break(d);
        return to;
    }
    if (d->state == EQUALS || d->state == SOFT_BLANKS || d->state == SOFT_CR) {
        if (c == '\n') {
            end_soft_break(d);
            return to;
        }
        bool blank = is_blank(c) && d->held_n < TRANSFER_BLANKS_MAX;
        if (d->state != SOFT_CR && (c == '\r' || blank)) {
            hold(d, c, blank ? SOFT_BLANKS : SOFT_CR);
            return to;
        }
    }
    *took = false;
    if (d->state == LONG_BLANKS || d->state == BLANKS) {
        if (c == '\r' || c == '\n')
            d->held_n = 0;
        d->state = TEXT;
        return flush_held(d, to);
    }
    return not_encoded(d, to);
}

static bool feed_quoted(struct transfer_decoder *d, struct slice bytes, struct buffer *to)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    const unsigned char *end = p + bytes.n;
    char *room = buffer_room(to, bytes.n + sizeof d->held);
    char *at = room;
    if (!room)
        return false;
    while (p < end) {
        if (d->state == TEXT) {
            at = text_run(d, &p, end, at);
            continue;
        }
        bool took;
        at = waiting_char(d, *p, at, &took);
        p += took;
    }
    buffer_took(to, (size_t)(at - room));
    return true;
}

bool transfer_feed(struct transfer_decoder *d, struct slice bytes, struct buffer *to)
{
    if (!bytes.n)
        return !to->overflow;
    if (d->transfer == TRANSFER_BASE64)
        return feed_base64(d, bytes, to);
    if (d->transfer == TRANSFER_QUOTED_PRINTABLE)
        return feed_quoted(d, bytes, to);
    return buffer_add(to, bytes);
}

bool transfer_end(struct transfer_decoder *d, struct buffer *to)
{
    char last[sizeof d->held];
    char *at = last;
    if (d->transfer == TRANSFER_BASE64) {
        if (d->group_n)
            d->bad = true;
        at = end_group(d, at);
    } else if (d->state == HEX) {
        at = not_encoded(d, at);
    }
    bool bad = d->bad;
    transfer_init(d, d->transfer);
    d->bad = bad;
    return buffer_add(to, slice(last, (size_t)(at - last)));
}
