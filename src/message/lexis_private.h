/* What structured fields share (RFC 5322 §3.2): blanks, comments, quoted strings. Positions are
 * indexes; none passes the end of s. Comments nest without limit and without stack. */
#pragma once
#include "base/slice.h"

static inline bool lexis_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
/* s[at] is '(': behind its ')', or the end. */
size_t lexis_comment(struct slice s, size_t at);
/* Behind blanks, folding and comments. */
size_t lexis_cfws(struct slice s, size_t at);
/* The same; *open is set when a comment does not end, and not touched else. */
size_t lexis_comment_open(struct slice s, size_t at, bool *open);
size_t lexis_cfws_open(struct slice s, size_t at, bool *open);
/* s[at] is '"': where its closing '"' stands, or the end. */
size_t lexis_quoted(struct slice s, size_t at);
/* Copies what stands between quotes (or in a comment): backslashes undone, CR and LF left out, NUL
 * as '?'. Returns how many bytes; never more than s.n. */
size_t lexis_unquote(struct slice s, char *to);
