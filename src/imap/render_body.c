/* BODY from the text of BODYSTRUCTURE: the same without extension data. */
#include "base/cursor.h"
#include "imap/render.h"

#define LEVELS (MIME_DEPTH_MAX + 2)

struct copier {
    struct cursor in;
    struct buffer *to;
    uint32_t depth;
    bool message[LEVELS]; /* for each open list: a message/rfc822, else a multipart */
};

static bool skip_quoted(struct cursor *c)
{
    for (size_t i = c->at + 1; i < c->all.n; i++) {
        if (c->all.p[i] == '\\')
            i++;
        else if (c->all.p[i] == '"') {
            c->at = i + 1;
            return true;
        }
    }
    return false;
}

static bool skip_literal(struct cursor *c)
{
    uint64_t n;
    c->at++;
    if (!cursor_take_number(c, RENDER_TEXT_MAX, &n) || !cursor_take_text(c, S("}\r\n")))
        return false;
    if (n > c->all.n - c->at)
        return false;
    c->at += n;
    return true;
}

static bool in_atom(unsigned char c)
{
    return ascii_alnum((char)c);
}

/* One string, atom or number, or one parenthesis. */
static bool skip_token(struct cursor *c)
{
    struct slice atom;
    switch (cursor_peek(c)) {
    case '"':
        return skip_quoted(c);
    case '{':
        return skip_literal(c);
    case '(':
    case ')':
        c->at++;
        return true;
    default:
        return cursor_take_while(c, in_atom, 1, &atom);
    }
}

/* A token, or a list with all that is in it. */
static bool skip_value(struct cursor *c, struct slice *value)
{
    size_t start = c->at, depth = 0;
    if (cursor_peek(c) == ')')
        return false;
    do {
        int here = cursor_peek(c);
        if (here == ' ' && depth) {
            c->at++;
            continue;
        }
        depth += here == '(';
        depth -= here == ')';
        if (!skip_token(c))
            return false;
    } while (depth);
    *value = slice(c->all.p + start, c->at - start);
    return true;
}

/* A blank and a value. */
static bool copy_value(struct copier *c, struct slice *value)
{
    return cursor_take_char(&c->in, ' ') && skip_value(&c->in, value) &&
           buffer_add_char(c->to, ' ') && buffer_add(c->to, *value);
}

/* Extension data and the end of a list. */
static bool copy_end(struct copier *c)
{
    struct slice passed;
    while (cursor_take_char(&c->in, ' '))
        if (!skip_value(&c->in, &passed))
            return false;
    return cursor_take_char(&c->in, ')') && buffer_add_char(c->to, ')');
}

static bool push(struct copier *c, bool message)
{
    if (c->depth == LEVELS)
        return false;
    c->message[c->depth++] = message;
    return true;
}

static bool quotes(struct slice value, struct slice word)
{
    return value.n == word.n + 2 && slice_eq_nocase(slice_sub(value, 1, word.n), word);
}

/* Behind "(" of a part that is no multipart. *down: a body must follow. */
static bool copy_single(struct copier *c, bool *down)
{
    struct slice type, subtype, other;
    if (!skip_value(&c->in, &type) || !buffer_add(c->to, type) || !copy_value(c, &subtype))
        return false;
    for (int i = 0; i < 5; i++)
        if (!copy_value(c, &other))
            return false;
    *down = quotes(type, S("message")) &&
            (quotes(subtype, S("rfc822")) || quotes(subtype, S("global")));
    if (*down)
        return copy_value(c, &other) && cursor_take_char(&c->in, ' ') &&
               buffer_add_char(c->to, ' ') && push(c, true);
    if (quotes(type, S("text")) && !copy_value(c, &other))
        return false;
    return copy_end(c);
}

/* Ends what is open until a body must follow (*down) or nothing is open. */
static bool copy_ends(struct copier *c, bool *down)
{
    struct slice value;
    *down = false;
    while (c->depth) {
        if (!c->message[c->depth - 1] && cursor_peek(&c->in) == '(') {
            *down = true;
            return true;
        }
        if (!copy_value(c, &value) || !copy_end(c))
            return false;
        c->depth--;
    }
    return true;
}

bool render_body_of_structure(struct slice structure, struct buffer *to)
{
    struct copier c = {.in = cursor(structure), .to = to};
    bool down = true;
    while (down) {
        if (!cursor_take_char(&c.in, '(') || !buffer_add_char(to, '('))
            return false;
        if (cursor_peek(&c.in) == '(') {
            if (!push(&c, false))
                return false;
            continue;
        }
        if (!copy_single(&c, &down) || (!down && !copy_ends(&c, &down)))
            return false;
    }
    return cursor_end(&c.in);
}
