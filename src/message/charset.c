#include "message/charset.h"
#include "base/utf8.h"
#include "message/charset_private.h"
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#define TAIL_MAX     16   /* a character of any charset, with its shift sequence */
#define CHARSETS_MAX 128  /* that iconv converts */
#define ROOM_UNIT    4096 /* output asked of the buffer at once */
#define INPUT_UNIT   256  /* input given to iconv at once: one bad byte costs no more than this */

struct charset {
    const struct charset_name *name;
    iconv_t iconv; /* (iconv_t)-1: converted here */
    char tail[TAIL_MAX];
    size_t tail_n; /* bytes of a character that is not complete */
};

static const struct slice replacement = {"\xEF\xBF\xBD", 3};

/* 0x80 to 0x9F of windows-1252; the five it leaves out as ISO-8859-1 has them. */
static const uint16_t windows_1252[32] = {0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020,
    0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019,
    0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E,
    0x0178};

static const struct charset_name *find_name(struct slice name)
{
    for (size_t i = 0; i < charset_name_count; i++)
        if (slice_eq_nocase(name, charset_names[i].mime))
            return &charset_names[i];
    return NULL;
}

/* Kept open for the life of the process: glibc unloads a module whose last user is gone. */
static iconv_t kept[CHARSETS_MAX];

size_t charset_setup(void)
{
    size_t n = 0;
    const char *before = "";
    for (size_t i = 0; i < charset_name_count && n < CHARSETS_MAX; i++) {
        /* Aliases of one charset stand together. */
        const char *name = charset_names[i].iconv;
        if (!name || strcmp(name, before) == 0)
            continue;
        before = name;
        kept[n] = iconv_open("UTF-8", name);
        n += kept[n] != (iconv_t)-1;
    }
    return n;
}

bool charset_known(struct slice name)
{
    return find_name(name) != NULL;
}

struct charset *charset_open(struct slice name)
{
    const struct charset_name *found = find_name(name);
    if (!found)
        return NULL;
    iconv_t cd = (iconv_t)-1;
    if (found->iconv) {
        cd = iconv_open("UTF-8", found->iconv);
        if (cd == (iconv_t)-1)
            return NULL;
    }
    struct charset *c = calloc(1, sizeof *c);
    if (!c) {
        if (cd != (iconv_t)-1)
            iconv_close(cd);
        return NULL;
    }
    c->name = found;
    c->iconv = cd;
    return c;
}

void charset_close(struct charset *c)
{
    if (!c)
        return;
    if (c->iconv != (iconv_t)-1)
        iconv_close(c->iconv);
    free(c);
}

/* ---- windows-1252 ---- */

static bool feed_1252(struct slice bytes, struct buffer *to)
{
    size_t at = 0;
    while (at < bytes.n) {
        size_t n = bytes.n - at < ROOM_UNIT ? bytes.n - at : ROOM_UNIT;
        size_t size = 0;
        for (size_t i = at; i < at + n; i++) {
            unsigned char c = (unsigned char)bytes.p[i];
            uint32_t code = c >= 0x80 && c < 0xA0 ? windows_1252[c - 0x80] : c;
            size += code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
        }
        char *room = buffer_room(to, size);
        if (!room)
            return false;
        for (size_t i = at; i < at + n; i++) {
            unsigned char c = (unsigned char)bytes.p[i];
            if (c < 0x80) {
                *room++ = (char)c;
                continue;
            }
            char code[4];
            size_t wide = utf8_put(c < 0xA0 ? windows_1252[c - 0x80] : c, code);
            memcpy(room, code, wide);
            room += wide;
        }
        buffer_took(to, size);
        at += n;
    }
    return true;
}

/* ---- UTF-8 ---- */

/* How many bytes at the end of s may be the start of a character. */
static size_t cut_character(struct slice s)
{
    for (size_t k = 1; k <= 3 && k <= s.n; k++) {
        unsigned char c = (unsigned char)s.p[s.n - k];
        if (c < 0x80)
            return 0;
        if (c >= 0xC0)
            return (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : 2u) > k ? k : 0;
    }
    return 0;
}

bool charset_repair_utf8(struct slice text, struct buffer *to)
{
    struct slice rest = text;
    struct slice good = slice_sub(text, 0, 0);
    while (rest.n) {
        struct slice here = rest;
        uint32_t code = utf8_take(&rest);
        size_t n = here.n - rest.n;
        if (code != 0xFFFD || n != 1) {
            good.n += n;
            continue;
        }
        if (!buffer_add(to, good) || !buffer_add(to, replacement))
            return false;
        good = slice_sub(rest, 0, 0);
    }
    return buffer_add(to, good);
}

