/* Where mail may go: the rules of couriers, which addresses are refused, how hosts are written. */
#pragma once
#include "net/dial.h"
#include "net/peer.h"
#include <netinet/in.h>

#define DELIVERY_HOST_MAX   256
#define DELIVERY_LISTEN_MAX 64

struct delivery_table; /* delivery/table.h */

/* Of one config; lives as long as couriers may use it. */
struct delivery_rules {
    char hostname[DELIVERY_HOST_MAX];   /* of EHLO; an MX of this name is ourselves */
    uint16_t port;                      /* of MX hosts */
    const struct delivery_table *table; /* ways that are not by MX; NULL: there are none */
    bool allow_private;
    struct dial_trust *trust;
    bool authorities;     /* trust has some */
    uint16_t policy_port; /* of MTA-STS policy hosts */
    bool tls_reports;
    /* Where we take mail: those are ourselves. The wildcard address stands for all that are ours.
     */
    struct sockaddr_storage listen[DELIVERY_LISTEN_MAX];
    size_t listen_n;
};

/* "HOST:PORT", "192.0.2.1:25", "[2001:db8::1]:25". False: it is none. */
bool delivery_relay_parse(struct slice text, char host[DELIVERY_HOST_MAX], uint16_t *port);
/* "192.0.2.1", "2001:db8::1", and both as literals of mail, "[192.0.2.1]", "[IPv6:2001:db8::1]".
 * The port stays 0. */
bool delivery_address_parse(struct slice text, struct sockaddr_storage *to, socklen_t *n);
void delivery_address_port(struct sockaddr_storage *to, uint16_t port);

enum delivery_address {
    DELIVERY_ADDRESS_FINE,
    DELIVERY_ADDRESS_OURS,    /* mail would come back to us: 5.4.6 */
    DELIVERY_ADDRESS_PRIVATE, /* refused, as RFC 1918, link-local ... : 5.4.4 */
};
/* Of an address with its port. chosen: the administrator named it (a smarthost): private ones are
 * fine. */
enum delivery_address delivery_address_judge(
    const struct delivery_rules *r, const struct sockaddr *to, bool chosen);
