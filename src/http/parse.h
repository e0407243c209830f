/* The head of a request: a pure function over bytes. */
#pragma once
#include "base/slice.h"

#define PARSE_FIELDS_MAX 100

enum parse_answer { PARSE_MORE, PARSE_OK, PARSE_BAD, PARSE_METHOD, PARSE_VERSION, PARSE_BODY };

struct parse_head {
    struct slice path, query;
    bool head; /* HEAD */
    bool close;
    size_t size; /* with the empty line */
};

/* in: from the first byte of a request on. MORE: the empty line has not come. BAD: 400; METHOD:
 * 501; VERSION: 505; BODY: it announces a body, which we never take: 413. */
enum parse_answer parse_head(struct slice in, struct parse_head *head);
