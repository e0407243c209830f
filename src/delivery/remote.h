/* The courier: carries a batch of the queue to other servers (RFC 5321 §5).
 *
 * The route is a domain, whose MX hosts are tried by preference, each by its addresses; or a
 * host that the administrator chose (delivery/table.h). TLS whenever it is offered; without it only
 * when no policy forbids: DANE (RFC 7672) goes before MTA-STS (RFC 8461), and a message may ask for
 * more (REQUIRETLS) or less (TLS-Required: No; RFC 8689). One connection takes many messages of the
 * route. Every entry that was taken is settled, or goes back with the route that cannot be reached.
 */
#pragma once
#include "delivery/route.h"
#include "dns/dns.h"
#include "net/dial.h"
#include "queue/queue.h"

#define DELIVERY_MESSAGES_MAX 100                  /* of one connection */
#define DELIVERY_CONNECTION   (5 * 60 * CLOCK_SEC) /* then it takes no further message */
#define DELIVERY_IDLE         (1 * CLOCK_SEC) /* a connection waits so long for the next message */
#define DELIVERY_TRIES_MAX    20              /* addresses of one batch */
#define DELIVERY_DIAL         (30 * CLOCK_SEC)
#define DELIVERY_MESSAGE      (3600 * CLOCK_SEC) /* one transaction */

struct sts;
struct tlsrpt;

struct delivery_remote {
    struct store *store;
    struct dns *dns;
    struct sts *sts;       /* NULL: no MTA-STS */
    struct tlsrpt *tlsrpt; /* NULL: nothing is counted */
    /* The present rules; couriers keep those they began with, so none is ever freed while the queue
     * runs. */
    const struct delivery_rules *_Atomic rules;
};

/* As queue_options.carry; arg is a struct delivery_remote. */
TASK_FN
void delivery_remote_carry(void *arg, struct queue_batch *batch);
/* Files what waits under the routes that these rules say; nothing is done when that was done
 * before. Returns early when the queue stops. */
TASK_FN
void delivery_remote_refile(const struct delivery_rules *r, struct queue *q);
