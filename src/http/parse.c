#include "http/parse.h"

static bool token_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!token_char((unsigned char)s.p[i]))
            return false;
    return s.n > 0;
}

/* One line without CRLF off *rest; a bare LF ends none (RFC 9112 §2.2 allows to refuse it). */
static bool take_line(struct slice *rest, struct slice *line)
{
    size_t at = slice_find_slice(*rest, S("\r\n"));
    if (at == SLICE_NONE)
        return false;
    *line = slice_sub(*rest, 0, at);
    *rest = slice_from(*rest, at + 2);
    return true;
}

static enum parse_answer request_line(struct slice line, struct parse_head *h, bool *old)
{
    struct slice method = slice_cut(&line, ' ');
    struct slice target = slice_cut(&line, ' ');
    if (!is_token(method) || !target.n || target.p[0] != '/')
        return PARSE_BAD;
    for (size_t i = 0; i < target.n; i++)
        if ((unsigned char)target.p[i] <= 0x20 || (unsigned char)target.p[i] >= 0x7f)
            return PARSE_BAD;
    if (line.n != 8 || !slice_starts(line, S("HTTP/")) || !ascii_digit(line.p[5]) ||
        line.p[6] != '.' || !ascii_digit(line.p[7]))
        return PARSE_BAD;
    if (!slice_eq(line, S("HTTP/1.1")) && !slice_eq(line, S("HTTP/1.0")))
        return PARSE_VERSION;
    *old = slice_eq(line, S("HTTP/1.0"));
    h->head = slice_eq(method, S("HEAD"));
    if (!h->head && !slice_eq(method, S("GET")))
        return PARSE_METHOD;
    h->query = target;
    h->path = slice_cut(&h->query, '?');
    return PARSE_OK;
}

/* Is the option one of the list (RFC 9110 §7.6.1)? */
static bool lists(struct slice value, struct slice option)
{
    while (value.n)
        if (slice_eq_nocase(slice_trim(slice_cut(&value, ',')), option))
            return true;
    return false;
}

static enum parse_answer field(struct slice line, struct parse_head *h, unsigned *hosts)
{
    size_t colon = slice_find(line, ':');
    if (colon == SLICE_NONE || !is_token(slice_sub(line, 0, colon)))
        return PARSE_BAD;
    struct slice name = slice_sub(line, 0, colon);
    struct slice value = slice_trim(slice_from(line, colon + 1));
    if (slice_has_any(value, "\r\n") || slice_find(value, '\0') != SLICE_NONE)
        return PARSE_BAD;
    if (slice_eq_nocase(name, S("Connection")) && lists(value, S("close")))
        h->close = true;
    *hosts += slice_eq_nocase(name, S("Host"));
    if (slice_eq_nocase(name, S("Transfer-Encoding")))
        return PARSE_BODY;
    if (slice_eq_nocase(name, S("Content-Length")) && !slice_eq(value, S("0")))
        return PARSE_BODY;
    return PARSE_OK;
}

enum parse_answer parse_head(struct slice in, struct parse_head *head)
{
    struct slice rest = in, line;
    bool old = false;
    unsigned hosts = 0;
    *head = (struct parse_head){0};
    size_t end = slice_find_slice(in, S("\r\n\r\n"));
    if (end == SLICE_NONE)
        return PARSE_MORE;
    head->size = end + 4;
    rest.n = head->size;
    take_line(&rest, &line);
    enum parse_answer answer = request_line(line, head, &old);
    head->close = old;
    for (int i = 0; answer == PARSE_OK && take_line(&rest, &line) && line.n; i++)
        answer = i == PARSE_FIELDS_MAX ? PARSE_BAD : field(line, head, &hosts);
    /* RFC 9112 §3.2 */
    if (answer == PARSE_OK && (hosts > 1 || (!hosts && !old)))
        answer = PARSE_BAD;
    return answer;
}