static bool feed_utf8(struct charset *c, struct slice bytes, struct buffer *to)
{
    while (c->tail_n && bytes.n) {
        /* One byte at a time until the character is whole or broken. */
        c->tail[c->tail_n++] = bytes.p[0];
        bytes = slice_from(bytes, 1);
        struct slice tail = slice(c->tail, c->tail_n);
        size_t held = cut_character(tail);
        if (!charset_repair_utf8(slice_sub(tail, 0, tail.n - held), to))
            return false;
        memmove(c->tail, c->tail + (tail.n - held), held);
        c->tail_n = held;
    }
    size_t held = cut_character(bytes);
    if (!charset_repair_utf8(slice_sub(bytes, 0, bytes.n - held), to))
        return false;
    if (held)
        memcpy(c->tail + c->tail_n, bytes.p + (bytes.n - held), held);
    c->tail_n += held;
    return true;
}

/* ---- iconv ---- */

/* Converts as much of *in as it can; false: the buffer is full. A character that is cut stays in
 * *in. */
static bool convert(struct charset *c, struct slice *in, struct buffer *to)
{
    while (in->n) {
        size_t left = to->max - to->n;
        size_t want = in->n * 3 + TAIL_MAX < ROOM_UNIT ? in->n * 3 + TAIL_MAX : ROOM_UNIT;
        char *room = buffer_room(to, want < left ? want : left);
        if (!room)
            return false;
        char *p = (char *)in->p;
        const size_t in_all = in->n < INPUT_UNIT ? in->n : INPUT_UNIT;
        size_t in_left = in_all;
        size_t out_left = want < left ? want : left;
        size_t out_all = out_left;
        size_t done = iconv(c->iconv, &p, &in_left, &room, &out_left);
        int why = errno;
        buffer_took(to, out_all - out_left);
        const bool last = in_all == in->n;
        *in = slice_from(*in, in_all - in_left);
        if (done != (size_t)-1)
            continue;
        if (why == EINVAL) {
            /* Cut by our own piece, or by the end of what there is. */
            if (last || in_left == in_all)
                return true;
            continue;
        }
        if (why == E2BIG && out_all == left) {
            to->overflow = true;
            return false;
        }
        if (why != E2BIG) {
            if (!buffer_add(to, replacement))
                return false;
            *in = slice_from(*in, 1);
        }
    }
    return true;
}

/* Converts held bytes and new ones across the border: the tail takes bytes one at a time. */
static bool feed_iconv(struct charset *c, struct slice bytes, struct buffer *to)
{
    while (c->tail_n && bytes.n) {
        c->tail[c->tail_n++] = bytes.p[0];
        bytes = slice_from(bytes, 1);
        struct slice tail = slice(c->tail, c->tail_n);
        if (!convert(c, &tail, to))
            return false;
        if (tail.n == TAIL_MAX) {
            if (!buffer_add(to, replacement))
                return false;
            tail = slice_from(tail, 1);
        }
        memmove(c->tail, tail.p, tail.n);
        c->tail_n = tail.n;
    }
    if (!convert(c, &bytes, to))
        return false;
    while (bytes.n > TAIL_MAX - 1) {
        if (!buffer_add(to, replacement))
            return false;
        bytes = slice_from(bytes, 1);
        if (!convert(c, &bytes, to))
            return false;
    }
    if (bytes.n) {
        memcpy(c->tail, bytes.p, bytes.n);
        c->tail_n = bytes.n;
    }
    return true;
}

/* ---- all of them ---- */

bool charset_feed(struct charset *c, struct slice bytes, struct buffer *to)
{
    if (to->overflow || !bytes.n)
        return !to->overflow;
    if (c->iconv != (iconv_t)-1)
        return feed_iconv(c, bytes, to);
    return c->name->kind == CHARSET_1252 ? feed_1252(bytes, to) : feed_utf8(c, bytes, to);
}

bool charset_end(struct charset *c, struct buffer *to)
{
    size_t cut = c->tail_n;
    c->tail_n = 0;
    if (c->iconv != (iconv_t)-1)
        iconv(c->iconv, NULL, NULL, NULL, NULL);
    else if (cut)
        return charset_repair_utf8(slice(c->tail, cut), to);
    return cut ? buffer_add(to, replacement) : !to->overflow;
}

bool charset_to_utf8(struct slice name, struct slice bytes, struct buffer *to)
{
    size_t before = to->n;
    struct charset *c = charset_open(name);
    if (!c)
        return false;
    bool ok = charset_feed(c, bytes, to) && charset_end(c, to);
    charset_close(c);
    if (!ok)
        to->n = before;
    return ok;
}
