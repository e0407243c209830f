/* Mail that leaves: the resolver, the couriers and the queue, and where reports about it go. */
#pragma once
#include "config/config.h"
#include "delivery/remote.h"
#include "directory/directory.h"
#include "queue/queue.h"
#include "server/handover.h"

struct outbound;

/* On the main thread, behind the sandbox, before the runtime. NULL: why. */
struct outbound *outbound_create(const struct config *c, struct slice anchor, char why[256]);
/* After the runtime. NULL is fine. */
void outbound_destroy(struct outbound *o);

/* What couriers go by under this config; fds are the snapshot's listeners. Lives as long as the
 * process. NULL: out of memory. */
const struct delivery_rules *outbound_rules(
    struct outbound *o, const struct config *c, const struct snapshot *s, const int *fds);
/* For couriers that begin from now on; what is queued follows. On reactor 0. */
void outbound_use(struct outbound *o, const struct delivery_rules *rules);
/* Names are asked for as this config says, from now on. On reactor 0, after outbound_open. False:
 * why; they are asked for as before. */
TASK_FN
bool outbound_names(struct outbound *o, const struct config *c, struct slice anchor, char why[256]);

/* On reactor 0, with rules. hostname outlives the queue. False: why. */
TASK_FN
bool outbound_open(struct outbound *o, struct store *store, struct directory *directory,
    int tmp_dir, const char *hostname, char why[256]);
/* From outbound_open on; NULL before. */
struct queue *outbound_queue(const struct outbound *o);
/* Couriers go. */
void outbound_start(struct outbound *o);
/* Couriers end; nothing is queued any more. Harmless when nothing was opened. */
TASK_FN
void outbound_stop(struct outbound *o, deadline until);
