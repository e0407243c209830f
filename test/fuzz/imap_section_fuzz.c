/* The first bytes are a path and a kind, the rest a message: what is found lies in the message. */
#include "imap/section.h"
#include "message_fuzz.h"

#define NUMBERS 8

static void check_bytes(const struct mime *mime, struct imap_section *section, struct slice message)
{
    struct section_bytes found;
    section_find(mime, section, &found);
    CHECK(found.exists || (!found.n && section->path_n));
    CHECK(found.offset <= message.n && found.n <= message.n - found.offset);
    if (section->kind != IMAP_SECTION_FIELDS && section->kind != IMAP_SECTION_FIELDS_NOT)
        return;
    struct buffer b;
    buffer_init(&b, message.n);
    struct slice header = slice_sub(message, found.offset, found.n);
    CHECK(section_fields(header, section, &b) && b.n <= header.n);
    buffer_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct slice names[] = {{"from", 4}, {"X", 1}, {"Subject", 7}, {"", 0}};
    struct slice fields[4];
    uint32_t path[NUMBERS];
    struct arena arena;
    if (n < NUMBERS + 2)
        return 0;
    for (int i = 0; i < NUMBERS; i++)
        path[i] = data[i];
    memcpy(fields, names, sizeof fields);
    struct imap_section section = {
        .kind = data[NUMBERS] % (IMAP_SECTION_MIME + 1),
        .path = path,
        .path_n = data[NUMBERS + 1] % (NUMBERS + 1),
        .fields = fields,
        .field_n = data[NUMBERS + 1] >> 4 & 3,
    };
    if (section.kind == IMAP_SECTION_MIME && !section.path_n)
        return 0;
    struct slice message = slice_from(slice(data, n), NUMBERS + 2);
    arena_init(&arena, MIME_ARENA_MAX);
    const struct mime *mime = mime_parse(message, &arena);
    CHECK(mime);
    section_prepare(&section);
    section_cached(&section);
    check_bytes(mime, &section, message);
    arena_reset(&arena);
    return 0;
}
