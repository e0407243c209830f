/* Base64 (RFC 4648 §4) and hexadecimal. */
#pragma once
#include "base/buffer.h"

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4)

bool base64_encode(struct slice from, struct buffer *to);
/* Strict: the alphabet, right padding, zero trailing bits, no white space; false otherwise (what
 * was added is taken back). */
bool base64_decode(struct slice from, struct buffer *to);
/* Lower-case digits. */
bool hex_encode(struct slice from, struct buffer *to);
/* Digits of either case, an even number of them; false otherwise (nothing is added). */
bool hex_decode(struct slice from, struct buffer *to);
