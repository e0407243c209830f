#include "message/address.h"
#include "message/lexis_private.h"

/* Reading goes entry by entry: `survey` finds what kind of entry begins and where its parts stand,
 * then the parts are copied. Each byte is surveyed once and copied at most once, so that the whole
 * is linear and the text never grows beyond the value. */

enum part { PART_NAME, PART_LOCAL, PART_DOMAIN };

void address_reader_init(struct address_reader *r, struct slice value, struct arena *arena)
{
    *r = (struct address_reader){.value = value};
    r->text = arena_alloc(arena, value.n ? value.n : 1);
    if (!r->text) {
        r->truncated = true;
        r->at = value.n;
    }
}

static struct slice keep(struct address_reader *r, char *from, char *end)
{
    r->used += (size_t)(end - from);
    return slice(from, (size_t)(end - from));
}

/* s[at] is '[': behind its ']'. An address has no use for what separates addresses there, so these
 * end one that is not closed. */
static size_t literal_end(struct slice s, size_t at)
{
    for (at++; at < s.n && s.p[at] != ',' && s.p[at] != '>' && s.p[at] != ';'; at++)
        if (s.p[at] == ']')
            return at + 1;
    return at;
}

/* Copies the quoted string or domain literal at s[from], unquoted; returns where it ends. */
static size_t copy_whole(struct slice s, size_t from, char **to, bool *broken)
{
    if (s.p[from] == '[') {
        size_t close = literal_end(s, from);
        *to += lexis_unquote(slice_sub(s, from, close - from), *to);
        *broken |= s.p[close - 1] != ']';
        return close;
    }
    size_t close = lexis_quoted(s, from);
    *to += lexis_unquote(slice_sub(s, from + 1, close - from - 1), *to);
    *broken |= close == s.n;
    return close < s.n ? close + 1 : close;
}

/* Copies value[from, end) as a phrase, local part or domain. Words that blanks separate stay
 * apart by one blank; in addresses that is broken, unless a dot stands there (RFC 5322 §4.4). */
static struct slice copy_words(
    struct address_reader *r, struct address *a, size_t from, size_t end, enum part part)
{
    struct slice s = slice_sub(r->value, 0, end);
    char *start = r->text + r->used;
    char *to = start;
    bool gap = false;
    while (from < end) {
        char c = s.p[from];
        if (lexis_blank(c) || c == '(') {
            from = lexis_cfws(s, from);
            gap = to > start;
            continue;
        }
        if (gap && (part == PART_NAME || (c != '.' && to[-1] != '.'))) {
            *to++ = ' ';
            a->broken |= part != PART_NAME;
        }
        gap = false;
        if (c == '"' || (c == '[' && part == PART_DOMAIN)) {
            a->broken |= c == '"' && part == PART_DOMAIN;
            from = copy_whole(s, from, &to, &a->broken);
            continue;
        }
        if (c == '\\' && from + 1 < end) {
            a->broken = true;
            c = s.p[++from];
        }
        from++;
        if (c == '\r' || c == '\n')
            continue;
        a->broken |= (unsigned char)c < ' ' || c == 0x7f || strchr("<>()[]:;@,", c) != NULL;
        *to++ = c ? c : '?';
    }
    return keep(r, start, to);
}

/* Where the parts of the entry at r->at stand. */
struct survey {
    enum { WORDS, SPEC, ANGLE, GROUP } kind;
    size_t end;     /* of the words before ':', '<', ',', ';' or of the field */
    size_t at_sign; /* the last '@' before end */
    size_t comment; /* the last comment, SLICE_NONE if there is none */
    size_t comment_end;
    bool open; /* a comment does not end: others may see addresses in it */
};

static void note_comment(struct survey *v, size_t from, size_t end)
{
    v->comment = from;
    v->comment_end = end;
}

/* Passes over what must be taken whole at `at`: comment, quoted string, quoted pair, domain
 * literal, or one byte. */
