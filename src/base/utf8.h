/* UTF-8 (RFC 3629): no overlong forms, no surrogates, at most U+10FFFF. */
#pragma once
#include "base/slice.h"

bool utf8_valid(struct slice s);
bool utf8_ascii(struct slice s); /* all bytes below 0x80 */
/* Takes the first code point off *s; 0xFFFD and one byte on a bad sequence. s must not be empty. */
uint32_t utf8_take(struct slice *s);
/* Writes the code point (at most 4 bytes; U+FFFD for a surrogate or one above U+10FFFF), returns
 * how many. */
size_t utf8_put(uint32_t code, char out[4]);
/* Controls of both sets, line and paragraph ends, and what turns text around (U+200E, U+202A ...):
 * a terminal or log must not be given them by a stranger. */
bool utf8_control(uint32_t code);
