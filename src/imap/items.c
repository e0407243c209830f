#include "imap/items.h"
#include "imap/out.h"

#define LABEL_MAX  ((size_t)64 * 1024)
#define FIELDS_MAX 1000
#define ROOM_FIRST 4

/* Letters, digits and dots: the names of items and of parts of a section. */
static struct slice take_name(struct imap_lex *l)
{
    size_t from = l->at;
    for (int c = imap_lex_peek(l); c >= 0 && (ascii_alnum((char)c) || c == '.');
         c = imap_lex_peek(l))
        l->at++;
    return slice_sub(l->all, from, l->at - from);
}

/* ---- sections ---- */

/* "1.2.3" or "1.2.3." in front of a text; nothing is fine. *dot: something must follow. */
static bool take_path(struct imap_lex *l, struct imap_section *s, bool *dot)
{
    uint32_t path[IMAP_PATH_MAX];
    *dot = false;
    while (ascii_digit((char)imap_lex_peek(l))) {
        if (s->path_n == IMAP_PATH_MAX)
            return imap_lex_fault(l, "a section has more than 128 part numbers");
        if (imap_lex_peek(l) == '0')
            return imap_lex_fault(l, "part numbers begin at 1");
        if (!imap_lex_number(l, &path[s->path_n++]))
            return false;
        *dot = imap_lex_peek(l) == '.';
        if (!*dot)
            break;
        l->at++;
    }
    if (!s->path_n)
        return true;
    s->path = arena_array(l->arena, uint32_t, s->path_n);
    if (!s->path)
        return imap_lex_fault(l, "the command is too large");
    memcpy(s->path, path, s->path_n * sizeof *path);
    return true;
}

/* `(From To)` behind HEADER.FIELDS */
static bool take_fields(struct imap_lex *l, struct imap_section *s)
{
    uint32_t room = 0;
    if (!imap_lex_space(l) || !imap_lex_char(l, '('))
        return false;
    do {
        if (s->field_n == FIELDS_MAX)
            return imap_lex_fault(l, "more than 1,000 header fields in a section");
        if (s->field_n == room) {
            room = room ? room * 2 : ROOM_FIRST;
            struct slice *grown = arena_array(l->arena, struct slice, room);
            if (!grown)
                return imap_lex_fault(l, "the command is too large");
            if (s->field_n)
                memcpy(grown, s->fields, s->field_n * sizeof *grown);
            s->fields = grown;
        }
        if (!imap_lex_astring(l, &s->fields[s->field_n]))
            return false;
        s->field_n++;
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')');
}

/* Behind the opening bracket, to the closing one. */
static bool take_spec(struct imap_lex *l, struct imap_section *s)
{
    bool dot;
    if (!take_path(l, s, &dot))
        return false;
    struct slice name = take_name(l);
    if (!name.n && !dot)
        s->kind = IMAP_SECTION_ALL;
    else if (s->path_n && !dot)
        return imap_lex_fault(l, "a dot is expected behind a part number");
    else if (slice_eq_nocase(name, S("HEADER")))
        s->kind = IMAP_SECTION_HEADER;
    else if (slice_eq_nocase(name, S("HEADER.FIELDS")))
        s->kind = IMAP_SECTION_FIELDS;
    else if (slice_eq_nocase(name, S("HEADER.FIELDS.NOT")))
        s->kind = IMAP_SECTION_FIELDS_NOT;
    else if (slice_eq_nocase(name, S("TEXT")))
        s->kind = IMAP_SECTION_TEXT;
    else if (slice_eq_nocase(name, S("MIME")) && s->path_n)
        s->kind = IMAP_SECTION_MIME;
    else
        return imap_lex_fault(l,
            "a section is part numbers, HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, "
            "TEXT, and MIME behind part numbers");
    bool fields = s->kind == IMAP_SECTION_FIELDS || s->kind == IMAP_SECTION_FIELDS_NOT;
    if (fields && !take_fields(l, s))
        return false;
    if (imap_lex_peek(l) != ']')
        return imap_lex_fault(l, "a closing bracket is expected behind a section");
    l->at++;
    return true;
}