static size_t pass(struct slice s, size_t at, struct survey *v, bool domain)
{
    char c = s.p[at];
    size_t end = at + 1;
    if (c == '(') {
        end = lexis_comment_open(s, at, &v->open);
        note_comment(v, at, end);
    } else if (c == '"') {
        end = lexis_quoted(s, at) + 1;
    } else if (c == '\\') {
        end = at + 2;
    } else if (c == '[' && domain) {
        end = literal_end(s, at);
    }
    return end < s.n ? end : s.n;
}

static void survey(const struct address_reader *r, struct survey *v)
{
    struct slice s = r->value;
    *v = (struct survey){.kind = WORDS, .at_sign = SLICE_NONE, .comment = SLICE_NONE};
    size_t at = r->at;
    for (; at < s.n; at = pass(s, at, v, v->kind == SPEC)) {
        char c = s.p[at];
        if (c == ',' || c == ';')
            break;
        if (c == '<') {
            v->kind = ANGLE;
            break;
        }
        if (c == ':' && v->kind == WORDS && !r->in_group) {
            v->kind = GROUP;
            break;
        }
        if (c == '@') {
            v->kind = SPEC;
            v->at_sign = at;
        }
    }
    v->end = at;
}

static void copy_spec(
    struct address_reader *r, struct address *a, size_t from, size_t at_sign, size_t end)
{
    if (at_sign == SLICE_NONE) {
        a->local = copy_words(r, a, from, end, PART_LOCAL);
        a->broken = true;
        return;
    }
    a->local = copy_words(r, a, from, at_sign, PART_LOCAL);
    a->domain = copy_words(r, a, at_sign + 1, end, PART_DOMAIN);
    a->broken |= !a->local.n || !a->domain.n;
}

/* The inside of angle brackets, from behind '<' on; returns where it ends. An obsolete route
 * "@a,@b:" comes first (RFC 5322 §4.4). */
static size_t copy_angle(struct address_reader *r, struct address *a, size_t from, struct survey *v)
{
    struct slice s = r->value;
    size_t start = lexis_cfws(s, from);
    size_t at = start;
    size_t at_sign = SLICE_NONE;
    bool route = at < s.n && s.p[at] == '@';
    for (; at < s.n && s.p[at] != '>'; at = pass(s, at, v, at_sign != SLICE_NONE)) {
        char c = s.p[at];
        if (c == ':' && route) {
            a->route = copy_words(r, &(struct address){0}, start, at, PART_LOCAL);
            start = at + 1;
            route = false;
            at_sign = SLICE_NONE;
        } else if (!route && (c == ',' || c == ';')) {
            break;
        } else if (c == '@') {
            at_sign = at;
        }
    }
    a->broken |= at >= s.n || s.p[at] != '>';
    copy_spec(r, a, start, at_sign, at);
    return at < s.n && s.p[at] == '>' ? at + 1 : at;
}

/* Behind an entry up to its ',' or ';'. */
static void finish_entry(struct address_reader *r, struct address *a, size_t at, struct survey *v)
{
    struct slice s = r->value;
    for (; at < s.n && s.p[at] != ',' && s.p[at] != ';'; at = pass(s, at, v, false))
        a->broken |= !lexis_blank(s.p[at]) && s.p[at] != '(';
    r->at = at;
}

/* "a@b (Name)": the comment is the name. */
static void name_from_comment(struct address_reader *r, struct address *a, const struct survey *v)
{
    if (a->name.p || v->comment == SLICE_NONE)
        return;
    struct slice inside = slice_sub(r->value, v->comment + 1, v->comment_end - v->comment - 1);
    if (slice_ends(inside, S(")")))
        inside.n--;
    char *start = r->text + r->used;
    a->name = keep(r, start, start + lexis_unquote(inside, start));
}

