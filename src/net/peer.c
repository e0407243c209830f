#include "net/peer.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

/* The network key of all unix sockets: as an IPv6 /64 it is reserved, so no peer has it. */
#define PEER_UNIX_KEY UINT64_C(1)
/* IPv4 addresses lie in 0:ffff::/32, which is never routed as IPv6. */
#define PEER_IPV4_KEY UINT64_C(0x0000ffff00000000)

static const struct sockaddr_in *peer_v4(const struct peer *p)
{
    return (const struct sockaddr_in *)(const void *)&p->addr;
}

static const struct sockaddr_in6 *peer_v6(const struct peer *p)
{
    return (const struct sockaddr_in6 *)(const void *)&p->addr;
}

/* An IPv4 address in IPv6 clothes becomes plain IPv4, so that every later question has one answer.
 */
static void peer_unmap(struct peer *p)
{
    struct sockaddr_in6 v6 = *peer_v6(p);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6.sin6_port};
    memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, 4);
    memset(&p->addr, 0, sizeof p->addr);
    memcpy(&p->addr, &v4, sizeof v4);
}

void peer_set(struct peer *p, const struct sockaddr *addr, socklen_t n)
{
    memset(p, 0, sizeof *p);
    size_t room = sizeof p->addr;
    memcpy(&p->addr, addr, n < room ? n : room);
    if (p->addr.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer_v6(p)->sin6_addr))
        peer_unmap(p);
    if (p->addr.ss_family == AF_INET) {
        inet_ntop(AF_INET, &peer_v4(p)->sin_addr, p->address, sizeof p->address);
        p->port = ntohs(peer_v4(p)->sin_port);
    } else if (p->addr.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &peer_v6(p)->sin6_addr, p->address, sizeof p->address);
        p->port = ntohs(peer_v6(p)->sin6_port);
    } else {
        p->unix_socket = true;
        memcpy(p->address, "unix", 5);
    }
}

struct slice peer_literal(const struct peer *p, char out[PEER_TEXT + 8])
{
    /* A unix socket has no literal of its own; it is this host. */
    const char *address = p->unix_socket ? "127.0.0.1" : p->address;
    const char *tag = p->addr.ss_family == AF_INET6 ? "IPv6:" : "";
    int n = snprintf(out, PEER_TEXT + 8, "[%s%s]", tag, address);
    return slice(out, (size_t)n);
}

uint64_t peer_network_key(const struct peer *p)
{
    if (p->addr.ss_family == AF_INET)
        return PEER_IPV4_KEY | ntohl(peer_v4(p)->sin_addr.s_addr);
    if (p->addr.ss_family != AF_INET6)
        return PEER_UNIX_KEY;
    uint64_t key = 0;
    for (int i = 0; i < 8; i++)
        key = key << 8 | peer_v6(p)->sin6_addr.s6_addr[i];
    return key;
}

bool peer_loopback(const struct peer *p)
{
    if (p->addr.ss_family == AF_INET)
        return ntohl(peer_v4(p)->sin_addr.s_addr) >> 24 == 127;
    if (p->addr.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&peer_v6(p)->sin6_addr);
    return p->unix_socket;
}

bool peer_same_address(const struct peer *a, const struct peer *b)
{
    if (a->addr.ss_family != b->addr.ss_family)
        return false;
    if (a->addr.ss_family == AF_INET)
        return peer_v4(a)->sin_addr.s_addr == peer_v4(b)->sin_addr.s_addr;
    if (a->addr.ss_family == AF_INET6)
        return memcmp(&peer_v6(a)->sin6_addr, &peer_v6(b)->sin6_addr, 16) == 0;
    return true;
}

bool peer_network_parse(struct slice text, struct peer_network *n)
{
    struct slice rest = text, address = slice_cut(&rest, '/');
    char host[PEER_TEXT];
    uint64_t bits;
    memset(n, 0, sizeof *n);
    if (!slice_to_cstr(address, host, sizeof host))
        return false;
    uint8_t *b = n->bytes;
    unsigned most = 32;
    if (inet_pton(AF_INET, host, b) == 1)
        n->family = AF_INET;
    else if (inet_pton(AF_INET6, host, b) == 1)
        n->family = AF_INET6, most = 128;
    else
        return false;
    n->bits = most;
    if (address.n != text.n) {
        if (!slice_to_u64(rest, most, &bits))
            return false;
        n->bits = (unsigned)bits;
    }
    return true;
}

bool peer_network_holds(const struct peer_network *n, const struct peer *p)
{
    if (p->addr.ss_family != n->family)
        return false;
    const void *address = n->family == AF_INET ? (const void *)&peer_v4(p)->sin_addr
                                               : (const void *)&peer_v6(p)->sin6_addr;
    const uint8_t *a = address;
    unsigned whole = n->bits / 8, left = n->bits % 8;
    if (memcmp(a, n->bytes, whole) != 0)
        return false;
    return left == 0 || (a[whole] ^ n->bytes[whole]) >> (8 - left) == 0;
}
