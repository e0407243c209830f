#include "http/response.h"

#define INTERIM_MAX 4 /* 1xx before the response */

void response_init(struct response *r, struct buffer *body)
{
    memset(r, 0, offsetof(struct response, line));
    r->body = body;
}

static enum response_state bad(struct response *r, const char *why)
{
    r->why = why;
    return r->state = RESPONSE_BAD;
}

/* ---- lines ---- */

static enum response_state status_line(struct response *r, struct slice line)
{
    uint64_t code;
    struct slice rest = line, version = slice_cut(&rest, ' ');
    if (!slice_eq(version, S("HTTP/1.1")) && !slice_eq(version, S("HTTP/1.0")))
        return bad(r, "this is no HTTP/1 response");
    struct slice digits = slice_cut(&rest, ' ');
    if (digits.n != 3 || !slice_to_u64(digits, 599, &code) || code < 100)
        return bad(r, "the status line has no status");
    r->status = (int)code;
    r->at = RESPONSE_FIELD;
    return RESPONSE_MORE;
}

/* RFC 9110 §8.3.1 */
static void set_type(struct response *r, struct slice value)
{
    struct slice type = slice_trim(slice_cut(&value, ';'));
    if (!slice_to_cstr(type, r->type, sizeof r->type))
        return;
    for (char *p = r->type; *p; p++)
        *p = ascii_lower(*p);
}

/* RFC 9112 §6.3: two opinions about the length are an attack. */
static enum response_state set_length(struct response *r, struct slice value)
{
    if (r->chunked || r->has_length || !slice_to_u64(value, INT64_MAX, &r->left))
        return bad(r, "the length of the response is not clear");
    r->has_length = true;
    return RESPONSE_MORE;
}

static enum response_state set_coding(struct response *r, struct slice value)
{
    if (r->chunked || r->has_length || !slice_eq_nocase(value, S("chunked")))
        return bad(r, "the response has a transfer coding that is not known");
    r->chunked = true;
    return RESPONSE_MORE;
}

static enum response_state field(struct response *r, struct slice line)
{
    size_t colon = slice_find(line, ':');
    if (++r->fields > RESPONSE_FIELDS_MAX)
        return bad(r, "the response has too many fields");
    if (colon == 0 || colon == SLICE_NONE || slice_has_any(slice_sub(line, 0, colon), " \t\r"))
        return bad(r, "a field of the response is broken");
    struct slice name = slice_sub(line, 0, colon), value = slice_trim(slice_from(line, colon + 1));
    if (slice_find(value, '\0') != SLICE_NONE || slice_find(value, '\r') != SLICE_NONE)
        return bad(r, "a field of the response is broken");
    if (slice_eq_nocase(name, S("Content-Length")))
        return set_length(r, value);
    if (slice_eq_nocase(name, S("Transfer-Encoding")))
        return set_coding(r, value);
    if (slice_eq_nocase(name, S("Content-Type")))
        set_type(r, value);
    return RESPONSE_MORE;
}

static enum response_state done(struct response *r)
{
    return r->state = RESPONSE_DONE;
}

/* Behind the empty line. */
static enum response_state head_end(struct response *r)
{
    if (r->status / 100 == 1) { /* RFC 9110 §15.2 */
        if (++r->interim > INTERIM_MAX || r->status == 101)
            return bad(r, "the server does not come to its response");
        r->at = RESPONSE_STATUS;
        r->chunked = r->has_length = false;
        r->type[0] = '\0';
        return RESPONSE_MORE;
    }
    if (!r->body || r->status == 204 || r->status == 304)
        return done(r);
    if (!r->chunked && !r->has_length) /* its end could be cut off by anybody */
        return bad(r, "the response tells no length");
    if (r->has_length && r->left > r->body->max)
        return r->state = RESPONSE_TOO_BIG;
    if (r->has_length && !r->left)
        return done(r);
    r->at = r->chunked ? RESPONSE_CHUNK : RESPONSE_BODY;
    return RESPONSE_MORE;
}

static int hex_digit(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 9112 §7.1; extensions are passed over. */
static enum response_state chunk_size(struct response *r, struct slice line)
{
    struct slice digits = slice_trim(slice_cut(&line, ';'));
    uint64_t size = 0;
    if (!digits.n || digits.n > 8)
        return bad(r, "a chunk of the response has no size");
    for (size_t i = 0; i < digits.n; i++) {
        int digit = hex_digit(digits.p[i]);
        if (digit < 0)
            return bad(r, "a chunk of the response has no size");
        size = size * 16 + (uint64_t)digit;
    }
    if (size > r->body->max - r->body->n)
        return r->state = RESPONSE_TOO_BIG;
    r->left = size;
    r->at = size ? RESPONSE_BODY : RESPONSE_TRAILER;
    return RESPONSE_MORE;
}

static enum response_state line_end(struct response *r, struct slice line)
{
    switch (r->at) {
    case RESPONSE_STATUS:
        return status_line(r, line);
    case RESPONSE_FIELD:
        return line.n ? field(r, line) : head_end(r);
    case RESPONSE_CHUNK:
        return chunk_size(r, line);
    case RESPONSE_CHUNK_END:
        r->at = RESPONSE_CHUNK;
        return line.n ? bad(r, "a chunk of the response is longer than it says") : RESPONSE_MORE;
    default: /* trailer fields are not looked at */
        if (!line.n)
            return done(r);
        return ++r->fields > RESPONSE_FIELDS_MAX ? bad(r, "the response has too many fields")
                                                 : RESPONSE_MORE;
    }
}

/* ---- bytes ---- */

/* Up to the end of a line: CRLF, or LF (RFC 9112 §2.2). */
static enum response_state feed_line(struct response *r, struct slice *in)
{
    size_t lf = slice_find(*in, '\n');
    struct slice part = slice_sub(*in, 0, lf == SLICE_NONE ? in->n : lf);
    *in = slice_from(*in, lf == SLICE_NONE ? in->n : lf + 1);
    r->lines_n += part.n + 1;
    if (part.n > sizeof r->line - r->line_n)
        return bad(r, "a line of the response is too long");
    if (r->lines_n > RESPONSE_LINES_MAX)
        return bad(r, "the response has too many lines");
    if (part.n)
        memcpy(r->line + r->line_n, part.p, part.n);
    r->line_n += part.n;
    if (lf == SLICE_NONE)
        return RESPONSE_MORE;
    struct slice line = slice(r->line, r->line_n);
    r->line_n = 0;
    if (slice_ends(line, S("\r")))
        line.n--;
    return line_end(r, line);
}

static enum response_state feed_body(struct response *r, struct slice *in)
{
    struct slice part = slice_sub(*in, 0, r->left < in->n ? (size_t)r->left : in->n);
    *in = slice_from(*in, part.n);
    r->left -= part.n;
    if (!buffer_add(r->body, part))
        return r->state = RESPONSE_TOO_BIG;
    if (r->left)
        return RESPONSE_MORE;
    if (!r->chunked)
        return done(r);
    r->at = RESPONSE_CHUNK_END;
    return RESPONSE_MORE;
}

enum response_state response_feed(struct response *r, struct slice in)
{
    while (r->state == RESPONSE_MORE && in.n) {
        if (r->at == RESPONSE_BODY)
            feed_body(r, &in);
        else
            feed_line(r, &in);
    }
    return r->state;
}
