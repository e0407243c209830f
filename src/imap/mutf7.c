#include "imap/mutf7.h"
#include "base/utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool direct(unsigned char c)
{
    return c >= 0x20 && c <= 0x7e;
}

static int base64_value(char c)
{
    const char *found = c ? strchr(alphabet, c) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

/* UTF-16 units on their way to UTF-8. */
struct units {
    uint32_t high; /* a surrogate that waits for its second half, or 0 */
    struct buffer *to;
};

static bool take_unit(struct units *u, uint32_t unit)
{
    char utf8[4];
    if (u->high) {
        if (unit < 0xDC00 || unit > 0xDFFF)
            return false;
        unit = 0x10000 + ((u->high - 0xD800) << 10) + (unit - 0xDC00);
        u->high = 0;
    } else if (unit >= 0xD800 && unit <= 0xDBFF) {
        u->high = unit;
        return true;
    } else if ((unit >= 0xDC00 && unit <= 0xDFFF) || (unit < 0x80 && direct((unsigned char)unit))) {
        return false; /* what stands for itself must not be encoded */
    }
    return buffer_add(u->to, slice(utf8, utf8_put(unit, utf8)));
}

/* What stands between "&" and "-". */
static bool decode_shifted(struct slice run, struct buffer *to)
{
    struct units units = {.to = to};
    uint32_t bits = 0;
    unsigned bit_n = 0;
    for (size_t i = 0; i < run.n; i++) {
        int value = base64_value(run.p[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        bit_n += 6;
        if (bit_n < 16)
            continue;
        bit_n -= 16;
        if (!take_unit(&units, bits >> bit_n & 0xFFFF))
            return false;
        bits &= (UINT32_C(1) << bit_n) - 1;
    }
    /* fewer than six bits are left, and they are zero */
    return bit_n < 6 && !bits && !units.high;
}

bool mutf7_decode(struct slice text, struct buffer *utf8)
{
    bool after_shift = false;
    while (text.n) {
        char c = text.p[0];
        if (!direct((unsigned char)c))
            return false;
        if (c != '&') {
            if (!buffer_add_char(utf8, c))
                return false;
            text = slice_from(text, 1);
            after_shift = false;
            continue;
        }
        size_t end = slice_find(text, '-');
        if (end == SLICE_NONE)
            return false;
        struct slice run = slice_sub(text, 1, end - 1);
        if (!run.n ? !buffer_add_char(utf8, '&') : after_shift || !decode_shifted(run, utf8))
            return false;
        after_shift = run.n > 0; /* "&...-&...-" could have been one shift */
        text = slice_from(text, end + 1);
    }
    return true;
}

struct shift {
    struct buffer *to;
    uint32_t bits;
    unsigned bit_n;
    bool on;
};

static void put_unit(struct shift *s, uint32_t unit)
{
    s->bits = s->bits << 16 | unit;
    s->bit_n += 16;
    while (s->bit_n >= 6) {
        s->bit_n -= 6;
        buffer_add_char(s->to, alphabet[s->bits >> s->bit_n & 63]);
    }
    s->bits &= (UINT32_C(1) << s->bit_n) - 1;
}

static void shift_out(struct shift *s)
{
    if (!s->on)
        return;
    if (s->bit_n)
        buffer_add_char(s->to, alphabet[s->bits << (6 - s->bit_n) & 63]);
    buffer_add_char(s->to, '-');
    *s = (struct shift){.to = s->to};
}

bool mutf7_encode(struct slice utf8, struct buffer *text)
{
    struct shift s = {.to = text};
    while (utf8.n) {
        uint32_t code = utf8_take(&utf8);
        if (code < 0x80 && direct((unsigned char)code)) {
            shift_out(&s);
            buffer_add(text, code == '&' ? S("&-") : slice(&(char){(char)code}, 1));
            continue;
        }
        if (!s.on)
            buffer_add_char(text, '&');
        s.on = true;
        if (code >= 0x10000) {
            put_unit(&s, 0xD800 + ((code - 0x10000) >> 10));
            put_unit(&s, 0xDC00 + ((code - 0x10000) & 0x3FF));
        } else {
            put_unit(&s, code);
        }
    }
    shift_out(&s);
    return !text->overflow;
}
