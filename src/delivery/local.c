#include "delivery/local.h"
#include <stdlib.h>

#define FEW 4 /* recipients without an allocation */

struct apply {
    struct delivery_message *message;
    const struct store_new_blob *blob;
    struct delivery_recipient *recipient;
    struct delivery_plan plan;
    struct sent_add *sent; /* who writes is among the recipients */
};

void delivery_plan(const struct delivery_message *m, uint64_t account, struct delivery_plan *plan)
{
    *plan = (struct delivery_plan){.mailbox = MAILBOX_INBOX};
}

static enum outcome apply_fn(struct store_txn *t, void *arg)
{
    struct apply *a = arg;
    struct mailbox_append append = {
        .mailbox = a->plan.mailbox,
        .blob = a->blob->id,
        .size = a->blob->size,
        .flags = a->plan.flags,
        .date = a->message->now / 1000000,
        .now = a->message->now / 1000000,
        .rendered = a->message->rendered,
    };
    if (a->sent && sent_add(t, a->sent) == OUTCOME_FAILED)
        return OUTCOME_FAILED;
    enum outcome o = mailbox_append(t, &append);
    if (o == OUTCOME_DONE) {
        a->recipient->uid = append.uid;
        a->recipient->uidvalidity = append.uidvalidity;
    }
    return o;
}

struct enqueue {
    struct queue_new *queue;
    const struct store_new_blob *blob;
};

/* All or nothing: a queue that takes no more refuses the message for everybody. */
static enum outcome enqueue_fn(struct store_txn *t, void *arg)
{
    const struct enqueue *e = arg;
    for (struct queue_new *q = e->queue; q; q = q->next) {
        q->message.blob = e->blob->id;
        q->message.size = e->blob->size;
        if (queue_put(t, q) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

static enum outcome sent_fn(struct store_txn *t, void *arg)
{
    return sent_add(t, arg);
}

/* What a delivery needs for each recipient while the store has it; queue and writer have a place
 * too. */
struct work {
    struct store_mutation mutations[FEW + 2];
    struct apply applies[FEW];
    struct store_blob_owner owners[FEW];
};

/* Each partition has one mutation of an intent. */
static size_t count_sender(struct delivery_message *m, const struct delivery_recipient *recipients,
    size_t n, struct apply *applies, struct store_mutation *mutation)
{
    if (!m->sent)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (recipients[i].account == m->sender) {
            applies[i].sent = m->sent;
            return 0;
        }
    *mutation = (struct store_mutation){
        .partition = mailbox_partition(m->sender), .fn = sent_fn, .arg = m->sent};
    return 1;
}

/* The count alone is no delivery. */
static enum outcome kept(const struct delivery_message *m, const struct store_mutation *mutations,
    size_t n, enum outcome o)
{
    bool somewhere = m->queue != NULL;
    for (size_t i = 0; i < n; i++)
        somewhere |= mutations[i].outcome == OUTCOME_DONE;
    return o == OUTCOME_DONE && !somewhere ? OUTCOME_REFUSED : o;
}

static enum outcome submit(struct store *s, struct delivery_message *m,
    struct delivery_recipient *recipients, size_t n, struct store_mutation *mutations,
    struct apply *applies, struct store_blob_owner *owners, deadline until)
{
    struct store_new_blob blob = {
        .head = m->head, .body = m->body, .date = m->now, .owners = owners, .owner_count = n};
    for (size_t i = 0; i < n; i++) {
        applies[i] = (struct apply){.message = m, .blob = &blob, .recipient = &recipients[i]};
        delivery_plan(m, recipients[i].account, &applies[i].plan);
        owners[i] = (struct store_blob_owner){
            .account = recipients[i].account, .mailbox = applies[i].plan.mailbox};
        mutations[i] = (struct store_mutation){
            .partition = mailbox_partition(recipients[i].account),
            .fn = apply_fn,
            .arg = &applies[i],
        };
    }
    struct enqueue enqueue = {m->queue, &blob};
    size_t all = n;
    enum outcome o;
    if (m->queue)
        mutations[all++] = (struct store_mutation){
            .partition = queue_partition(NULL), .fn = enqueue_fn, .arg = &enqueue};
    all += count_sender(m, recipients, n, applies, &mutations[all]);
    if (all == 1) {
        o = store_mutate(s, mutations, &blob, until);
        mutations->outcome = o;
    } else {
        o = kept(m, mutations, n, store_intent(s, mutations, all, &blob, until));
    }
    for (size_t i = 0; i < n; i++)
        recipients[i].outcome = o == OUTCOME_DONE ? mutations[i].outcome : o;
    m->blob = blob.id;
    m->size = blob.size;
    return o;
}

TASK_FN
enum outcome delivery_local(struct store *s, struct delivery_message *m,
    struct delivery_recipient *recipients, size_t n, deadline until)
{
    struct work few;
    for (size_t i = 0; i < n; i++)
        recipients[i].outcome = OUTCOME_FAILED;
    if ((n == 0 && !m->queue) || n > DELIVERY_ACCOUNTS_MAX)
        return OUTCOME_FAILED;
    if (n <= FEW)
        return submit(s, m, recipients, n, few.mutations, few.applies, few.owners, until);
    struct store_mutation *mutations = calloc(n + 2, sizeof *mutations);
    struct apply *applies = calloc(n, sizeof *applies);
    struct store_blob_owner *owners = calloc(n, sizeof *owners);
    enum outcome o = OUTCOME_FAILED;
    if (mutations && applies && owners)
        o = submit(s, m, recipients, n, mutations, applies, owners, until);
    free(mutations);
    free(applies);
    free(owners);
    return o;
}
