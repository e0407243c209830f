/* Which bytes of a message a section names (RFC 9051 §6.4.5.1). Pure over a parsed structure. */
#pragma once
#include "imap/items.h"
#include "message/header.h"
#include "message/mime.h"

struct section_bytes {
    bool exists; /* false: NIL */
    uint64_t offset, n;
};
/* For ALL, HEADER, TEXT, MIME; for FIELDS and FIELDS_NOT the header they are taken from. Only with
 * a path the structure below the message itself is looked at. */
void section_find(
    const struct mime *mime, const struct imap_section *section, struct section_bytes *out);

/* ---- HEADER.FIELDS, HEADER.FIELDS.NOT ---- */

/* Orders the names, once for a command: section_chosen and section_fields want them so. */
void section_prepare(struct imap_section *section);
/* Is a field of this name in the answer? */
bool section_chosen(const struct imap_section *section, struct slice name);
/* Appends the chosen fields of a header, and its empty line if it has one. False: no room. */
bool section_fields(struct slice header, const struct imap_section *section, struct buffer *to);
/* Can it be answered from cached fields alone? (FIELDS without a path, all names cached) */
bool section_cached(const struct imap_section *section);
