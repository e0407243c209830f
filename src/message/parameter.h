/* Values with parameters: Content-Type, Content-Disposition (RFC 2045 §5.1, RFC 2183), with the
 * continuations and charsets of RFC 2231. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"

#define PARAMETER_MAX      128 /* a value; what follows is not read */
#define PARAMETER_NAME_MAX 256 /* octets; a longer one is dropped */

/* Text without comments, folding, quotes and quoting backslashes, valid as long as the arena and
 * the value parsed. */
struct parameter {
    struct slice name; /* as written, without the stars of RFC 2231 */
    /* Continuations joined. If `extended`: charset'language'text with %XX still in it, as
     * RFC 2231 §4 writes it; IMAP shows it so under "name*" (RFC 2231 §7). */
    struct slice value;
    bool extended;
    struct parameter *next;
};

struct parameter_value {
    struct slice type;    /* "text", "attachment"; p == NULL when there is none */
    struct slice subtype; /* "plain"; p == NULL without a slash */
    struct parameter *first;
    size_t n;
    bool broken; /* something did not follow the grammar; this is what could be read */
};

/* value: of a field, still folded. Of parameters with one name the first wins, an extended one
 * before a plain one (RFC 2231 §4.1 has no rule; mail programs do so). A gap in the continuations
 * ends them. Linear. False: the arena is full (*out is empty). */
bool parameter_parse(struct slice value, struct arena *arena, struct parameter_value *out);
/* By name, ASCII case ignored; NULL: none. */
const struct parameter *parameter_find(const struct parameter_value *value, struct slice name);
/* Appends the value as UTF-8: %XX and charset of an extended one decoded; encoded words (which
 * should not be there, RFC 2047 §5) in a plain one too. False: it did not fit. */
bool parameter_decode(const struct parameter *parameter, struct buffer *to);
