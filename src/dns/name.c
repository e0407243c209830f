#include "dns/dns_private.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static bool host_byte(char c)
{
    return ascii_alnum(c) || c == '-' || c == '_';
}

bool dns_name_read(struct slice wire, char text[DNS_NAME_MAX], size_t *n, size_t *used)
{
    size_t at = 0, out = 0;
    for (;;) {
        if (at >= wire.n)
            return false;
        size_t label = (unsigned char)wire.p[at++];
        if (!label)
            break;
        if (label > 63 || label > wire.n - at || out + label + 1 >= DNS_NAME_MAX)
            return false;
        if (out)
            text[out++] = '.';
        for (size_t i = 0; i < label; i++) {
            char c = wire.p[at++];
            if (!host_byte(c))
                return false;
            text[out++] = ascii_lower(c);
        }
    }
    *n = out;
    *used = at;
    return true;
}

static size_t reverse_6(const uint8_t bytes[16], char out[80])
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (int i = 15; i >= 0; i--) {
        out[n++] = hex[bytes[i] & 15];
        out[n++] = '.';
        out[n++] = hex[bytes[i] >> 4];
        out[n++] = '.';
    }
    memcpy(out + n, "ip6.arpa", 9);
    return n + 8;
}

size_t dns_reverse(const struct sockaddr *address, char out[80])
{
    const uint8_t *b;
    if (address->sa_family == AF_INET) {
        b = (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *six =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        b = six->s6_addr;
        if (!IN6_IS_ADDR_V4MAPPED(six))
            return reverse_6(b, out);
        b += 12;
    } else {
        out[0] = '\0';
        return 0;
    }
    return (size_t)snprintf(out, 80, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
}
