#include "base/base64.h"

#define BAD 0xFF

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of a character, BAD outside the alphabet. */
static unsigned char value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned char)(c - 'a' + 26);
    if (ascii_digit(c))
        return (unsigned char)(c - '0' + 52);
    return c == '+' ? 62 : c == '/' ? 63 : BAD;
}

bool base64_encode(struct slice from, struct buffer *to)
{
    char *out = buffer_room(to, BASE64_SIZE(from.n));
    if (!out)
        return false;
    for (size_t at = 0; at < from.n; at += 3) {
        unsigned char in[3] = {0};
        size_t n = from.n - at < 3 ? from.n - at : 3;
        memcpy(in, from.p + at, n);
        *out++ = alphabet[in[0] >> 2];
        *out++ = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
        *out++ = n > 1 ? alphabet[(in[1] & 15) << 2 | in[2] >> 6] : '=';
        *out++ = n > 2 ? alphabet[in[2] & 63] : '=';
    }
    buffer_took(to, BASE64_SIZE(from.n));
    return true;
}

/* Four characters to 3 - padding bytes. The bits that padding leaves over must be zero, so that
 * each value has one spelling (RFC 4648 §3.5). */
static bool decode_group(const char *from, size_t padding, char *out)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned char value = i < 4 - padding ? value_of(from[i]) : 0;
        if (value == BAD)
            return false;
        bits = bits << 6 | value;
    }
    if (bits & ((UINT32_C(1) << 8 * padding) - 1))
        return false;
    for (size_t i = 0; i < 3 - padding; i++)
        out[i] = (char)(bits >> (16 - 8 * i));
    return true;
}

bool base64_decode(struct slice from, struct buffer *to)
{
    if (from.n % 4)
        return false;
    size_t padding = slice_ends(from, S("==")) ? 2 : slice_ends(from, S("=")) ? 1 : 0;
    size_t size = from.n / 4 * 3 - padding;
    char *out = buffer_room(to, size);
    if (!out)
        return false;
    for (size_t at = 0; at < from.n; at += 4, out += 3)
        if (!decode_group(from.p + at, at + 4 == from.n ? padding : 0, out))
            return false;
    buffer_took(to, size);
    return true;
}

bool hex_encode(struct slice from, struct buffer *to)
{
    static const char digits[] = "0123456789abcdef";
    char *out = buffer_room(to, from.n * 2);
    if (!out)
        return false;
    for (size_t i = 0; i < from.n; i++) {
        unsigned char c = (unsigned char)from.p[i];
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    buffer_took(to, from.n * 2);
    return true;
}

static unsigned char nibble(char c)
{
    if (ascii_digit(c))
        return (unsigned char)(c - '0');
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? (unsigned char)(c - 'a' + 10) : BAD;
}

bool hex_decode(struct slice from, struct buffer *to)
{
    if (from.n % 2)
        return false;
    char *out = buffer_room(to, from.n / 2);
    if (!out)
        return false;
    for (size_t i = 0; i < from.n; i += 2) {
        unsigned char high = nibble(from.p[i]), low = nibble(from.p[i + 1]);
        if (high == BAD || low == BAD)
            return false;
        *out++ = (char)(high << 4 | low);
    }
    buffer_took(to, from.n / 2);
    return true;
}