/* `<0.1024>`, or nothing */
static bool take_partial(struct imap_lex *l, struct imap_section *s)
{
    if (imap_lex_peek(l) != '<')
        return true;
    l->at++;
    if (!imap_lex_number(l, &s->offset))
        return false;
    if (imap_lex_peek(l) != '.')
        return imap_lex_fault(l, "a partial is <offset.length>");
    l->at++;
    if (!imap_lex_number(l, &s->length))
        return false;
    if (!s->length || imap_lex_peek(l) != '>')
        return imap_lex_fault(l, "a partial is <offset.length> with a length of at least 1");
    l->at++;
    s->partial = true;
    return true;
}

static void put_label(const struct imap_section *s, struct buffer *to)
{
    static const char *const texts[] = {
        "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
    buffer_add(to, S("BODY["));
    for (uint32_t i = 0; i < s->path_n; i++)
        buffer_printf(to, i ? ".%u" : "%u", s->path[i]);
    if (s->path_n && s->kind != IMAP_SECTION_ALL)
        buffer_add_char(to, '.');
    buffer_add(to, slice_str(texts[s->kind]));
    for (uint32_t i = 0; i < s->field_n; i++) {
        buffer_add(to, i ? S(" ") : S(" ("));
        imap_out_astring(to, s->fields[i]);
    }
    buffer_add(to, s->field_n ? S(")]") : S("]"));
    if (s->partial)
        buffer_printf(to, "<%u>", s->offset);
}

static bool make_label(struct imap_lex *l, struct imap_section *s)
{
    struct buffer text;
    buffer_init(&text, LABEL_MAX);
    put_label(s, &text);
    s->label = text.overflow ? (struct slice){NULL, 0} : arena_copy(l->arena, buffer_slice(&text));
    buffer_finish(&text);
    return s->label.p || imap_lex_fault(l, "the command is too large");
}

static struct imap_section *new_section(struct imap_lex *l, struct imap_items *items)
{
    if (items->section_n == IMAP_SECTIONS_MAX) {
        l->why = "more than 100 sections in one FETCH";
        return NULL;
    }
    /* rooms of 4, 8, 16 ...: a full one is left behind in the arena */
    uint32_t n = items->section_n;
    if (!n || (n >= ROOM_FIRST && !(n & (n - 1)))) {
        struct imap_section *grown =
            arena_array(l->arena, struct imap_section, n ? n * 2 : ROOM_FIRST);
        if (!grown) {
            l->why = "the command is too large";
            return NULL;
        }
        if (n)
            memcpy(grown, items->sections, n * sizeof *grown);
        items->sections = grown;
    }
    struct imap_section *s = &items->sections[items->section_n++];
    *s = (struct imap_section){0};
    return s;
}

/* ---- items ---- */

static bool old_section(struct imap_lex *l, struct imap_items *items, enum imap_section_kind kind,
    const char *label, bool peek)
{
    struct imap_section *s = new_section(l, items);
    if (!s)
        return false;
    s->kind = kind;
    s->peek = peek;
    s->label = slice_str(label);
    return true;
}

static bool take_section(struct imap_lex *l, struct imap_items *items, bool peek)
{
    struct imap_section *s = new_section(l, items);
    if (!s)
        return false;
    s->peek = peek;
    l->at++;
    return take_spec(l, s) && take_partial(l, s) && make_label(l, s);
}

#define ALL  (IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE | IMAP_ITEM_ENVELOPE)
#define FAST (IMAP_ITEM_FLAGS | IMAP_ITEM_INTERNALDATE | IMAP_ITEM_SIZE)
#define FULL (ALL | IMAP_ITEM_BODY)

struct word {
    struct slice name;
    unsigned items;
};
static const struct word macros[] = {{{"ALL", 3}, ALL}, {{"FAST", 4}, FAST}, {{"FULL", 4}, FULL}};
static const struct word words[] = {
    {{"FLAGS", 5}, IMAP_ITEM_FLAGS},
    {{"UID", 3}, IMAP_ITEM_UID},
    {{"INTERNALDATE", 12}, IMAP_ITEM_INTERNALDATE},
    {{"RFC822.SIZE", 11}, IMAP_ITEM_SIZE},
    {{"ENVELOPE", 8}, IMAP_ITEM_ENVELOPE},
    {{"BODYSTRUCTURE", 13}, IMAP_ITEM_BODYSTRUCTURE},
    {{"BODY", 4}, IMAP_ITEM_BODY},
    {{"MODSEQ", 6}, IMAP_ITEM_MODSEQ},
};

static unsigned find_word(const struct word *list, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(list[i].name, name))
            return list[i].items;
    return 0;
}

