/* The table of settings: what config.c walks. */
#pragma once
#include "config/config.h"

enum kind {
    KIND_TEXT,
    KIND_LIST, /* of texts */
    KIND_BOOL,
    KIND_NUMBER,
    KIND_SIZE,
    KIND_TIME,
    KIND_CHOICE,
    KIND_ALSO,   /* tls.also */
    KIND_ROUTES, /* outbound.routes */
};

struct row {
    const char *name; /* "limits.message_size" */
    enum kind kind;
    size_t offset;       /* into struct config */
    const char *initial; /* as in a file; lists separated by blanks */
    int64_t min, max;    /* of numbers, sizes, times, lengths of texts */
    const char *choices; /* separated by blanks: the value is the index */
    const char *doc;
};

extern const struct row table_rows[];
extern const size_t table_row_count;