/* Words without an address: one is taken for a local part, several for a name. */
static void copy_bare(struct address_reader *r, struct address *a, size_t end)
{
    struct slice words = copy_words(r, a, r->at, end, PART_NAME);
    a->broken = true;
    if (slice_find(words, ' ') == SLICE_NONE)
        a->local = words;
    else
        a->name = words;
}

static void take_entry(struct address_reader *r, struct address *a)
{
    struct survey v;
    survey(r, &v);
    if (v.kind == GROUP) {
        a->kind = ADDRESS_GROUP;
        a->name = copy_words(r, a, r->at, v.end, PART_NAME);
        r->in_group = true;
        r->at = v.end + 1;
        return;
    }
    a->local = S("");
    size_t behind = v.end;
    if (v.kind == ANGLE) {
        struct slice name = copy_words(r, a, r->at, v.end, PART_NAME);
        if (name.n)
            a->name = name;
        behind = copy_angle(r, a, v.end + 1, &v);
    } else if (v.kind == SPEC) {
        copy_spec(r, a, r->at, v.at_sign, v.end);
    } else {
        copy_bare(r, a, v.end);
    }
    finish_entry(r, a, behind, &v);
    a->broken |= v.open;
    name_from_comment(r, a, &v);
}

static void end_group(struct address_reader *r, struct address *out)
{
    r->in_group = false;
    out->kind = ADDRESS_GROUP_END;
}

bool address_next(struct address_reader *r, struct address *out)
{
    struct slice s = r->value;
    *out = (struct address){0};
    for (;;) {
        r->at = lexis_cfws_open(s, r->at, &r->broken);
        char c = r->at < s.n ? s.p[r->at] : '\0';
        if (r->at < s.n && c == ';' && r->in_group) {
            r->at++;
            end_group(r, out);
            return true;
        }
        if (r->at >= s.n || (c != ',' && c != ';'))
            break;
        r->broken |= c == ';';
        r->at++;
    }
    if (r->at >= s.n || r->count >= ADDRESS_LIST_MAX) {
        r->truncated |= r->at < s.n;
        r->at = s.n;
        if (!r->in_group)
            return false;
        r->broken = true;
        end_group(r, out);
        return true;
    }
    take_entry(r, out);
    r->count++;
    r->broken |= out->broken;
    return true;
}

/* Room for one entry. A group takes that of its end along, so that no group stays open. */
static struct address *new_entry(
    struct arena *arena, const struct address *one, struct address **group_end)
{
    if (one->kind == ADDRESS_GROUP_END)
        return *group_end;
    size_t n = one->kind == ADDRESS_GROUP ? 2 : 1;
    struct address *made = arena_array(arena, struct address, n);
    if (made && n == 2)
        *group_end = made + 1;
    return made;
}

void address_list_add(struct slice value, struct arena *arena, struct address_list *list)
{
    struct address_reader r;
    struct address one;
    struct address *group_end = NULL;
    if (list->n >= 2 * (size_t)ADDRESS_LIST_MAX) {
        list->truncated = true;
        return;
    }
    address_reader_init(&r, value, arena);
    while (address_next(&r, &one)) {
        bool full = one.kind != ADDRESS_GROUP_END && list->n >= 2 * (size_t)ADDRESS_LIST_MAX;
        struct address *kept = full ? NULL : new_entry(arena, &one, &group_end);
        if (!kept) {
            /* The next call gives the end of an open group, then no more. */
            r.truncated = true;
            r.at = value.n;
            r.in_group &= one.kind != ADDRESS_GROUP;
            continue;
        }
        *kept = one;
        if (list->last)
            list->last->next = kept;
        else
            list->first = kept;
        list->last = kept;
        list->n++;
    }
    list->truncated |= r.truncated;
    list->broken |= r.broken;
}

void address_list(struct slice value, struct arena *arena, struct address_list *out)
{
    *out = (struct address_list){0};
    address_list_add(value, arena, out);
}
