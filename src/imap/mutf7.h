/* Modified UTF-7 of mailbox names (RFC 3501 §5.1.3). */
#pragma once
#include "base/buffer.h"

/* Strict: false on anything that this encoder would not have made (8-bit, lone "&", base64 with
 * padding or loose bits, ASCII in base64, surrogates alone, superfluous shifts), or no room. */
bool mutf7_decode(struct slice text, struct buffer *utf8);
/* utf8: valid. False: no room. */
bool mutf7_encode(struct slice utf8, struct buffer *text);
