#include "imap/lex.h"
#include "imap/mutf7.h"
#include "mailbox/mailbox.h"

#define NAME_MAX ((size_t)4096) /* of a mailbox name or pattern, decoded; names end at 400 */

struct imap_lex imap_lex(struct slice text, struct arena *arena)
{
    return (struct imap_lex){.all = text, .arena = arena};
}

bool imap_lex_end(const struct imap_lex *l)
{
    return l->at >= l->all.n;
}

int imap_lex_peek(const struct imap_lex *l)
{
    return l->at < l->all.n ? (unsigned char)l->all.p[l->at] : -1;
}

bool imap_lex_fault(struct imap_lex *l, const char *why)
{
    l->why = why;
    return false;
}

/* Goes back to where a taker of several parts began. */
static bool back(struct imap_lex *l, size_t at)
{
    l->at = at;
    return false;
}

bool imap_lex_char(struct imap_lex *l, char c)
{
    if (imap_lex_peek(l) == (unsigned char)c) {
        l->at++;
        return true;
    }
    switch (c) {
    case ' ':
        return imap_lex_fault(
            l, imap_lex_end(l) ? "more is expected here" : "one space is expected here");
    case '(':
        return imap_lex_fault(l, "an opening parenthesis is expected here");
    case ')':
        return imap_lex_fault(l, "a closing parenthesis is expected here");
    default:
        return imap_lex_fault(l, "another character is expected here");
    }
}

bool imap_lex_space(struct imap_lex *l)
{
    return imap_lex_char(l, ' ');
}

bool imap_lex_more(struct imap_lex *l)
{
    bool more = imap_lex_peek(l) == ' ';
    l->at += more;
    return more;
}

bool imap_lex_finish(struct imap_lex *l)
{
    return imap_lex_end(l) || imap_lex_fault(l, "something follows the end of the command");
}

/* ATOM-CHAR (RFC 3501 §9) */
static bool is_atom_char(int c)
{
    return c > 0x20 && c < 0x7f && !strchr("(){%*\"\\]", c);
}

static bool is_astring_char(int c)
{
    return is_atom_char(c) || c == ']';
}

static bool is_list_char(int c)
{
    return is_astring_char(c) || c == '%' || c == '*';
}

static bool is_tag_char(int c)
{
    return is_astring_char(c) && c != '+';
}

static bool take_run(struct imap_lex *l, bool (*is)(int), const char *why, struct slice *run)
{
    size_t from = l->at;
    while (is(imap_lex_peek(l)))
        l->at++;
    *run = slice_sub(l->all, from, l->at - from);
    return run->n > 0 || imap_lex_fault(l, imap_lex_end(l) ? "more is expected here" : why);
}

bool imap_lex_word(struct imap_lex *l, struct slice word)
{
    struct slice rest = slice_from(l->all, l->at);
    if (!slice_starts_nocase(rest, word) ||
        (rest.n > word.n && is_atom_char((unsigned char)rest.p[word.n])))
        return imap_lex_fault(l, "an unknown word");
    l->at += word.n;
    return true;
}

bool imap_lex_tag(struct imap_lex *l, struct slice *tag)
{
    return take_run(l, is_tag_char, "a tag is letters and digits", tag);
}

bool imap_lex_atom(struct imap_lex *l, struct slice *atom)
{
    return take_run(l, is_atom_char, "an atom is expected here", atom);
}

/* ---- numbers ---- */

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

bool imap_lex_number64(struct imap_lex *l, uint64_t *value)
{
    size_t from = l->at;
    struct slice digits;
    if (!take_run(l, is_digit, "a number is expected here", &digits))
        return false;
    if (slice_to_u64(digits, INT64_MAX, value))
        return true;
    l->at = from;
    return imap_lex_fault(l, "a number is larger than 2^63-1");
}

bool imap_lex_number(struct imap_lex *l, uint32_t *value)
{
    size_t from = l->at;
    uint64_t wide = 0;
    if (!imap_lex_number64(l, &wide))
        return false;
    if (wide > UINT32_MAX) {
        l->at = from;
        return imap_lex_fault(l, "a number is larger than 2^32-1");
    }
    *value = (uint32_t)wide;
    return true;
}

/* ---- strings ---- */

