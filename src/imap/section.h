/* Which bytes of a message a section names (RFC 9051 §6.4.5.1). Pure over a parsed structure. */
#pragma once
#include "imap/items.h"
#include "message/mime.h"

struct section_bytes {
    bool exists; /* false: NIL */
    uint64_t offset, n;
};
/* For ALL, HEADER, TEXT, MIME; for FIELDS and FIELDS_NOT the header they are taken from. */
void section_find(
    const struct mime *mime, const struct imap_section *section, struct section_bytes *out);
/* Appends the chosen fields of a header and the empty line. False: no room. */
bool section_fields(struct slice header, const struct imap_section *section, struct buffer *to);
/* Can it be answered from cached fields alone? (FIELDS without a path, all names cached) */
bool section_cached(const struct imap_section *section);
