/* A strict checker of RFC 9051 §9 for `envelope` and `body`, written without a look at the code
 * that makes them. For unit tests and fuzz targets. */
#pragma once
#include "base/slice.h"

bool grammar_envelope(struct slice text);
/* extended: extension data must be there whole, else there must be none. *parts: how many bodies
 * there are in it. */
bool grammar_body(struct slice text, bool extended, size_t *parts);
