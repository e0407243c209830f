#include "message/address.h"
#include "base/utf8.h"
#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#define LABEL_MAX 63 /* octets of a DNS label (RFC 1035 §2.3.4) */

static bool is_8bit(char c)
{
    return (unsigned char)c >= 0x80;
}

/* RFC 5322 §3.2.3, with the bytes of RFC 6531 §3.3 */
static bool atext(char c)
{
    return ascii_alnum(c) || is_8bit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Can it stand between quotes, with a backslash where that is needed (RFC 5321 §4.1.2)? */
static bool quotable(char c)
{
    return (unsigned char)c >= ' ' && c != 0x7f;
}

/* Length of the dot-string at the front; 0: none. */
static size_t dot_string(struct slice s)
{
    size_t n = 0;
    while (n < s.n && (atext(s.p[n]) || (s.p[n] == '.' && n && s.p[n - 1] != '.')))
        n++;
    return n && s.p[n - 1] == '.' ? 0 : n;
}

/* Length of the quoted-string at the front; 0: none, or one without content. */
static size_t quoted_string(struct slice s)
{
    size_t n = 1;
    while (n < s.n && s.p[n] != '"') {
        if (s.p[n] == '\\' && ++n >= s.n)
            return 0;
        if (!quotable(s.p[n]) || n > ADDRESS_LOCAL_MAX)
            return 0;
        n++;
    }
    return n < s.n && n > 1 ? n + 1 : 0;
}

static bool domain_char(char c)
{
    return ascii_alnum(c) || is_8bit(c) || c == '-' || c == '_' || c == '.';
}

bool address_domain_valid(struct slice domain, bool utf8)
{
    if (!domain.n || domain.n > ADDRESS_DOMAIN_MAX)
        return false;
    if (!utf8_ascii(domain) && !(utf8 && utf8_valid(domain)))
        return false;
    size_t label = 0;
    for (size_t i = 0; i <= domain.n; i++) {
        if (i < domain.n && domain.p[i] != '.') {
            if (!domain_char(domain.p[i]))
                return false;
            continue;
        }
        struct slice one = slice_sub(domain, label, i - label);
        if (!one.n || one.p[0] == '-' || one.p[one.n - 1] == '-')
            return false;
        if (one.n > LABEL_MAX && utf8_ascii(one))
            return false;
        label = i + 1;
    }
    return true;
}

/* The address inside "[...]": AF_INET, AF_INET6 or 0. */
static int literal_address(struct slice literal, unsigned char address[16])
{
    char text[INET6_ADDRSTRLEN];
    struct slice inside = slice_sub(literal, 1, literal.n - 2);
    int family = AF_INET;
    if (slice_starts_nocase(inside, S("IPv6:"))) {
        family = AF_INET6;
        inside = slice_from(inside, 5);
    }
    if (!slice_to_cstr(inside, text, sizeof text) || inet_pton(family, text, address) != 1)
        return 0;
    return family;
}

static bool take_domain(struct cursor *c, bool utf8, struct address_spec *out)
{
    struct slice rest = cursor_rest(c);
    size_t n = 0;
    if (rest.n && rest.p[0] == '[') {
        unsigned char address[16];
        size_t close = slice_find(slice_sub(rest, 0, ADDRESS_DOMAIN_MAX), ']');
        out->domain = close == SLICE_NONE ? S("") : slice_sub(rest, 0, close + 1);
        out->literal = true;
        if (close == SLICE_NONE || !literal_address(out->domain, address))
            return false;
    } else {
        while (n < rest.n && n <= ADDRESS_DOMAIN_MAX && domain_char(rest.p[n]))
            n++;
        out->domain = slice_sub(rest, 0, n);
        if (!address_domain_valid(out->domain, utf8))
            return false;
    }
    c->at += out->domain.n;
    return true;
}

bool address_take(struct cursor *c, bool utf8, struct address_spec *out)
{
    struct cursor at = *c;
    struct address_spec spec = {0};
    struct slice rest = cursor_rest(&at);
    spec.quoted = rest.n && rest.p[0] == '"';
    struct slice front = slice_sub(rest, 0, ADDRESS_LOCAL_MAX + 1);
    spec.local = slice_sub(rest, 0, spec.quoted ? quoted_string(front) : dot_string(front));
    if (!spec.local.n || spec.local.n > ADDRESS_LOCAL_MAX)
        return false;
    spec.utf8 = !utf8_ascii(spec.local);
    if (spec.utf8 && !(utf8 && utf8_valid(spec.local)))
        return false;
    at.at += spec.local.n;
    if (!cursor_take_char(&at, '@') || !take_domain(&at, utf8, &spec))
        return false;
    spec.utf8 |= !utf8_ascii(spec.domain);
    *out = spec;
    *c = at;
    return true;
}

bool address_parse(struct slice text, bool utf8, struct address_spec *out)
{
    struct cursor c = cursor(text);
    struct address_spec spec;
    if (!address_take(&c, utf8, &spec) || !cursor_end(&c))
        return false;
    *out = spec;
    return true;
}

/* ---- quoting ---- */

/* Into `out`, ADDRESS_LOCAL_MAX bytes at most. */
static struct slice unquoted(const struct address_spec *spec, char out[ADDRESS_LOCAL_MAX])
{
    struct slice s = spec->local;
    if (!spec->quoted)
        return s;
    size_t n = 0;
    for (size_t i = 1; i + 1 < s.n && n < ADDRESS_LOCAL_MAX; i++) {
        if (s.p[i] == '\\')
            i++;
        out[n++] = s.p[i];
    }
    return slice(out, n);
}

bool address_unquote(const struct address_spec *spec, struct buffer *to)
{
    char local[ADDRESS_LOCAL_MAX];
    return buffer_add(to, unquoted(spec, local));
}

bool address_quote(struct slice local, struct buffer *to)
{
    if (!utf8_valid(local))
        return false;
    if (local.n && dot_string(local) == local.n)
        return buffer_add(to, local);
    for (size_t i = 0; i < local.n; i++)
        if (!quotable(local.p[i]))
            return false;
    buffer_add_char(to, '"');
    for (size_t i = 0; i < local.n; i++) {
        if (local.p[i] == '"' || local.p[i] == '\\')
            buffer_add_char(to, '\\');
        buffer_add_char(to, local.p[i]);
    }
    return buffer_add_char(to, '"');
}

/* ---- canonical form ---- */

static bool add_lower(struct slice s, struct buffer *to)
{
    char *room = buffer_room(to, s.n);
    if (!room)
        return false;
    for (size_t i = 0; i < s.n; i++)
        room[i] = ascii_lower(s.p[i]);
    buffer_took(to, s.n);
    return true;
}

bool address_canonical_local(struct slice local, struct buffer *to)
{
    if (!local.n || local.n > 3 * ADDRESS_LOCAL_MAX)
        return false;
    if (utf8_ascii(local))
        return add_lower(local, to);
    if (!utf8_valid(local))
        return false;
    /* Decomposed first: case folding looks at single characters (Unicode D145). */
    size_t n;
    uint8_t *apart = u8_normalize(UNINORM_NFD, (const uint8_t *)local.p, local.n, NULL, &n);
    if (!apart)
        return false;
    size_t folded_n;
    uint8_t *folded = u8_casefold(apart, n, NULL, UNINORM_NFC, NULL, &folded_n);
    free(apart);
    bool ok =
        folded && folded_n <= 3 * ADDRESS_LOCAL_MAX && buffer_add(to, slice(folded, folded_n));
    free(folded);
    return ok;
}

static bool add_literal(struct slice literal, struct buffer *to)
{
    unsigned char address[16];
    char text[INET6_ADDRSTRLEN];
    int family = literal.n > 2 ? literal_address(literal, address) : 0;
    if (!family || !inet_ntop(family, address, text, sizeof text))
        return false;
    return buffer_add(to, family == AF_INET6 ? S("[IPv6:") : S("[")) &&
           buffer_add(to, slice_str(text)) && buffer_add_char(to, ']');
}

bool address_canonical_domain(struct slice domain, struct buffer *to)
{
    size_t before = to->n;
    if (domain.n && domain.p[0] == '[') {
        bool ok = slice_ends(domain, S("]")) && add_literal(domain, to);
        to->n = ok ? to->n : before;
        return ok;
    }
    if (!address_domain_valid(domain, true))
        return false;
    if (utf8_ascii(domain))
        return add_lower(domain, to);
    char text[ADDRESS_DOMAIN_MAX + 1];
    char *labels = NULL;
    if (!slice_to_cstr(domain, text, sizeof text))
        return false;
    /* The mapping makes ASCII of other characters, so the result is looked at again. */
    int error = idn2_to_ascii_8z(text, &labels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    bool ok = error == IDN2_OK && address_domain_valid(slice_str(labels), false) &&
              add_lower(slice_str(labels), to);
    idn2_free(labels);
    return ok;
}

bool address_canonical(const struct address_spec *spec, struct buffer *to)
{
    size_t before = to->n;
    char local[ADDRESS_LOCAL_MAX];
    bool ok = address_canonical_local(unquoted(spec, local), to) && buffer_add_char(to, '@') &&
              address_canonical_domain(spec->domain, to);
    if (!ok)
        to->n = before;
    return ok;
}

bool address_split(struct slice canonical, struct slice *local, struct slice *domain)
{
    size_t at = slice_rfind(canonical, '@');
    if (at == SLICE_NONE || at == 0 || at + 1 == canonical.n)
        return false;
    *local = slice_sub(canonical, 0, at);
    *domain = slice_from(canonical, at + 1);
    return true;
}

bool address_write(struct slice canonical, struct buffer *to)
{
    struct slice local, domain;
    size_t before = to->n;
    bool ok = address_split(canonical, &local, &domain) && address_quote(local, to) &&
              buffer_add_char(to, '@') && buffer_add(to, domain);
    if (!ok)
        to->n = before;
    return ok;
}
