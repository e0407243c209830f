#include "base/pack.h"
#include "net/proxy_private.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#define PROXY_V1_MAX  107 /* with CRLF, of the longest line (proxy-protocol.txt §2.1) */
#define PROXY_V2_HEAD 16

#define PROXY_V2_SIGNATURE S("\r\n\r\n\0\r\nQUIT\n")

static bool proxy_v1_address(struct slice address, struct slice port, int family, struct peer *p)
{
    char text[PEER_TEXT];
    uint64_t number;
    if (!slice_to_cstr(address, text, sizeof text) || port.n > 5 ||
        !slice_to_u64(port, UINT16_MAX, &number))
        return false;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number)};
    if (family == AF_INET) {
        if (inet_pton(AF_INET, text, &v4.sin_addr) != 1)
            return false;
        peer_set(p, (const struct sockaddr *)&v4, sizeof v4);
    } else {
        if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
            return false;
        peer_set(p, (const struct sockaddr *)&v6, sizeof v6);
    }
    return true;
}

/* line: without CRLF. "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25" */
static enum proxy_answer proxy_v1_line(struct slice line, struct proxy_header *h)
{
    struct slice rest = slice_from(line, 6);
    struct slice kind = slice_cut(&rest, ' ');
    if (slice_eq(kind, S("UNKNOWN")))
        return PROXY_DONE; /* what stands behind it is to be ignored */
    int family = slice_eq(kind, S("TCP4")) ? AF_INET : slice_eq(kind, S("TCP6")) ? AF_INET6 : 0;
    if (!family)
        return PROXY_BAD;
    struct slice source = slice_cut(&rest, ' '), destination = slice_cut(&rest, ' ');
    struct slice source_port = slice_cut(&rest, ' ');
    h->named = proxy_v1_address(source, source_port, family, &h->source) &&
               proxy_v1_address(destination, rest, family, &h->destination);
    return h->named ? PROXY_DONE : PROXY_BAD;
}

static enum proxy_answer proxy_v1(struct slice in, struct proxy_header *h, size_t *n)
{
    static const struct slice name = S("PROXY ");
    if (!slice_eq(slice_sub(in, 0, name.n), slice_sub(name, 0, in.n)))
        return PROXY_BAD;
    size_t lf = slice_find(slice_sub(in, 0, PROXY_V1_MAX), '\n');
    if (lf != SLICE_NONE) {
        if (lf < 8 || in.p[lf - 1] != '\r')
            return PROXY_BAD;
        *n = lf + 1;
        return proxy_v1_line(slice_sub(in, 0, lf - 1), h);
    }
    if (in.n >= PROXY_V1_MAX)
        return PROXY_BAD;
    if (in.n < PROXY_MIN)
        *n = PROXY_MIN - in.n;
    else
        *n = in.p[in.n - 1] == '\r' ? 1 : 2;
    if (*n > PROXY_V1_MAX - in.n)
        *n = PROXY_V1_MAX - in.n;
    return PROXY_MORE;
}

static void proxy_v2_inet(const char *body, struct proxy_header *h)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    memcpy(&from.sin_addr, body, 4);
    memcpy(&to.sin_addr, body + 4, 4);
    memcpy(&from.sin_port, body + 8, 2);
    memcpy(&to.sin_port, body + 10, 2);
    peer_set(&h->source, (const struct sockaddr *)&from, sizeof from);
    peer_set(&h->destination, (const struct sockaddr *)&to, sizeof to);
    h->named = true;
}

static void proxy_v2_inet6(const char *body, struct proxy_header *h)
{
    struct sockaddr_in6 from = {.sin6_family = AF_INET6}, to = {.sin6_family = AF_INET6};
    memcpy(&from.sin6_addr, body, 16);
    memcpy(&to.sin6_addr, body + 16, 16);
    memcpy(&from.sin6_port, body + 32, 2);
    memcpy(&to.sin6_port, body + 34, 2);
    peer_set(&h->source, (const struct sockaddr *)&from, sizeof from);
    peer_set(&h->destination, (const struct sockaddr *)&to, sizeof to);
    h->named = true;
}

static enum proxy_answer proxy_v2(struct slice in, struct proxy_header *h, size_t *n)
{
    if (in.n < PROXY_V2_HEAD) {
        *n = PROXY_V2_HEAD - in.n;
        return PROXY_MORE;
    }
    unsigned version = (unsigned char)in.p[12] >> 4, command = in.p[12] & 0x0f;
    unsigned family = (unsigned char)in.p[13] >> 4, transport = in.p[13] & 0x0f;
    size_t length = unpack_u16(in.p + 14);
    if (version != 2 || command > 1 || length > PROXY_MAX - PROXY_V2_HEAD)
        return PROXY_BAD;
    *n = PROXY_V2_HEAD + length;
    if (in.n < *n) {
        *n -= in.n;
        return PROXY_MORE;
    }
    const char *body = in.p + PROXY_V2_HEAD;
    if (command == 0 || family == 0)
        return PROXY_DONE; /* LOCAL: a health check; UNSPEC: not told */
    if (transport != 1)
        return PROXY_BAD; /* mail is a stream */
    if (family == 1 && length >= 12)
        proxy_v2_inet(body, h);
    else if (family == 2 && length >= 36)
        proxy_v2_inet6(body, h);
    else if (family == 3 && length >= 216)
        return PROXY_DONE; /* unix: its path means nothing here; the balancer's address stays */
    else
        return PROXY_BAD;
    return PROXY_DONE;
}

enum proxy_answer proxy_parse(struct slice in, struct proxy_header *header, size_t *n)
{
    memset(header, 0, sizeof *header);
    *n = PROXY_MIN;
    if (in.n == 0)
        return PROXY_MORE;
    if (in.p[0] == 'P')
        return proxy_v1(in, header, n);
    struct slice signature = PROXY_V2_SIGNATURE;
    if (!slice_eq(slice_sub(in, 0, signature.n), slice_sub(signature, 0, in.n)))
        return PROXY_BAD;
    return proxy_v2(in, header, n);
}