static bool take_item(struct imap_lex *l, struct imap_items *items)
{
    struct slice name = take_name(l);
    bool section = imap_lex_peek(l) == '[';
    if (section && slice_eq_nocase(name, S("BODY")))
        return take_section(l, items, false);
    if (section && slice_eq_nocase(name, S("BODY.PEEK")))
        return take_section(l, items, true);
    if (slice_eq_nocase(name, S("RFC822")))
        return old_section(l, items, IMAP_SECTION_ALL, "RFC822", false);
    if (slice_eq_nocase(name, S("RFC822.HEADER")))
        return old_section(l, items, IMAP_SECTION_HEADER, "RFC822.HEADER", true);
    if (slice_eq_nocase(name, S("RFC822.TEXT")))
        return old_section(l, items, IMAP_SECTION_TEXT, "RFC822.TEXT", false);
    unsigned item = find_word(words, sizeof words / sizeof *words, name);
    items->items |= item;
    if (item)
        return true;
    if (find_word(macros, sizeof macros / sizeof *macros, name))
        return imap_lex_fault(l, "ALL, FAST and FULL stand alone, not in a list");
    return imap_lex_fault(l, name.n ? "an unknown FETCH item" : "a FETCH item is expected here");
}

static bool take_items(struct imap_lex *l, struct imap_items *items)
{
    size_t from = l->at;
    unsigned macro = find_word(macros, sizeof macros / sizeof *macros, take_name(l));
    if (macro) {
        items->items = macro;
        return true;
    }
    l->at = from;
    if (imap_lex_peek(l) != '(')
        return take_item(l, items);
    l->at++;
    do {
        if (!take_item(l, items))
            return false;
    } while (imap_lex_more(l));
    return imap_lex_char(l, ')');
}

/* RFC 4466 §2.4, RFC 7162 §3.1.4.1, §3.2.6 */
static bool take_modifiers(struct imap_lex *l, struct imap_items *items)
{
    if (!imap_lex_space(l) || !imap_lex_char(l, '('))
        return false;
    do {
        if (imap_lex_word(l, S("CHANGEDSINCE"))) {
            if (!imap_lex_space(l) || !imap_lex_number64(l, &items->changed_since))
                return false;
            items->since = true;
        } else if (imap_lex_word(l, S("VANISHED"))) {
            items->vanished = true;
        } else {
            return imap_lex_fault(l, "an unknown FETCH modifier");
        }
    } while (imap_lex_more(l));
    if (items->vanished && !items->since)
        return imap_lex_fault(l, "VANISHED needs CHANGEDSINCE beside it");
    return imap_lex_char(l, ')');
}

bool imap_items_parse(struct imap_lex *l, struct imap_items *items)
{
    *items = (struct imap_items){0};
    if (!imap_lex_space(l) || !take_items(l, items))
        return false;
    if (!imap_lex_end(l) && !take_modifiers(l, items))
        return false;
    return imap_lex_finish(l);
}
