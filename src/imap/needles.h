/* Texts looked for in texts that come in pieces: substrings without regard to case, by
 * i;unicode-casemap (RFC 5051): title case, decomposed, compared as UTF-8. Pure. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"

#define NEEDLES_GROWTH 12 /* bytes for each byte at most when folded; 11 is the worst there is */

/* Appends the folded text. False: no room. */
bool needles_fold(struct slice utf8, struct buffer *to);

enum needle_where {
    NEEDLES_HEADER = 1,
    NEEDLES_BODY = 2,
};

struct needle {
    struct slice text; /* folded */
    uint8_t where;     /* kinds of text in which it counts */
    bool found;
};

struct needles {
    struct needle *list;
    uint32_t n, room;
    size_t longest;
    struct buffer window; /* folded text not looked at yet, and as much before it as a needle that
                             is cut in two needs */
    uint8_t where;        /* of the present text */
};

/* False: no room. */
bool needles_init(struct needles *s, uint32_t room, struct arena *arena);
void needles_finish(struct needles *s);
/* Takes utf8 until finish (it is folded into the arena); *index tells it later. False: no room. */
bool needles_add(
    struct needles *s, struct slice utf8, uint8_t where, struct arena *arena, uint32_t *index);
/* Nothing is found yet. */
void needles_reset(struct needles *s);
/* Is there one that counts in such texts and was not found? */
bool needles_wanted(const struct needles *s, uint8_t where);
/* A text begins; its pieces of UTF-8, cut between characters; its end. False: out of memory. */
void needles_begin(struct needles *s, uint8_t where);
bool needles_feed(struct needles *s, struct slice utf8);
void needles_end(struct needles *s);
