/* The fields of a message header (RFC 5322 §2.2), as found in mail: lines end in CRLF or LF, a
 * field may be folded, broken lines are kept and told. A header ends at the first empty line;
 * without one it is the whole slice. All functions take a whole message or just its header, read
 * each byte once, and copy nothing unless they say so. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"

struct header_field {
    struct slice name;  /* blanks before the colon are not part of it; empty when there is no colon
                           or the header begins with a folded line */
    struct slice value; /* all behind the colon (or the whole line), still folded, without the last
                           line end */
    struct slice raw;   /* the whole field with its line ends */
    bool broken; /* not RFC 5322 §2.2: no colon, empty name, blank or other illegal byte in the name
                    (also before the colon), or NUL anywhere */
};

struct header_reader {
    struct slice message;
    size_t at; /* of the next field; at the end: of the body */
    bool ended;
};

struct header_reader header_reader(struct slice message);
/* The next field; false at the empty line or at the end; from then on r->at is where the body
 * begins. */
bool header_next(struct header_reader *r, struct header_field *field);
/* Where the body begins: behind the empty line; message.n when there is none. */
size_t header_end(struct slice message);

/* Is this the field's name (ASCII case ignored)? */
bool header_is(const struct header_field *field, struct slice name);
/* The first field of this name. */
bool header_find(struct slice message, struct slice name, struct header_field *field);
/* How many fields have this name. */
size_t header_count(struct slice message, struct slice name);

/* Appends the value unfolded (RFC 5322 §2.2.3): CR and LF removed, blanks at both ends too; NUL
 * becomes a blank. False: it did not fit. */
bool header_unfold(struct slice value, struct buffer *to);
/* The same as a slice: into `value` itself when there is nothing to remove, else a copy in the
 * arena ({NULL, 0} when that is full). Never NULL otherwise. */
struct slice header_text(struct slice value, struct arena *arena);
