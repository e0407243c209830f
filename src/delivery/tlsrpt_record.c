/* What a domain asks for under _smtp._tls (RFC 8460 §3): text to structs, pure. */
#include "delivery/tlsrpt_private.h"
#include "message/address.h"
#include <stdio.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

bool tlsrpt_record_is(struct slice text)
{
    if (!slice_starts(text, S("v=TLSRPTv1")))
        return false;
    text = slice_from(text, 10);
    while (text.n && blank(text.p[0]))
        text = slice_from(text, 1);
    return !text.n || text.p[0] == ';';
}

static int hex_digit(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 §2.1; what it says must be text on one line. */
static bool decode(struct slice s, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int c = (unsigned char)s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= room)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0;
}

/* RFC 6068: one address; its header fields are not ours to take. */
static bool take_mail(struct slice rest, struct tlsrpt_uri *u)
{
    struct address_spec spec;
    struct slice address = slice_cut(&rest, '?');
    u->mail = true;
    return decode(address, u->address, sizeof u->address) &&
           address_parse(slice_str(u->address), false, &spec) && !spec.literal;
}

/* host[:port][/path], no user, no literal. */
static bool take_https(struct slice rest, struct tlsrpt_uri *u)
{
    size_t end = 0;
    uint64_t port = 443;
    while (end < rest.n && !strchr("/?#", rest.p[end]))
        end++;
    struct slice authority = slice_sub(rest, 0, end), path = slice_from(rest, end);
    struct slice host = slice_cut(&authority, ':');
    path = slice_cut(&path, '#');
    if ((authority.n && (!slice_to_u64(authority, 65535, &port) || !port)) ||
        !address_domain_valid(host, false) || !slice_to_cstr(host, u->host, sizeof u->host))
        return false;
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] <= 0x20 || (unsigned char)path.p[i] >= 0x7f)
            return false;
    u->port = (uint16_t)port;
    int n = snprintf(u->path, sizeof u->path, "%s" SLICE_FMT, slice_starts(path, S("/")) ? "" : "/",
        SLICE_ARG(path));
    return n < (int)sizeof u->path;
}

static bool take_uri(struct slice uri, struct tlsrpt_uri *u)
{
    memset(u, 0, sizeof *u);
    if (!uri.n || uri.n >= TLSRPT_URI_MAX - 1 || slice_find(uri, '\0') != SLICE_NONE)
        return false;
    if (slice_starts_nocase(uri, S("mailto:")))
        return take_mail(slice_from(uri, 7), u);
    return slice_starts_nocase(uri, S("https://")) && take_https(slice_from(uri, 8), u);
}

static size_t take_list(struct slice list, struct tlsrpt_uri uris[TLSRPT_URIS_MAX])
{
    size_t n = 0;
    while (list.n && n < TLSRPT_URIS_MAX)
        n += take_uri(slice_trim(slice_cut(&list, ',')), &uris[n]);
    return n;
}

size_t tlsrpt_record_parse(struct slice text, struct tlsrpt_uri uris[TLSRPT_URIS_MAX])
{
    if (!tlsrpt_record_is(text))
        return 0;
    slice_cut(&text, ';');
    while (text.n) {
        struct slice value = slice_trim(slice_cut(&text, ';'));
        struct slice name = slice_cut(&value, '=');
        if (slice_eq(name, S("rua")))
            return take_list(value, uris);
        if (!name.n && text.n)
            return 0;
    }
    return 0;
}
