/* A slice: bytes that somebody else owns. Not NUL-terminated; NUL is a legal byte. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

/* S("text"): a slice over a string literal. */
#define S(literal) ((struct slice){(literal), sizeof(literal) - 1})
/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_FMT    "%.*s"
#define SLICE_ARG(s) (int)(s).n, (s).p

static inline struct slice slice(const void *p, size_t n)
{
    return (struct slice){(const char *)p, n};
}

/* Over a C string at the border to the operating system; NULL gives the empty slice. */
static inline struct slice slice_str(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* From `at` on (clamped), at most n bytes. */
static inline struct slice slice_sub(struct slice s, size_t at, size_t n)
{
    if (at > s.n)
        at = s.n;
    if (n > s.n - at)
        n = s.n - at;
    return (struct slice){s.p ? s.p + at : s.p, n};
}

static inline struct slice slice_from(struct slice s, size_t at)
{
    return slice_sub(s, at, s.n);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

static inline bool slice_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_eq(slice_from(s, s.n - suffix.n), suffix);
}

#define SLICE_NONE ((size_t)-1)

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_alnum(char c)
{
    return ascii_alpha(c) || ascii_digit(c);
}

/* Equal without regard to ASCII case. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts_nocase(struct slice s, struct slice prefix);
/* <0, 0, >0 as memcmp, the shorter first. */
int slice_cmp(struct slice a, struct slice b);
/* Index of the first c, of the last c, of the first needle; SLICE_NONE when there is none. */
size_t slice_find(struct slice s, char c);
size_t slice_rfind(struct slice s, char c);
size_t slice_find_slice(struct slice s, struct slice needle);
bool slice_has_any(struct slice s, const char *set);
/* Without blanks and tabs at both ends. */
struct slice slice_trim(struct slice s);
/* Cuts *rest at the first c: returns what stood before it, *rest becomes what stands behind it.
 * Without c the whole is returned and *rest is empty. */
struct slice slice_cut(struct slice *rest, char c);
/* Decimal digits only, whole slice; false on anything else and on overflow of max. */
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *value);
/* The same bytes? Takes time that depends on the lengths only. For secrets. */
bool slice_eq_secret(struct slice a, struct slice b);
/* Copies into a C string of room bytes, NUL-terminated; false (and an empty string) when it does
 * not fit or holds a NUL. */
bool slice_to_cstr(struct slice s, char *out, size_t room);
/* The same in memory of its own, to be freed; cut at a NUL. NULL: out of memory. */
char *slice_to_new(struct slice s);
