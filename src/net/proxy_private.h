/* The PROXY protocol, versions 1 and 2, receiving side: a load balancer says in front of the first
 * byte who the client is (haproxy's proxy-protocol.txt). A pure parser. */
#pragma once
#include "net/peer.h"

/* A header may have this many bytes; version 2 allows 64 KiB of extras that nobody sends. */
#define PROXY_MAX ((size_t)4096)
/* No header of either version is shorter, so this many bytes may be read at first. */
#define PROXY_MIN ((size_t)15)

enum proxy_answer { PROXY_MORE, PROXY_DONE, PROXY_BAD };

struct proxy_header {
    bool named; /* false: LOCAL or UNKNOWN: the balancer speaks for itself, keep the socket's */
    struct peer source, destination;
};

/* `in` is what has come so far. MORE: *n is how many further bytes are certain to belong to the
 * header, so that reading them takes nothing from what follows. DONE: *n is the header's length.
 * Never answers MORE beyond PROXY_MAX. */
enum proxy_answer proxy_parse(struct slice in, struct proxy_header *header, size_t *n);
