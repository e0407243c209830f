#include "message/lexis_private.h"

size_t lexis_comment_open(struct slice s, size_t at, bool *open)
{
    size_t depth = 0;
    for (; at < s.n; at++) {
        if (s.p[at] == '(')
            depth++;
        else if (s.p[at] == ')' && --depth == 0)
            return at + 1;
        else if (s.p[at] == '\\')
            at++;
    }
    *open = true;
    return s.n;
}

size_t lexis_comment(struct slice s, size_t at)
{
    bool open;
    return lexis_comment_open(s, at, &open);
}

size_t lexis_cfws_open(struct slice s, size_t at, bool *open)
{
    while (at < s.n) {
        if (lexis_blank(s.p[at]))
            at++;
        else if (s.p[at] == '(')
            at = lexis_comment_open(s, at, open);
        else
            break;
    }
    return at;
}

size_t lexis_cfws(struct slice s, size_t at)
{
    bool open;
    return lexis_cfws_open(s, at, &open);
}

size_t lexis_quoted(struct slice s, size_t at)
{
    for (at++; at < s.n && s.p[at] != '"'; at++)
        if (s.p[at] == '\\')
            at++;
    return at < s.n ? at : s.n;
}

size_t lexis_unquote(struct slice s, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        if (s.p[i] != '\r' && s.p[i] != '\n')
            to[n++] = s.p[i] ? s.p[i] : '?';
    }
    return n;
}
