/* Does the mail of a batch still take its route? The rules may have changed since it was filed. */
#include "base/log.h"
#include "delivery/here.h"
#include "delivery/remote_private.h"
#include "queue/move.h"

/* Without ways that the administrator chose, a route that is a domain is right. */
static bool plain(const struct delivery_rules *r, struct slice route)
{
    const struct delivery_hop *first;
    struct slice domain;
    return !delivery_table_hops(r->table, &first) &&
           !delivery_table_hop(r->table, route, &domain) && slice_eq(domain, route);
}

struct slice remote_sort_route(void *arg, const struct queue_message *m,
    const struct queue_entry *e, char room[QUEUE_ROUTE_MAX])
{
    const struct delivery_rules *rules = arg;
    struct slice route;
    if (delivery_here_route(e->route) || plain(rules, e->route) ||
        !delivery_table_route_of(rules->table, e->recipient, m->sender, room, &route))
        return S("");
    return route;
}

bool remote_sort(struct courier *c, struct queue_item *item, deadline until)
{
    char room[QUEUE_ROUTE_MAX];
    void *rules = (struct delivery_rules *)c->rules;
    bool fine = true;
    if (plain(c->rules, queue_batch_route(c->batch)))
        return true;
    for (size_t i = 0; i < item->n && fine; i++) {
        const struct queue_entry *e = &item->entries[i];
        struct slice route = remote_sort_route(rules, &item->message, e, room);
        fine = !route.n || slice_eq(route, e->route);
    }
    return fine || queue_move_item(c->batch, item, remote_sort_route, rules, until);
}

TASK_FN
void delivery_remote_refile(const struct delivery_rules *r, struct queue *q)
{
    uint64_t moved;
    enum outcome o = queue_move_all(q, delivery_table_mark(r->table), remote_sort_route,
        (struct delivery_rules *)r, &moved, DEADLINE_NEVER);
    if (moved)
        log_info("refiled", log_int("entries", (int64_t)moved));
    if (o != OUTCOME_DONE && !task_cancelled())
        log_warn("refiling stopped", log_text("action", "what is due is looked at all the same"));
}
