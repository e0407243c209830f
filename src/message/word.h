/* Encoded words in header fields: =?charset?q?text?= (RFC 2047, RFC 2231 §5). */
#pragma once
#include "base/buffer.h"

/* Appends a field's value as UTF-8: unfolded, encoded words decoded, blanks between adjacent ones
 * dropped, characters cut between words of one charset joined. A word that is malformed, too long
 * to be one (WORD_MAX) or in an unknown charset stays as it is; raw bytes that are not UTF-8 become
 * U+FFFD; a decoded control byte (CR, LF, NUL ...) becomes a blank. The result has at most 3 bytes
 * for each byte of the value in all common charsets. Linear. False: it did not fit. */
#define WORD_MAX ((size_t)64 * 1024)
bool word_decode(struct slice value, struct buffer *to);

enum word_place {
    WORD_TEXT,   /* unstructured field, e.g. Subject (RFC 2047 §5 (1)) */
    WORD_PHRASE, /* display name (RFC 2047 §5 (3)) */
};
/* Must this UTF-8 text be encoded to stand there in pure ASCII? True for bytes outside printable
 * ASCII and for text that would read as an encoded word. (A phrase of ASCII is quoted, not
 * encoded.) */
bool word_needed(struct slice text);
/* Appends UTF-8 text as encoded words of at most 75 octets, separated by CRLF and a blank; `column`
 * is where the line stands. Never cuts a character; bad UTF-8 becomes U+FFFD. */
bool word_encode(struct slice text, enum word_place place, size_t column, struct buffer *to);
