#include "imap/needles.h"
#include "base/utf8.h"
#include <unicase.h>
#include <uninorm.h>

#define WINDOW ((size_t)64 * 1024) /* so much is looked through at a time */
#define PIECE  ((size_t)4 * 1024)  /* folded at a time */

/* ---- folding ---- */

/* Decomposition goes on until nothing decomposes (RFC 5051 §2 step 2): what came out is a stack,
 * the next character on top. */
#define PARTS_MAX 64

static void fold_character(ucs4_t code, struct buffer *to)
{
    ucs4_t stack[PARTS_MAX], parts[UC_DECOMPOSITION_MAX_LENGTH];
    size_t n = 0;
    stack[n++] = uc_totitle(code);
    while (n) {
        int tag;
        ucs4_t top = stack[--n];
        int count = top < 0xA0 ? -1 : uc_decomposition(top, &tag, parts);
        if (count <= 0 || n + (size_t)count > PARTS_MAX) {
            char utf8[4];
            buffer_add(to, slice(utf8, utf8_put(top, utf8)));
            continue;
        }
        while (count)
            stack[n++] = parts[--count];
    }
}

/* The ASCII at the front; how much. */
static size_t fold_ascii(struct slice s, struct buffer *to)
{
    size_t n = 0;
    while (n < s.n && !((unsigned char)s.p[n] & 0x80))
        n++;
    char *room = buffer_room(to, n);
    if (!room)
        return n; /* the buffer says overflow */
    for (size_t i = 0; i < n; i++)
        room[i] = ascii_upper(s.p[i]);
    buffer_took(to, n);
    return n;
}

bool needles_fold(struct slice utf8, struct buffer *to)
{
    while (utf8.n) {
        utf8 = slice_from(utf8, fold_ascii(utf8, to));
        while (utf8.n && (unsigned char)utf8.p[0] & 0x80)
            fold_character(utf8_take(&utf8), to);
    }
    return !to->overflow;
}

/* ---- needles ---- */

bool needles_init(struct needles *s, uint32_t room, struct arena *arena)
{
    *s = (struct needles){.room = room};
    s->list = arena_array(arena, struct needle, room);
    return s->list != NULL;
}

void needles_finish(struct needles *s)
{
    buffer_finish(&s->window);
}

bool needles_add(
    struct needles *s, struct slice utf8, uint8_t where, struct arena *arena, uint32_t *index)
{
    struct buffer folded;
    struct needle *needle = &s->list[s->n];
    if (s->n == s->room)
        return false;
    buffer_init(&folded, utf8.n * NEEDLES_GROWTH + 1);
    bool fine = needles_fold(utf8, &folded);
    *needle = (struct needle){.where = where};
    if (fine)
        needle->text = arena_copy(arena, buffer_slice(&folded));
    buffer_finish(&folded);
    if (!needle->text.p)
        return false;
    if (needle->text.n > s->longest)
        s->longest = needle->text.n;
    *index = s->n++;
    return true;
}

void needles_reset(struct needles *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        s->list[i].found = false;
}

bool needles_wanted(const struct needles *s, uint8_t where)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (!s->list[i].found && s->list[i].where & where)
            return true;
    return false;
}

void needles_begin(struct needles *s, uint8_t where)
{
    if (!s->window.max)
        buffer_init(&s->window, s->longest + WINDOW + PIECE * NEEDLES_GROWTH);
    buffer_reset(&s->window);
    s->where = where;
}

/* Looks through the window and keeps what may be the beginning of a needle. */
static void look(struct needles *s)
{
    struct slice text = buffer_slice(&s->window);
    for (uint32_t i = 0; i < s->n; i++) {
        struct needle *needle = &s->list[i];
        if (!needle->found && needle->where & s->where && needle->text.n <= text.n)
            needle->found = slice_find_slice(text, needle->text) != SLICE_NONE;
    }
    size_t keep = s->longest ? s->longest - 1 : 0;
    if (text.n > keep)
        buffer_drop(&s->window, text.n - keep);
}

/* At most n bytes, cut between characters. */
static struct slice piece(struct slice s, size_t n)
{
    if (n >= s.n)
        return s;
    for (size_t back = 0; back < 3 && n > 1 && ((unsigned char)s.p[n] & 0xC0) == 0x80; back++)
        n--;
    return slice_sub(s, 0, n);
}

bool needles_feed(struct needles *s, struct slice utf8)
{
    while (utf8.n) {
        struct slice now = piece(utf8, PIECE);
        if (!needles_fold(now, &s->window))
            return false;
        if (s->window.n >= s->longest + WINDOW)
            look(s);
        utf8 = slice_from(utf8, now.n);
    }
    return true;
}

void needles_end(struct needles *s)
{
    look(s);
    buffer_reset(&s->window);
}