/* With its backslashes: no copy is needed without them. */
static bool quoted_text(struct imap_lex *l, struct slice *raw, bool *escaped)
{
    size_t from = l->at + 1, at = from;
    *escaped = false;
    for (; at < l->all.n && l->all.p[at] != '"'; at++) {
        if (l->all.p[at] == '\\') {
            *escaped = true;
            at++;
            if (at == l->all.n || (l->all.p[at] != '"' && l->all.p[at] != '\\'))
                return imap_lex_fault(
                    l, "in a quoted string, a backslash stands before \" or \\ only");
        }
        if (!l->all.p[at] || l->all.p[at] == '\r' || l->all.p[at] == '\n')
            return imap_lex_fault(l, "a quoted string may not hold CR, LF or NUL");
    }
    if (at == l->all.n)
        return imap_lex_fault(l, "a quoted string is not closed");
    if (at - from > IMAP_STRING_MAX)
        return imap_lex_fault(l, "a string is longer than 128 KB");
    *raw = slice_sub(l->all, from, at - from);
    l->at = at + 1;
    return true;
}

static bool take_quoted(struct imap_lex *l, struct slice *string)
{
    size_t from = l->at, n = 0;
    struct slice raw;
    bool escaped;
    if (!quoted_text(l, &raw, &escaped))
        return false;
    *string = raw;
    if (!escaped)
        return true;
    char *to = arena_alloc(l->arena, raw.n);
    if (!to) {
        l->at = from;
        return imap_lex_fault(l, "the command is too large");
    }
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\')
            i++;
        to[n++] = raw.p[i];
    }
    *string = slice(to, n);
    return true;
}

/* `{3}` or `{3+}`, CRLF, three bytes */
static bool take_literal(struct imap_lex *l, struct slice *string)
{
    size_t from = l->at;
    uint64_t n = 0;
    l->at++;
    if (!imap_lex_number64(l, &n))
        return back(l, from);
    if (imap_lex_peek(l) == '+')
        l->at++;
    if (!slice_starts(slice_from(l->all, l->at), S("}\r\n"))) {
        l->at = from;
        return imap_lex_fault(l, "a literal is {size} at the end of a line");
    }
    l->at += 3;
    if (n > IMAP_STRING_MAX || n > l->all.n - l->at) {
        l->at = from;
        return imap_lex_fault(l, "a literal is too long here");
    }
    *string = slice_sub(l->all, l->at, (size_t)n);
    if (slice_find(*string, '\0') != SLICE_NONE) {
        l->at = from;
        return imap_lex_fault(l, "a literal may not hold NUL");
    }
    l->at += (size_t)n;
    return true;
}

bool imap_lex_string(struct imap_lex *l, struct slice *string)
{
    int c = imap_lex_peek(l);
    if (c == '"')
        return take_quoted(l, string);
    if (c == '{')
        return take_literal(l, string);
    return imap_lex_fault(
        l, c < 0 ? "more is expected here" : "a quoted string or literal is expected");
}

bool imap_lex_astring(struct imap_lex *l, struct slice *string)
{
    int c = imap_lex_peek(l);
    if (c == '"' || c == '{')
        return imap_lex_string(l, string);
    return take_run(l, is_astring_char, "an atom or string is expected here", string);
}

bool imap_lex_nstring(struct imap_lex *l, struct slice *string)
{
    *string = (struct slice){NULL, 0};
    if (imap_lex_word(l, S("NIL")))
        return true;
    return imap_lex_string(l, string);
}

static bool is_set_char(int c)
{
    return is_digit(c) || c == ':' || c == ',' || c == '*';
}

bool imap_lex_set(struct imap_lex *l, struct imap_set *set)
{
    size_t from = l->at;
    struct slice text;
    if (!take_run(l, is_set_char, "a sequence set is expected here", &text))
        return false;
    if (!is_atom_char(imap_lex_peek(l)) && imap_set_parse(text, l->arena, set))
        return true;
    l->at = from;
    return imap_lex_fault(
        l, "a sequence set is numbers from 1 to 2^32-1, or *, in at most 10,000 ranges");
}

/* ---- names of mailboxes ---- */

/* Decodes; false: no room. */
static bool decode_name(struct imap_lex *l, struct slice raw, struct slice *name, bool *valid)
{
    *name = raw;
    *valid = true;
    for (size_t i = 0; i < raw.n && *valid; i++)
        *valid = raw.p[i] >= 0x20 && raw.p[i] < 0x7f;
    if (!*valid || slice_find(raw, '&') == SLICE_NONE)
        return true;
    struct buffer utf8;
    buffer_init(&utf8, NAME_MAX);
    *valid = mutf7_decode(raw, &utf8);
    if (*valid)
        *name = arena_copy(l->arena, buffer_slice(&utf8));
    buffer_finish(&utf8);
    return name->p || imap_lex_fault(l, "the command is too large");
}

