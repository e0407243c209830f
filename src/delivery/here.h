/* The courier for accounts of ours: mail that was held and is due now (RFC 4865), and reports about
 * mail that is in its mailbox already (RFC 3461 §5.2.3).
 *
 * Its routes begin with '!', which no domain and no relay does. They enter the queue in the intent
 * that keeps the message, so that a crash loses neither it nor the report. Delivering is one
 * intent, settling the next: a crash in between delivers twice, as everywhere in the queue. */
#pragma once
#include "directory/directory.h"
#include "queue/queue.h"

#define DELIVERY_HERE     S("!here")     /* to be delivered */
#define DELIVERY_TOLD     S("!told")     /* was: the sender gets the report "delivered" */
#define DELIVERY_EXPANDED S("!expanded") /* was, to several: "expanded" (§5.2.7.3) */
/* An alias sends it on to one address elsewhere, under a sender of ours: "relayed", since nobody
 * will tell the sender more. */
#define DELIVERY_SENT_ON S("!relayed")

struct delivery_here {
    struct store *store;
    struct directory *directory;
};

/* Is the route of a batch one of these? */
bool delivery_here_route(struct slice route);
/* As queue_options.carry, for such a batch; arg is a struct delivery_here. */
TASK_FN
void delivery_here_carry(void *arg, struct queue_batch *batch);
