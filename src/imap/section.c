#include "imap/section.h"
#include "imap/render.h"
#include <stdlib.h>

/* ---- the part that a path names ---- */

static uint32_t child_at(const struct mime *mime, uint32_t part, uint32_t number)
{
    uint32_t at = number ? mime->parts[part].child : MIME_NONE;
    for (uint32_t i = 1; i < number && at != MIME_NONE; i++)
        at = mime->parts[at].next;
    return at;
}

/* A message has part numbers of its own: those of the multipart in it, else 1 for its only part.
 * A part that is a message continues with the numbers of that message. MIME_NONE: no such part. */
static uint32_t walk(const struct mime *mime, const struct imap_section *section)
{
    uint32_t at = 0;
    bool message = true; /* `at` is a message, not a part of one */
    for (uint32_t i = 0; i < section->path_n && at != MIME_NONE; i++) {
        uint32_t number = section->path[i];
        if (!message && mime->parts[at].kind == MIME_MESSAGE) {
            at = mime->parts[at].child;
            message = true;
        }
        if (mime->parts[at].kind == MIME_MULTIPART)
            at = child_at(mime, at, number);
        else if (!message || number != 1)
            at = MIME_NONE;
        message = false;
    }
    return at;
}

static void whole(const struct mime_part *p, bool header, bool body, struct section_bytes *out)
{
    uint64_t from = header ? p->header : p->body;
    *out = (struct section_bytes){true, from, (body ? p->end : p->body) - from};
}

void section_find(
    const struct mime *mime, const struct imap_section *section, struct section_bytes *out)
{
    uint32_t at = walk(mime, section);
    const struct mime_part *p = at == MIME_NONE ? NULL : &mime->parts[at];
    bool part = section->path_n > 0;
    *out = (struct section_bytes){0};
    if (!p)
        return;
    if (section->kind == IMAP_SECTION_ALL) {
        whole(p, !part, true, out);
    } else if (section->kind == IMAP_SECTION_MIME) {
        whole(p, true, false, out);
    } else {
        /* with a path: of the message in a message part */
        if (part && p->kind != MIME_MESSAGE)
            return;
        if (part)
            p = &mime->parts[p->child];
        bool text = section->kind == IMAP_SECTION_TEXT;
        whole(p, !text, text, out);
    }
}

/* ---- fields ---- */

static int compare(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    for (size_t i = 0; i < x->n; i++) {
        int d = (unsigned char)ascii_lower(x->p[i]) - (unsigned char)ascii_lower(y->p[i]);
        if (d)
            return d;
    }
    return 0;
}

void section_prepare(struct imap_section *section)
{
    if (section->field_n)
        qsort(section->fields, section->field_n, sizeof *section->fields, compare);
}

bool section_chosen(const struct imap_section *section, struct slice name)
{
    bool listed = section->field_n && bsearch(&name, section->fields, section->field_n,
                                          sizeof *section->fields, compare);
    return listed == (section->kind == IMAP_SECTION_FIELDS);
}

bool section_fields(struct slice header, const struct imap_section *section, struct buffer *to)
{
    struct header_reader r = header_reader(header);
    struct header_field f;
    size_t end = 0;
    while (header_next(&r, &f)) {
        if (section_chosen(section, f.name) && !buffer_add(to, f.raw))
            return false;
        end = r.at;
    }
    return buffer_add(to, slice_sub(header, end, r.at - end));
}

bool section_cached(const struct imap_section *section)
{
    if (section->kind != IMAP_SECTION_FIELDS || section->path_n)
        return false;
    for (uint32_t i = 0; i < section->field_n; i++)
        if (!render_field_cached(section->fields[i]))
            return false;
    return true;
}