bool imap_lex_mailbox(struct imap_lex *l, struct slice *name, bool *valid)
{
    size_t from = l->at;
    struct slice raw;
    if (!imap_lex_astring(l, &raw))
        return false;
    return decode_name(l, raw, name, valid) || back(l, from);
}

bool imap_lex_pattern(struct imap_lex *l, struct slice *pattern, bool *valid)
{
    size_t from = l->at;
    struct slice raw;
    int c = imap_lex_peek(l);
    bool string = c == '"' || c == '{';
    if (!(string ? imap_lex_string(l, &raw)
                 : take_run(l, is_list_char, "a mailbox pattern is expected here", &raw)))
        return false;
    return decode_name(l, raw, pattern, valid) || back(l, from);
}

/* ---- dates ---- */

bool imap_lex_day(struct imap_lex *l, struct date *day)
{
    size_t from = l->at;
    struct slice text = {NULL, 0};
    bool taken = imap_lex_peek(l) == '"' ? imap_lex_string(l, &text) : imap_lex_atom(l, &text);
    if (taken && date_parse_imap_day(text, day))
        return true;
    l->at = from;
    return imap_lex_fault(l, "a date is like 2-Nov-2026");
}

bool imap_lex_date_time(struct imap_lex *l, struct date *date)
{
    size_t from = l->at;
    struct slice text;
    if (imap_lex_peek(l) == '"' && imap_lex_string(l, &text) && date_parse_imap(text, date))
        return true;
    l->at = from;
    return imap_lex_fault(l, "a date-time is like \" 2-Nov-2026 15:04:05 +0100\", with its quotes");
}

/* ---- flags ---- */

static bool add_system(struct imap_lex *l, struct imap_flag_list *list)
{
    static const struct {
        struct slice name;
        uint8_t flag;
    } known[] = {
        {{"Seen", 4}, MAILBOX_SEEN},
        {{"Answered", 8}, MAILBOX_ANSWERED},
        {{"Flagged", 7}, MAILBOX_FLAGGED},
        {{"Deleted", 7}, MAILBOX_DELETED},
        {{"Draft", 5}, MAILBOX_DRAFT},
        {{"Recent", 6}, 0},
    };
    struct slice name;
    size_t from = l->at++;
    if (!imap_lex_atom(l, &name))
        return back(l, from) ||
               imap_lex_fault(l, "behind the backslash the name of a flag is expected");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (slice_eq_nocase(name, known[i].name)) {
            list->flags |= known[i].flag;
            return true;
        }
    }
    if (!list->unknown.p)
        list->unknown = slice_sub(l->all, from, l->at - from);
    return true;
}

static bool add_keyword(struct imap_lex *l, struct imap_flag_list *list)
{
    struct slice name;
    if (!take_run(l, is_atom_char, "a flag is expected here", &name))
        return false;
    for (uint32_t i = 0; i < list->keyword_n; i++)
        if (slice_eq_nocase(list->keywords[i], name))
            return true;
    if (list->keyword_n == MAILBOX_KEYWORDS)
        return imap_lex_fault(l, "more than 64 keywords");
    if (!list->keywords)
        list->keywords = arena_array(l->arena, struct slice, MAILBOX_KEYWORDS);
    if (!list->keywords)
        return imap_lex_fault(l, "the command is too large");
    list->keywords[list->keyword_n++] = name;
    return true;
}

bool imap_lex_flags(struct imap_lex *l, bool bare, struct imap_flag_list *list)
{
    size_t from = l->at;
    *list = (struct imap_flag_list){0};
    bool closed = imap_lex_peek(l) == '(';
    if (!closed && !bare)
        return imap_lex_char(l, '(');
    if (closed) {
        l->at++;
        if (imap_lex_peek(l) == ')') {
            l->at++;
            return true;
        }
    }
    do {
        bool system = imap_lex_peek(l) == '\\';
        if (!(system ? add_system(l, list) : add_keyword(l, list)))
            return back(l, from);
    } while (imap_lex_more(l));
    if (closed && !imap_lex_char(l, ')'))
        return back(l, from);
    return true;
}
