#include "delivery/here.h"
#include "delivery/local.h"
#include "delivery/verdict.h"
#include "mailbox/quota.h"
#include "message/address.h"
#include <stdlib.h>

#define STORE    (60 * CLOCK_SEC)
#define ITEM_MAX ((size_t)2 * 1024 * 1024)

/* What a resolution fills. */
struct found {
    struct directory_recipient recipients[DIRECTORY_RECIPIENTS_MAX];
    char remote[DIRECTORY_REMOTE_BYTES];
};

/* One message at work. */
struct here {
    struct delivery_here *of;
    const struct queue_item *item;
    struct found *found;
    struct directory_resolution resolved; /* of the entry under way */
    uint64_t *done;                       /* accounts that have it already */
    size_t done_n, done_room;
};

/* One account's, inside the mutation. */
struct copy {
    const struct queue_message *message;
    uint64_t account;
    int64_t now;
    struct delivery_plan plan;
};

bool delivery_here_route(struct slice route)
{
    return slice_starts(route, S("!"));
}

/* ---- who it is ---- */

TASK_FN
static enum directory_resolved resolve(struct here *h, struct slice address, deadline until)
{
    struct address_spec spec;
    struct buffer local;
    struct directory_resolution *r = &h->resolved;
    enum directory_resolved answer = DIRECTORY_RESOLVE_UNKNOWN;
    if (!h->found && !(h->found = calloc(1, sizeof *h->found)))
        return DIRECTORY_RESOLVE_BUSY;
    *r = (struct directory_resolution){.recipients = h->found->recipients,
        .room = DIRECTORY_RECIPIENTS_MAX,
        .remote = h->found->remote,
        .remote_room = sizeof h->found->remote};
    buffer_init(&local, QUEUE_ADDRESS_MAX);
    if (slice_find(address, '@') == SLICE_NONE) /* <postmaster> */
        answer = directory_resolve(h->of->directory, address, S(""), r, until);
    else if (address_parse(address, true, &spec) && address_unquote(&spec, &local))
        answer = directory_resolve(h->of->directory, buffer_slice(&local), spec.domain, r, until);
    buffer_finish(&local);
    return answer;
}

static bool someone_enabled(const struct directory_resolution *r)
{
    bool enabled = r->postmaster;
    for (size_t i = 0; i < r->n; i++)
        enabled |= !r->recipients[i].disabled;
    return enabled;
}

/* Has one of them room for it? The others overdraw by this message. */
TASK_FN
static enum quota_answer room(struct here *h, deadline until)
{
    const struct directory_resolution *r = &h->resolved;
    enum quota_answer worst = QUOTA_NEVER;
    for (size_t i = 0; i < r->n; i++) {
        struct quota_hold hold;
        enum quota_answer answer = quota_take(h->of->store, r->recipients[i].account,
            r->recipients[i].quota, h->item->message.size, &hold, until);
        quota_drop(&hold);
        if (answer == QUOTA_OK)
            return answer;
        if (answer != QUOTA_NEVER)
            worst = answer;
    }
    return r->postmaster ? QUOTA_OK : worst;
}

/* ---- into the mailboxes ---- */

static enum outcome append_fn(struct store_txn *t, void *arg)
{
    const struct copy *c = arg;
    struct mailbox_append append = {.mailbox = c->plan.mailbox,
        .blob = c->message->blob,
        .size = c->message->size,
        .flags = c->plan.flags,
        .date = c->now,
        .now = c->now};
    return mailbox_append(t, &append);
}

static bool is_done(const struct here *h, uint64_t account)
{
    for (size_t i = 0; i < h->done_n; i++)
        if (h->done[i] == account)
            return true;
    return false;
}

/* Without memory for it a second address of an account brings a second copy. */
static void note_done(
    struct here *h, const struct store_mutation *m, const struct copy *copies, size_t n)
{
    if (h->done_n + n > h->done_room) {
        uint64_t *more = reallocarray(h->done, h->done_n + n, sizeof *more);
        if (!more)
            return;
        h->done = more;
        h->done_room = h->done_n + n;
    }
    for (size_t i = 0; i < n; i++)
        if (m[i].outcome == OUTCOME_DONE)
            h->done[h->done_n++] = copies[i].account;
}

/* To each account once, whichever of its addresses were named. */
static size_t plan_copies(const struct here *h, struct copy *copies, struct store_mutation *m)
{
    const struct directory_resolution *r = &h->resolved;
    const struct delivery_message message = {.now = clock_wall()};
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        uint64_t account = r->recipients[i].account;
        if (is_done(h, account))
            continue;
        copies[n] = (struct copy){
            .message = &h->item->message, .account = account, .now = message.now / 1000000};
        delivery_plan(&message, account, &copies[n].plan);
        m[n] = (struct store_mutation){
            .partition = mailbox_partition(account), .fn = append_fn, .arg = &copies[n]};
        n++;
    }
    return n;
}

