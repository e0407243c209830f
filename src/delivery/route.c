#include "delivery/route.h"
#include <arpa/inet.h>
#include <unistd.h>

bool delivery_relay_parse(struct slice text, char host[DELIVERY_HOST_MAX], uint16_t *port)
{
    size_t colon = slice_rfind(text, ':');
    uint64_t value;
    if (colon == SLICE_NONE || !slice_to_u64(slice_from(text, colon + 1), 65535, &value) || !value)
        return false;
    struct slice name = slice_sub(text, 0, colon);
    if (slice_starts(name, S("[")) && slice_ends(name, S("]")))
        name = slice_sub(name, 1, name.n - 2);
    else if (slice_find(name, ':') != SLICE_NONE)
        return false;
    *port = (uint16_t)value;
    return name.n && slice_to_cstr(name, host, DELIVERY_HOST_MAX);
}

bool delivery_address_parse(struct slice text, struct sockaddr_storage *to, socklen_t *n)
{
    char name[INET6_ADDRSTRLEN];
    struct sockaddr_in *four = (void *)to;
    struct sockaddr_in6 *six = (void *)to;
    memset(to, 0, sizeof *to);
    if (slice_starts(text, S("[")) && slice_ends(text, S("]"))) {
        text = slice_sub(text, 1, text.n - 2);
        if (slice_starts_nocase(text, S("IPv6:")))
            text = slice_from(text, 5);
    }
    if (!slice_to_cstr(text, name, sizeof name))
        return false;
    if (inet_pton(AF_INET, name, &four->sin_addr) == 1) {
        to->ss_family = AF_INET;
        *n = sizeof *four;
        return true;
    }
    to->ss_family = AF_INET6;
    *n = sizeof *six;
    return inet_pton(AF_INET6, name, &six->sin6_addr) == 1;
}

void delivery_address_port(struct sockaddr_storage *to, uint16_t port)
{
    if (to->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)to)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)(void *)to)->sin_port = htons(port);
}

/* An address with its port; IPv4 inside of IPv6 becomes what it is. */
struct place {
    int family;
    uint16_t port;
    uint8_t bytes[16];
};

static struct place place_of(const struct sockaddr *a)
{
    struct place p = {.family = a->sa_family};
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)a;
        p.port = ntohs(six->sin6_port);
        memcpy(p.bytes, &six->sin6_addr, 16);
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
            p.family = AF_INET;
            memcpy(p.bytes, six->sin6_addr.s6_addr + 12, 4);
            memset(p.bytes + 4, 0, 12);
        }
    } else if (a->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)a;
        p.port = ntohs(four->sin_port);
        memcpy(p.bytes, &four->sin_addr, 4);
    }
    return p;
}

static bool unspecified(const struct place *p)
{
    static const uint8_t zero[16];
    return !memcmp(p->bytes, zero, 16);
}

static socklen_t address_of(const struct place *p, uint16_t port, struct sockaddr_storage *to)
{
    struct sockaddr_in *four = (void *)to;
    struct sockaddr_in6 *six = (void *)to;
    *to = (struct sockaddr_storage){.ss_family = (sa_family_t)p->family};
    delivery_address_port(to, port);
    if (p->family == AF_INET6)
        memcpy(&six->sin6_addr, p->bytes, 16);
    else
        memcpy(&four->sin_addr, p->bytes, 4);
    return p->family == AF_INET6 ? sizeof *six : sizeof *four;
}

static bool binds(const struct place *p)
{
    struct sockaddr_storage a;
    socklen_t n = address_of(p, 0, &a);
    int fd = socket(p->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&a, n) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Would a packet to it come from it? Nothing is sent. */
static bool is_its_own_source(const struct place *p)
{
    struct sockaddr_storage a;
    socklen_t n = address_of(p, 25, &a);
    int fd = socket(p->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&a, n) == 0 &&
              getsockname(fd, (struct sockaddr *)&a, &n) == 0;
    if (fd >= 0)
        close(fd);
    struct place from = place_of((const struct sockaddr *)&a);
    return ok && !memcmp(from.bytes, p->bytes, sizeof from.bytes);
}

/* Does this machine have the address? Only then a socket can be bound to it, unless the kernel lets
 * sockets be bound to any (ip_nonlocal_bind, where addresses move between machines). */
static bool on_this_machine(const struct place *p)
{
    static const struct place nobodys[] = {{.family = AF_INET, .bytes = {240, 0, 0, 1}},
        {.family = AF_INET6, .bytes = {1, [15] = 1}}}; /* 100::1, to be discarded */
    return binds(p) && (!binds(&nobodys[p->family == AF_INET6]) || is_its_own_source(p));
}

static bool is_ours(const struct delivery_rules *r, const struct sockaddr *to)
{
    struct place p = place_of(to);
    for (size_t i = 0; i < r->listen_n; i++) {
        struct place l = place_of((const struct sockaddr *)&r->listen[i]);
        if (l.port != p.port)
            continue;
        if (l.family == p.family && !memcmp(l.bytes, p.bytes, sizeof l.bytes))
            return true;
        if (unspecified(&l) && on_this_machine(&p))
            return true;
    }
    return false;
}

/* Not to be reached over the public Internet (RFC 6890), and no unicast address. */
static bool is_private(const struct peer *peer)
{
    static const char *const blocks[] = {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
        "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "224.0.0.0/3", "::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"};
    struct peer_network network;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (peer_network_parse(slice_str(blocks[i]), &network) &&
            peer_network_holds(&network, peer))
            return true;
    return false;
}

/* IPv4 inside of IPv6 is looked at as what it is. */
static void peer_of(const struct sockaddr *to, const struct place *p, struct peer *peer)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    memcpy(&four.sin_addr, p->bytes, 4);
    if (p->family == AF_INET)
        peer_set(peer, (const struct sockaddr *)&four, sizeof four);
    else
        peer_set(peer, to, sizeof(struct sockaddr_in6));
}

enum delivery_address delivery_address_judge(
    const struct delivery_rules *r, const struct sockaddr *to, bool chosen)
{
    struct place p = place_of(to);
    struct peer peer;
    if (unspecified(&p) || is_ours(r, to))
        return DELIVERY_ADDRESS_OURS;
    peer_of(to, &p, &peer);
    if (r->allow_private || chosen || !is_private(&peer))
        return DELIVERY_ADDRESS_FINE;
    return peer_loopback(&peer) ? DELIVERY_ADDRESS_OURS : DELIVERY_ADDRESS_PRIVATE;
}
