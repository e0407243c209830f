#include "message/mime_private.h"

enum { TYPE, TRANSFER, DISPOSITION, ID, DESCRIPTION, MD5, LANGUAGE, LOCATION, FIELDS };

static const struct slice field_names[FIELDS] = {
    [TYPE] = {"Content-Type", 12},
    [TRANSFER] = {"Content-Transfer-Encoding", 25},
    [DISPOSITION] = {"Content-Disposition", 19},
    [ID] = {"Content-ID", 10},
    [DESCRIPTION] = {"Content-Description", 19},
    [MD5] = {"Content-MD5", 11},
    [LANGUAGE] = {"Content-Language", 16},
    [LOCATION] = {"Content-Location", 16},
};

/* RFC 2045 §5.2: what is no type is text/plain. A type alone gets its most likely subtype. */
static bool set_type(struct mime_part *part, struct slice value, struct arena *arena)
{
    struct parameter_value content;
    if (!parameter_parse(value, arena, &content) || !content.type.p) {
        mime_set_plain(part);
        return false;
    }
    bool whole = content.subtype.n > 0;
    if (!whole && slice_eq_nocase(content.type, S("text"))) {
        content.subtype = S("plain");
    } else if (!whole && slice_eq_nocase(content.type, S("multipart"))) {
        content.subtype = S("mixed");
    } else if (!whole) {
        content.type = S("application");
        content.subtype = S("octet-stream");
    }
    part->content = content;
    return whole;
}

static bool set_transfer(struct mime_part *part, struct slice value, struct arena *arena)
{
    struct parameter_value parsed;
    part->transfer = transfer_named(value);
    if (!parameter_parse(value, arena, &parsed))
        return false;
    part->encoding = parsed.type;
    return part->transfer != TRANSFER_UNKNOWN;
}

/* The field's text, in the arena: the field itself does not last. */
static bool set_text(struct slice *to, struct slice value, struct arena *arena)
{
    *to = header_text(value, arena);
    if (to->n && to->p >= value.p && to->p < value.p + value.n)
        *to = arena_copy(arena, *to);
    return to->p != NULL;
}

bool mime_set_field(
    struct mime_part *part, const struct header_field *field, unsigned *seen, struct arena *arena)
{
    int which = 0;
    while (which < FIELDS && !header_is(field, field_names[which]))
        which++;
    if (which == FIELDS)
        return true;
    if (*seen & 1u << which)
        return false;
    *seen |= 1u << which;
    switch (which) {
    case TYPE:
        return set_type(part, field->value, arena);
    case TRANSFER:
        return set_transfer(part, field->value, arena);
    case DISPOSITION:
        return parameter_parse(field->value, arena, &part->disposition);
    case ID:
        return set_text(&part->id, field->value, arena);
    case DESCRIPTION:
        return set_text(&part->description, field->value, arena);
    case MD5:
        return set_text(&part->md5, field->value, arena);
    case LANGUAGE:
        return set_text(&part->language, field->value, arena);
    default:
        return set_text(&part->location, field->value, arena);
    }
}

void mime_set_plain(struct mime_part *part)
{
    part->kind = MIME_LEAF;
    part->content = (struct parameter_value){.type = S("text"), .subtype = S("plain")};
}

bool mime_is(const struct mime_part *part, struct slice type, struct slice subtype)
{
    return slice_eq_nocase(part->content.type, type) &&
           (!subtype.n || slice_eq_nocase(part->content.subtype, subtype));
}