TASK_FN
static enum outcome submit(
    struct here *h, struct copy *copies, struct store_mutation *m, deadline until)
{
    size_t n = plan_copies(h, copies, m);
    if (!n)
        return OUTCOME_DONE;
    enum outcome o = n > 1 ? store_intent(h->of->store, m, n, NULL, until)
                           : store_mutate(h->of->store, m, NULL, until);
    if (n == 1)
        m->outcome = o;
    if (o == OUTCOME_DONE)
        note_done(h, m, copies, n);
    return o;
}

TASK_FN
static enum outcome deliver(struct here *h, deadline until)
{
    struct store_mutation *m = calloc(h->resolved.n, sizeof *m);
    struct copy *copies = calloc(h->resolved.n, sizeof *copies);
    enum outcome o = OUTCOME_FAILED;
    if (m && copies)
        o = submit(h, copies, m, until);
    free(m);
    free(copies);
    return o;
}

/* ---- verdicts ---- */

static void delivered(bool expanded, struct queue_settlement *s)
{
    *s = (struct queue_settlement){
        .verdict = QUEUE_DELIVERED, .status = "2.0.0", .at_end = true, .expanded = expanded};
}

static void stored(enum outcome o, size_t accounts, struct queue_settlement *s)
{
    if (o == OUTCOME_REFUSED)
        delivery_own_verdict(QUEUE_FAILED, "5.2.1", S("The mailbox has been removed"), s);
    else if (o != OUTCOME_DONE) /* twice is better than never */
        delivery_own_verdict(QUEUE_DEFERRED, "4.3.0", S("The message could not be stored now"), s);
    else
        delivered(accounts > 1, s);
}

static void full(enum quota_answer answer, struct queue_settlement *s)
{
    if (answer == QUOTA_NEVER)
        delivery_own_verdict(
            QUEUE_FAILED, "5.2.2", S("The message is larger than the whole mailbox may be"), s);
    else if (answer == QUOTA_FULL)
        delivery_own_verdict(QUEUE_DEFERRED, "4.2.2", S("The mailbox is full"), s);
    else
        delivery_own_verdict(QUEUE_DEFERRED, "4.3.0", S("The mailbox cannot be looked at now"), s);
}

TASK_FN
static void deliver_entry(
    struct here *h, const struct queue_entry *e, struct queue_settlement *s, deadline until)
{
    enum directory_resolved resolved = resolve(h, e->recipient, until);
    if (resolved == DIRECTORY_RESOLVE_OK && !h->resolved.n) /* it leads elsewhere by now */
        resolved = DIRECTORY_RESOLVE_UNKNOWN;
    switch (resolved) {
    case DIRECTORY_RESOLVE_OK:
        break;
    case DIRECTORY_RESOLVE_BUSY:
        delivery_own_verdict(QUEUE_DEFERRED, "4.3.0", S("The directory does not answer now"), s);
        return;
    default:
        delivery_own_verdict(
            QUEUE_FAILED, "5.1.1", S("There is nobody of this address here any more"), s);
        return;
    }
    if (!someone_enabled(&h->resolved)) {
        delivery_own_verdict(QUEUE_DEFERRED, "4.2.1", S("The account is disabled"), s);
        return;
    }
    enum quota_answer answer = room(h, until);
    if (answer == QUOTA_OK)
        stored(deliver(h, until), h->resolved.n, s);
    else
        full(answer, s);
}

TASK_FN
static void work(struct here *h, struct queue_settlement *settlements)
{
    h->done_n = 0;
    for (size_t i = 0; i < h->item->n; i++) {
        const struct queue_entry *e = &h->item->entries[i];
        if (slice_eq(e->route, DELIVERY_HERE))
            deliver_entry(h, e, &settlements[i], deadline_in(STORE));
        else if (slice_eq(e->route, DELIVERY_SENT_ON))
            settlements[i] = (struct queue_settlement){.verdict = QUEUE_RELAYED, .status = "2.0.0"};
        else
            delivered(slice_eq(e->route, DELIVERY_EXPANDED), &settlements[i]);
    }
}

void delivery_here_carry(void *arg, struct queue_batch *batch)
{
    struct queue_item item;
    struct arena arena;
    struct here h = {.of = arg, .item = &item};
    bool ok = true;
    arena_init(&arena, ITEM_MAX);
    while (ok && queue_next(batch, &arena, &item, deadline_in(STORE))) {
        struct queue_settlement *s = arena_array(&arena, struct queue_settlement, item.n);
        ok = s != NULL;
        if (ok) {
            work(&h, s);
            ok = queue_settle(batch, &item, s, deadline_in(STORE));
        }
        arena_reset(&arena);
    }
    arena_reset(&arena);
    free(h.found);
    free(h.done);
}
