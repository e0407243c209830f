#include "base/hash.h"
#include "queue/queue_private.h"
#include <stdlib.h>

static uint64_t hash_of(uint64_t message, uint32_t index)
{
    uint64_t both[2] = {message, index};
    return hash_slice(slice(both, sizeof both));
}

static struct claim *find(struct queue *q, uint64_t message, uint32_t index)
{
    struct table_node *n = table_find(&q->claims, hash_of(message, index));
    for (; n; n = table_find_next(n)) {
        struct claim *c = list_entry(n, struct claim, node);
        if (c->message == message && c->index == index)
            return c;
    }
    return NULL;
}

bool claim_take(struct queue *q, struct list *owner, const struct queue_row_due *due)
{
    struct claim *c = calloc(1, sizeof *c);
    if (!c)
        return false;
    c->message = due->message;
    c->index = due->index;
    c->account = due->account;
    c->next = due->next;
    pthread_mutex_lock(&q->mutex);
    bool taken = !find(q, c->message, c->index) &&
                 table_insert(&q->claims, &c->node, hash_of(c->message, c->index));
    pthread_mutex_unlock(&q->mutex);
    if (taken)
        list_push_back(owner, &c->in);
    else
        free(c);
    return taken;
}

bool claim_owned(struct queue *q, uint64_t message, uint32_t index)
{
    pthread_mutex_lock(&q->mutex);
    bool owned = find(q, message, index) != NULL;
    pthread_mutex_unlock(&q->mutex);
    return owned;
}

void claim_release(struct queue *q, struct claim *c)
{
    pthread_mutex_lock(&q->mutex);
    table_remove(&q->claims, &c->node);
    pthread_mutex_unlock(&q->mutex);
    list_remove(&c->in);
    free(c);
}

struct claim *claim_of(struct list *owner, uint64_t message, uint32_t index)
{
    list_for(owner, node)
    {
        struct claim *c = list_entry(node, struct claim, in);
        if (c->message == message && c->index == index)
            return c;
    }
    return NULL;
}
