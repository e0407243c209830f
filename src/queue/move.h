/* Entries that are filed under another route than before: because the administrator changed where
 * mail goes. Neither an attempt nor a report. */
#pragma once
#include "queue/queue.h"

/* The route that this entry is to have: in room, or anything that lives as long as the call needs
 * it; empty: it keeps its own. Pure. */
typedef struct slice (*queue_move_route)(void *arg, const struct queue_message *m,
    const struct queue_entry *e, char room[QUEUE_ROUTE_MAX]);

/* A courier's: what goes elsewhere is filed there and is no more the batch's nor in the item.
 * False: the store failed: return from carry. */
TASK_FN
bool queue_move_item(struct queue_batch *b, struct queue_item *item, queue_move_route route,
    void *arg, deadline until);
/* Every entry, but those that a courier has just now. Nothing is done when the queue was gone
 * through under this mark before. Returns early, and begins anew when it is called again, when the
 * store fails or the queue stops. */
TASK_FN
enum outcome queue_move_all(struct queue *q, uint32_t mark, queue_move_route route, void *arg,
    uint64_t *moved, deadline until);
/* A route is tried now, whatever its back-off says. */
TASK_FN
void queue_move_up(struct queue *q, struct slice route, deadline until);
