#include "base/utf8.h"

#define REPLACEMENT UINT32_C(0xFFFD)
#define HIGH_BITS   UINT64_C(0x8080808080808080)

static bool continues(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Bytes of the well-formed sequence at p (n > 0 bytes there), 0 when there is none
 * (RFC 3629 §4). */
static size_t sequence(const unsigned char *p, size_t n)
{
    unsigned char first = p[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    size_t need = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (n < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if (!continues(p[i]))
            return 0;
    if ((first == 0xE0 && p[1] < 0xA0) || (first == 0xED && p[1] > 0x9F))
        return 0; /* overlong; surrogate */
    if ((first == 0xF0 && p[1] < 0x90) || (first == 0xF4 && p[1] > 0x8F))
        return 0; /* overlong; above U+10FFFF */
    return need;
}

/* How many bytes at the front are ASCII, to the word. */
static size_t ascii_words(struct slice s)
{
    size_t at = 0;
    uint64_t word;
    for (; s.n - at >= sizeof word; at += sizeof word) {
        memcpy(&word, s.p + at, sizeof word);
        if (word & HIGH_BITS)
            break;
    }
    return at;
}

bool utf8_valid(struct slice s)
{
    while (s.n) {
        s = slice_from(s, ascii_words(s));
        for (size_t run = 0; s.n && run < sizeof(uint64_t);) {
            size_t n = sequence((const unsigned char *)s.p, s.n);
            if (!n)
                return false;
            s = slice_from(s, n);
            run += n;
        }
    }
    return true;
}

bool utf8_ascii(struct slice s)
{
    for (size_t at = ascii_words(s); at < s.n; at++)
        if ((unsigned char)s.p[at] >= 0x80)
            return false;
    return true;
}

uint32_t utf8_take(struct slice *s)
{
    static const unsigned char first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const unsigned char *p = (const unsigned char *)s->p;
    size_t n = sequence(p, s->n);
    *s = slice_from(*s, n ? n : 1);
    if (!n)
        return REPLACEMENT;
    uint32_t code = p[0] & first_bits[n];
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3F);
    return code;
}

static char following(uint32_t code, unsigned shift)
{
    return (char)(0x80 | ((code >> shift) & 0x3F));
}

size_t utf8_put(uint32_t code, char out[4])
{
    if ((code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF)
        code = REPLACEMENT;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = following(code, 0);
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = following(code, 6);
        out[2] = following(code, 0);
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = following(code, 12);
    out[2] = following(code, 6);
    out[3] = following(code, 0);
    return 4;
}

bool utf8_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
           code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}
