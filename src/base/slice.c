#include "base/slice.h"
#include <stdlib.h>

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool slice_starts_nocase(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq_nocase(slice_sub(s, 0, prefix.n), prefix);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

size_t slice_find(struct slice s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : SLICE_NONE;
}

size_t slice_rfind(struct slice s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : SLICE_NONE;
}

size_t slice_find_slice(struct slice s, struct slice needle)
{
    if (!needle.n)
        return 0;
    const char *at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return at ? (size_t)(at - s.p) : SLICE_NONE;
}

bool slice_has_any(struct slice s, const char *set)
{
    for (; *set; set++)
        if (slice_find(s, *set) != SLICE_NONE)
            return true;
    return false;
}

struct slice slice_trim(struct slice s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = slice_from(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

struct slice slice_cut(struct slice *rest, char c)
{
    struct slice whole = *rest;
    size_t at = slice_find(whole, c);
    if (at == SLICE_NONE) {
        *rest = slice_from(whole, whole.n);
        return whole;
    }
    *rest = slice_from(whole, at + 1);
    return slice_sub(whole, 0, at);
}

bool slice_to_u64(struct slice s, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_digit(s.p[i]))
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (sum > (max - (digit > max ? max : digit)) / 10 || sum * 10 > max - digit)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return sum <= max;
}

bool slice_eq_secret(struct slice a, struct slice b)
{
    unsigned char different = a.n != b.n;
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++)
        different |= (unsigned char)(a.p[i] ^ b.p[i]);
    return !different;
}

bool slice_to_cstr(struct slice s, char *out, size_t room)
{
    if (!room)
        return false;
    out[0] = '\0';
    if (s.n >= room || slice_find(s, '\0') != SLICE_NONE)
        return false;
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

char *slice_to_new(struct slice s)
{
    char *out = malloc(s.n + 1);
    if (!out)
        return NULL;
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return out;
}
