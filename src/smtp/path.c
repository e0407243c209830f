#include "smtp/path.h"
#include "base/utf8.h"
#include "message/address.h"
#include <arpa/inet.h>

#define ROUTE_HOSTS_MAX 100 /* at-domains of a source route that are read over */

static bool is_atext(unsigned char c)
{
    return c >= 128 || ascii_alnum((char)c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_domain_byte(unsigned char c)
{
    return c >= 128 || ascii_alnum((char)c) || c == '-' || c == '.' || c == '_';
}

/* A-d-l = At-domain *( "," At-domain ), then ":". Accepted and ignored (RFC 5321 appendix C). */
static bool skip_route(struct cursor *c)
{
    for (int i = 0; i < ROUTE_HOSTS_MAX; i++) {
        struct slice host;
        if (!cursor_take_char(c, '@') || !cursor_take_while(c, is_domain_byte, 1, &host))
            return false;
        if (cursor_take_char(c, ':'))
            return true;
        if (!cursor_take_char(c, ','))
            return false;
    }
    return false;
}

static bool put_local(struct smtp_path *path, char byte)
{
    if (path->local_n == sizeof path->local)
        return false;
    path->local[path->local_n++] = byte;
    return true;
}

/* Quoted-string, its quotes and backslashes taken off; controls are no qtextSMTP. */
static enum smtp_path_result take_quoted(struct cursor *c, struct smtp_path *path)
{
    cursor_take_char(c, '"');
    while (!cursor_take_char(c, '"')) {
        bool quoted_pair = cursor_take_char(c, '\\');
        int byte = cursor_peek(c);
        if (byte < 32 || byte == 127 || (quoted_pair && byte > 127))
            return SMTP_PATH_SYNTAX;
        if (!put_local(path, (char)byte))
            return SMTP_PATH_LOCAL_LONG;
        c->at++;
    }
    return SMTP_PATH_OK;
}

static enum smtp_path_result take_dot_string(struct cursor *c, struct smtp_path *path)
{
    do {
        struct slice atom;
        if (path->local_n && !put_local(path, '.'))
            return SMTP_PATH_LOCAL_LONG;
        if (!cursor_take_while(c, is_atext, 1, &atom))
            return SMTP_PATH_SYNTAX;
        if (atom.n > sizeof path->local - path->local_n)
            return SMTP_PATH_LOCAL_LONG;
        memcpy(path->local + path->local_n, atom.p, atom.n);
        path->local_n = (uint16_t)(path->local_n + atom.n);
    } while (cursor_take_char(c, '.'));
    return SMTP_PATH_OK;
}

/* RFC 5321 §4.1.3. The registry of other tags is empty but for IPv6. */
static bool literal_valid(struct slice text)
{
    char address[INET6_ADDRSTRLEN + 1];
    struct in6_addr binary;
    int family = AF_INET;
    if (slice_starts_nocase(text, S("IPv6:"))) {
        text = slice_from(text, 5);
        family = AF_INET6;
    }
    return slice_to_cstr(text, address, sizeof address) && inet_pton(family, address, &binary) == 1;
}

static enum smtp_path_result take_domain(struct cursor *c, struct smtp_path *path)
{
    struct slice rest = cursor_rest(c), name = {rest.p, 0};
    if (cursor_peek(c) == '[') {
        size_t end = slice_find(rest, ']');
        if (end == SLICE_NONE || !literal_valid(slice_sub(rest, 1, end - 1)))
            return SMTP_PATH_SYNTAX;
        name.n = end + 1;
        c->at += name.n;
        path->literal = true;
    } else {
        if (!cursor_take_while(c, is_domain_byte, 1, &name))
            return SMTP_PATH_SYNTAX;
        if (name.n > SMTP_DOMAIN_MAX)
            return SMTP_PATH_DOMAIN_LONG;
        if (!address_domain_valid(name, true))
            return SMTP_PATH_SYNTAX;
    }
    memcpy(path->domain, name.p, name.n);
    path->domain_n = (uint16_t)name.n;
    return SMTP_PATH_OK;
}

static enum smtp_path_result take_mailbox(
    struct cursor *c, enum smtp_path_kind kind, struct smtp_path *path)
{
    size_t start = c->at;
    enum smtp_path_result r =
        cursor_peek(c) == '"' ? take_quoted(c, path) : take_dot_string(c, path);
    if (r != SMTP_PATH_OK)
        return r;
    if (kind == SMTP_FORWARD && path->local_n > SMTP_LOCAL_MAX)
        return SMTP_PATH_LOCAL_LONG;
    if (!cursor_take_char(c, '@')) {
        path->postmaster =
            kind == SMTP_FORWARD && slice_eq_nocase(smtp_path_local(path), S("postmaster"));
        r = path->postmaster ? SMTP_PATH_OK : SMTP_PATH_SYNTAX;
    } else {
        r = take_domain(c, path);
    }
    if (r == SMTP_PATH_OK && c->at - start > SMTP_PATH_MAX - 2)
        return SMTP_PATH_LONG;
    return r;
}

static enum smtp_path_result take(
    struct cursor *c, enum smtp_path_kind kind, struct smtp_path *path)
{
    if (!cursor_take_char(c, '<'))
        return SMTP_PATH_SYNTAX;
    if (kind == SMTP_REVERSE && cursor_take_char(c, '>')) {
        path->null = true;
        return SMTP_PATH_OK;
    }
    if (cursor_peek(c) == '@' && !skip_route(c))
        return SMTP_PATH_SYNTAX;
    enum smtp_path_result r = take_mailbox(c, kind, path);
    if (r != SMTP_PATH_OK)
        return r;
    struct slice local = smtp_path_local(path), domain = smtp_path_domain(path);
    path->utf8 = !utf8_ascii(local) || !utf8_ascii(domain);
    if (path->utf8 && (!utf8_valid(local) || !utf8_valid(domain)))
        return SMTP_PATH_SYNTAX;
    return cursor_take_char(c, '>') ? SMTP_PATH_OK : SMTP_PATH_SYNTAX;
}

enum smtp_path_result smtp_path_take(
    struct cursor *c, enum smtp_path_kind kind, struct smtp_path *path)
{
    size_t start = c->at;
    path->null = path->postmaster = path->literal = path->utf8 = false;
    path->local_n = path->domain_n = 0;
    enum smtp_path_result r = take(c, kind, path);
    if (r != SMTP_PATH_OK)
        c->at = start;
    return r;
}

static bool is_dot_string(struct slice local)
{
    for (size_t i = 0; i < local.n; i++) {
        bool dot = local.p[i] == '.';
        if (!dot && !is_atext((unsigned char)local.p[i]))
            return false;
        if (dot && (i == 0 || i + 1 == local.n || local.p[i + 1] == '.'))
            return false;
    }
    return local.n != 0;
}

void smtp_path_write(const struct smtp_path *p, struct buffer *out)
{
    struct slice local = smtp_path_local(p);
    if (p->null)
        return;
    if (is_dot_string(local)) {
        buffer_add(out, local);
    } else {
        buffer_add_char(out, '"');
        for (size_t i = 0; i < local.n; i++) {
            if (local.p[i] == '"' || local.p[i] == '\\')
                buffer_add_char(out, '\\');
            buffer_add_char(out, local.p[i]);
        }
        buffer_add_char(out, '"');
    }
    if (!p->postmaster) {
        buffer_add_char(out, '@');
        buffer_add(out, smtp_path_domain(p));
    }
}
