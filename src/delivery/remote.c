#include "delivery/remote.h"
#include "delivery/remote_private.h"
#include <stdlib.h>

#define STORE (60 * CLOCK_SEC)

static struct queue_settlement *room_for(struct courier *c, const struct queue_item *item)
{
    return arena_array(&c->item, struct queue_settlement, item->n);
}

/* The next message; what was there of the last one is gone. */
static bool take(struct courier *c, struct queue_item *item)
{
    do {
        arena_reset(&c->item);
        if (!queue_next(c->batch, &c->item, item, deadline_in(STORE)) ||
            !remote_sort(c, item, deadline_in(STORE)))
            return false;
    } while (!item->n);
    return true;
}

static bool settle(
    struct courier *c, const struct queue_item *item, const struct queue_settlement *settlements)
{
    return queue_settle(c->batch, item, settlements, deadline_in(STORE));
}

/* The route leads nowhere, for as many as are due. */
static void fail_all(struct courier *c, struct queue_item *item)
{
    do {
        struct queue_settlement *s = room_for(c, item);
        if (!s)
            return;
        for (size_t i = 0; i < item->n; i++)
            s[i] = c->why;
        if (!settle(c, item, s))
            return;
    } while (take(c, item));
}

static bool outdated(const struct courier *c)
{
    return c->rules != atomic_load(&c->remote->rules);
}

/* What went wrong by rules that hold no more says nothing: others try again at once. */
static void give_up(struct courier *c, struct queue_item *item, enum reach reach)
{
    if (outdated(c))
        return;
    if (reach == REACH_DOWN)
        queue_route_down(c->batch, &c->why);
    else if (reach == REACH_NEVER)
        fail_all(c, item);
}

static bool may_take_more(struct courier *c)
{
    if (outdated(c))
        return false;
    if (c->client)
        return smtp_client_alive(c->client) && c->messages < DELIVERY_MESSAGES_MAX &&
               clock_now() < c->old;
    if (++c->left_out < DELIVERY_MESSAGES_MAX)
        return true;
    if (c->why.verdict == QUEUE_DEFERRED)
        queue_route_down(c->batch, &c->why);
    return false;
}

/* This message does not go, others of the route may: they ask for less, or for more. */
static void leave(struct courier *c, const struct queue_item *item, struct queue_settlement *s)
{
    remote_disconnect(c);
    c->blocked = true;
    c->blocked_need = c->need;
    for (size_t i = 0; i < item->n; i++)
        s[i] = c->why;
}

/* The next message of the route, or what comes while the connection is still warm. */
static bool go_on(struct courier *c, struct queue_item *item)
{
    while (may_take_more(c)) {
        if (take(c, item))
            return true;
        if (!c->client || !queue_await(c->batch, deadline_in(DELIVERY_IDLE)))
            return false;
    }
    return false;
}

static void work(struct courier *c, struct queue_item *item)
{
    enum reach reach = remote_find(c);
    while (reach == REACH_OK) {
        struct queue_settlement *s = room_for(c, item);
        reach = s ? remote_ready(c, item) : REACH_STOP;
        if (reach == REACH_OK)
            reach = remote_send(c, item, s);
        if (reach == REACH_MESSAGE) {
            leave(c, item, s);
            reach = REACH_OK;
        }
        if (reach != REACH_OK)
            break;
        if (!settle(c, item, s) || !go_on(c, item))
            return;
    }
    give_up(c, item, reach);
}

void delivery_remote_carry(void *arg, struct queue_batch *batch)
{
    struct delivery_remote *remote = arg;
    struct courier *c = calloc(1, sizeof *c);
    struct queue_item item;
    if (!c)
        return;
    c->remote = remote;
    c->rules = atomic_load(&remote->rules);
    c->batch = batch;
    arena_init(&c->names, DELIVERY_DNS_MAX);
    arena_init(&c->scratch, DELIVERY_DNS_MAX);
    arena_init(&c->item, DELIVERY_ITEM_MAX);
    if (take(c, &item))
        work(c, &item);
    remote_disconnect(c);
    arena_reset(&c->names);
    arena_reset(&c->scratch);
    arena_reset(&c->item);
    free(c);
}
