/* The syntax of responses (RFC 9051 §9), as far as a client has to see through it. */
#include "imap/client_private.h"

#define LITERAL_DIGITS 20

bool imap_client_literal(struct slice line, struct slice *before, uint64_t *n)
{
    size_t open = slice_rfind(line, '{');
    if (open == SLICE_NONE || line.p[line.n - 1] != '}' || line.n - open > LITERAL_DIGITS + 3)
        return false;
    struct slice digits = slice_sub(line, open + 1, line.n - open - 2);
    if (slice_ends(digits, S("+")))
        digits.n--;
    if (!slice_to_u64(digits, UINT64_MAX, n))
        return false;
    *before = slice_sub(line, 0, open);
    if (slice_ends(*before, S("~")))
        before->n--;
    return true;
}

bool imap_client_take_name(struct cursor *at, struct slice *name)
{
    size_t start = at->at;
    for (int c; (c = cursor_peek(at)) >= 0 && c != ' ' && c != '(' && c != ')' && c != '"';) {
        size_t close = c == '[' ? slice_find(cursor_rest(at), ']') : 0;
        if (close == SLICE_NONE)
            break;
        at->at += close + 1;
    }
    *name = slice_sub(at->all, start, at->at - start);
    return name->n > 0;
}

/* From the opening quote to behind the closing one. */
static bool pass_quoted(struct cursor *at)
{
    for (at->at++; !cursor_end(at); at->at++) {
        if (cursor_peek(at) == '\\')
            at->at++;
        else if (cursor_peek(at) == '"')
            return at->at++, true;
    }
    at->at = at->all.n;
    return false;
}

/* "{3}" CRLF and three bytes. */
static bool pass_literal(struct cursor *at)
{
    struct slice rest = cursor_rest(at), before;
    size_t end = slice_find(rest, '}');
    uint64_t n;
    if (end == SLICE_NONE || !imap_client_literal(slice_sub(rest, 0, end + 1), &before, &n) ||
        before.n || !slice_starts(slice_from(rest, end + 1), S("\r\n")) || n > rest.n - end - 3)
        return false;
    at->at += end + 3 + n;
    return true;
}

bool imap_client_take_value(struct cursor *at, struct slice *value)
{
    size_t start = at->at, depth = 0;
    bool fine = true;
    for (int c; fine && (c = cursor_peek(at)) >= 0;) {
        if (!depth && (c == ' ' || c == ')'))
            break;
        bool closes = c == '"' || c == '{' || c == ')';
        depth += c == '(';
        depth -= c == ')';
        if (c == '"')
            fine = pass_quoted(at);
        else if (c == '{')
            fine = pass_literal(at);
        else
            at->at++;
        if (closes && !depth)
            break;
    }
    if (!fine || depth || at->at == start) {
        at->at = start;
        return false;
    }
    *value = slice_sub(at->all, start, at->at - start);
    return true;
}

struct slice imap_client_unquote(struct imap_client *c, struct slice value)
{
    buffer_reset(&c->scratch);
    if (slice_starts(value, S("{")) || slice_starts(value, S("~{")))
        return slice_from(value, slice_find(value, '\n') + 1);
    if (value.n < 2 || value.p[0] != '"')
        return value;
    value = slice_sub(value, 1, value.n - 2);
    if (slice_find(value, '\\') == SLICE_NONE)
        return value;
    for (size_t i = 0; i < value.n; i++) {
        i += value.p[i] == '\\' && i + 1 < value.n;
        buffer_add_char(&c->scratch, value.p[i]);
    }
    return buffer_slice(&c->scratch);
}

bool imap_client_word(struct cursor *at, struct slice word)
{
    struct cursor try = *at;
    if (!cursor_take_text(&try, word) || !cursor_take_char(&try, ' '))
        return false;
    *at = try;
    return true;
}

bool imap_client_add_string(struct buffer *words, struct slice text)
{
    bool quoted = text.n <= 1024;
    for (size_t i = 0; quoted && i < text.n; i++)
        quoted = (unsigned char)text.p[i] >= 32 && (unsigned char)text.p[i] < 127;
    if (!quoted)
        return buffer_printf(words, "{%zu}\r\n", text.n) && buffer_add(words, text);
    buffer_add_char(words, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buffer_add_char(words, '\\');
        buffer_add_char(words, text.p[i]);
    }
    return buffer_add_char(words, '"');
}
