/* What the files of render.h share. */
#pragma once
#include "imap/render.h"

/* What rows are compressed against: never changed without a new version of the row. */
extern const struct slice render_dictionary;
