/* Who is at the other end, as text and as keys for limits. */
#pragma once
#include "base/slice.h"
#include <sys/socket.h>

#define PEER_TEXT 64

struct peer {
    struct sockaddr_storage addr;
    char address[PEER_TEXT]; /* "192.0.2.1", "2001:db8::1" (IPv4-mapped shown as IPv4), "unix" */
    uint16_t port;
    bool unix_socket;
    bool has_uid; /* of a unix socket: the system says whose process connected */
    uint32_t uid;
};

void peer_set(struct peer *p, const struct sockaddr *addr, socklen_t n);
/* As in Received and HELO checks: "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3). */
struct slice peer_literal(const struct peer *p, char out[PEER_TEXT + 8]);
/* The network that limits count by: an IPv4 address, an IPv6 /64; unix sockets are all one. Same
 * key, same network. */
uint64_t peer_network_key(const struct peer *p);
bool peer_loopback(const struct peer *p);
bool peer_same_address(const struct peer *a, const struct peer *b);

/* A block of addresses, for lists of trusted peers. */
struct peer_network {
    int family;
    unsigned bits;
    uint8_t bytes[16];
};

/* "192.0.2.0/24", "2001:db8::/32", "192.0.2.1". */
bool peer_network_parse(struct slice text, struct peer_network *n);
bool peer_network_holds(const struct peer_network *n, const struct peer *p);
