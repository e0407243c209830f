/* Charsets to UTF-8. UTF-8, US-ASCII, ISO-8859-1 and windows-1252 are converted here, the rest by
 * iconv, from a fixed list: iconv maps a module executable at first use, which the sandbox forbids,
 * so charset_setup opens each once and keeps it; later opens, on any thread, find it loaded. UTF-7
 * is not on the list (attack tool, dead as a mail charset).
 * What cannot be converted becomes U+FFFD. */
#pragma once
#include "base/buffer.h"

/* Once, before the sandbox closes. Charsets that the system does not have are left out. Without it
 * everything works outside a sandbox. Returns how many iconv charsets there are. */
size_t charset_setup(void);
/* Is it one that charset_open takes? Names without regard to ASCII case, aliases known. */
bool charset_known(struct slice name);

/* One stream of text. Belongs to one task or thread at a time. */
struct charset;
/* NULL: unknown charset, or out of memory. */
struct charset *charset_open(struct slice name);
void charset_close(struct charset *c); /* NULL is fine */
/* Appends what these bytes are in UTF-8; a character cut at the end waits for the next call. At
 * most 3 bytes for each byte in, 12 in rare charsets. False: the buffer is full. */
bool charset_feed(struct charset *c, struct slice bytes, struct buffer *to);
/* The text is over: a character cut in the middle becomes U+FFFD. Ready for another text. */
bool charset_end(struct charset *c, struct buffer *to);

/* A whole text at once. False: unknown charset, or it did not fit; what was added is taken back. */
bool charset_to_utf8(struct slice name, struct slice bytes, struct buffer *to);
/* Appends text that claims to be UTF-8, bad sequences as U+FFFD. */
bool charset_repair_utf8(struct slice text, struct buffer *to);
