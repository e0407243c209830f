/* The fixed list of charsets. */
#pragma once
#include "base/slice.h"

enum charset_kind { CHARSET_ICONV, CHARSET_UTF8, CHARSET_1252 };

struct charset_name {
    struct slice mime; /* as mail has it; ASCII case does not matter */
    const char *iconv; /* as iconv_open has it; NULL: converted by hand */
    enum charset_kind kind;
};

extern const struct charset_name charset_names[];
extern const size_t charset_name_count;
