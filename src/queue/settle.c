/* What became of entries: one mutation, with the report that follows from it. It may be tried again
 * after any outcome, since it changes only what is still as it was. */
#include "base/log.h"
#include "base/metrics.h"
#include "queue/queue_private.h"
#include "trace/trace.h"
#include <stdlib.h>

#define TRY_GAP_MAX 30 /* s */
#define UNTRIED_GAP 2  /* s, before what was given back is looked at again */

#define COUNTER(name, what)                                                                        \
    METRIC(name, METRIC_COUNTER, "barid_queue_entries_total", "what=\"" what "\"",                 \
        "Entries of the queue: one for each message and recipient")
COUNTER(delivered, "delivered")
COUNTER(deferred, "deferred")
COUNTER(bounced, "bounced")
METRIC(attempts, METRIC_COUNTER, "barid_queue_attempts_total", "", "Attempts to deliver an entry")
METRIC(lost_tries, METRIC_COUNTER, "barid_queue_settle_failures_total", "",
    "Settlings that the store did not take at once")

/* ---- inside the mutation ---- */

/* The entry as it will be; texts in e come from the settlement, which outlives the mutation. */
static void change(const struct settle *s, size_t i, struct queue_entry *e)
{
    const struct queue_settlement *v = &s->settlements[i];
    if (s->action[i] == SETTLE_NOTICED) {
        e->notice = 0;
        return;
    }
    e->attempts++;
    e->next = s->next > v->not_before ? s->next : v->not_before;
    e->reply = v->reply;
    e->remote = v->remote;
}

/* True when there was something to change. */
static bool settle_entry(
    struct store_txn *t, const struct settle *s, size_t i, uint32_t *gone, uint32_t *held)
{
    char message_row[QUEUE_ROW_MESSAGE], entry_row[QUEUE_ROW_ENTRY];
    uint64_t id = s->item->message.id;
    uint32_t index = s->item->entries[i].index;
    struct queue_message m;
    struct queue_entry e;
    if (s->action[i] == SETTLE_KEEP || !queue_row_get_message(store_txn_view(t), id, &m) ||
        !queue_row_get_entry(store_txn_view(t), id, index, &e))
        return false;
    /* Slices into the store end with the next change: copies. */
    size_t message_n = queue_row_pack_message(&m, message_row);
    size_t entry_n = queue_row_pack_entry(&e, entry_row);
    queue_row_unpack_message(slice(message_row, message_n), id, &m);
    queue_row_unpack_entry(slice(entry_row, entry_n), id, index, &e);
    if (s->action[i] == SETTLE_GONE) {
        queue_row_del_entry(t, &m, &e);
        *held += e.state == QUEUE_HELD; /* meanwhile */
        ++*gone;
        return true;
    }
    if (e.attempts != s->item->entries[i].attempts || (s->action[i] == SETTLE_NOTICED && !e.notice))
        return false; /* this settling was applied before */
    queue_row_unfile(t, &m, &e);
    change(s, i, &e);
    queue_row_put_entry(t, &m, &e);
    return true;
}

static void route_is_up(struct store_txn *t, struct slice route)
{
    struct queue_row_key k = queue_row_key_route(route);
    struct slice row;
    if (store_get(store_txn_view(t), queue_row_key_slice(&k), &row))
        store_del(t, queue_row_key_slice(&k));
}

static enum outcome settle_fn(struct store_txn *t, void *arg)
{
    const struct settle *s = arg;
    struct queue_row_header h;
    uint32_t gone = 0, held = 0;
    bool any = false;
    if (s->reached)
        route_is_up(t, s->item->entries[0].route);
    for (size_t i = 0; i < s->item->n; i++)
        any |= settle_entry(t, s, i, &gone, &held);
    if (!any)
        return OUTCOME_REFUSED;
    if (held && !queue_row_count_held(t, -(int64_t)held))
        return OUTCOME_FAILED;
    if (gone) {
        if (!queue_row_get_header(store_txn_view(t), &h) ||
            !queue_row_settle_message(t, s->item->message.id, gone, &h))
            return OUTCOME_FAILED;
        queue_row_put_header(t, &h);
    }
    if (s->report && s->report->target.to == QUEUE_REPORT_REMOTE) {
        s->report->new.message.blob = s->report->blob.id;
        s->report->new.message.size = s->report->blob.size;
        /* A full queue still takes what its own entries turn into: they have just left it. */
        return queue_put(t, &s->report->new) == OUTCOME_DONE ? OUTCOME_DONE : OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

static enum outcome report_fn(struct store_txn *t, void *arg)
{
    struct report *r = arg;
    return r->reporter->deliver(t, r->reporter->arg, &r->target, r->blob.id, r->blob.size, r->now);
}

/* ---- around it ---- */

struct still {
    const struct settle *s;
    bool any;
};

static void still_fn(struct store_view *v, void *arg)
{
    struct still *still = arg;
    const struct settle *s = still->s;
    struct queue_entry e;
    still->any = false;
    for (size_t i = 0; i < s->item->n && !still->any; i++) {
        const struct queue_entry *was = &s->item->entries[i];
        if (s->action[i] == SETTLE_KEEP || !queue_row_get_entry(v, was->message, was->index, &e))
            continue;
        still->any =
            s->action[i] == SETTLE_NOTICED ? e.notice == was->notice : e.attempts == was->attempts;
    }
}

/* Is there anything left to settle? An earlier try whose outcome is unknown may have done it. */
TASK_FN
static enum outcome still_open(struct settle *s, deadline until)
{
    struct still still = {.s = s};
    enum outcome o =
        store_read(s->q->options.store, queue_row_partition(), still_fn, &still, NULL, until);
    return o != OUTCOME_DONE ? o : still.any ? OUTCOME_DONE : OUTCOME_REFUSED;
}

TASK_FN
static enum outcome submit(struct settle *s, deadline until)
{
    struct store_mutation m[2] = {{.partition = queue_row_partition(), .fn = settle_fn, .arg = s}};
    struct report *r = s->report;
    m[0].patient = !r; /* it only ends what is done: new mail comes first and pays for the syncs */
    if (!r)
        return store_mutate(s->q->options.store, m, NULL, until);
    if (r->target.to == QUEUE_REPORT_REMOTE)
        return store_mutate(s->q->options.store, m, &r->blob, until);
    m[1] = m[0];
    m[0] = (struct store_mutation){.partition = r->target.partition, .fn = report_fn, .arg = r};
    enum outcome o = store_intent(s->q->options.store, m, 2, &r->blob, until);
    r->refused = m[0].outcome == OUTCOME_REFUSED;
    return o;
}

static const char *report_text(const struct settle *s)
{
    bool delayed = false, failed = false;
    for (size_t i = 0; i < s->item->n; i++) {
        delayed |= s->delayed[i];
        failed |= s->action[i] == SETTLE_GONE && s->settlements[i].verdict == QUEUE_FAILED;
    }
    return failed ? "failure" : delayed ? "delay" : "success";
}

/* One that is queued has a line of its own, of queue_wake. */
static void trace_report(const struct settle *s, enum outcome o)
{
    const struct queue_message *m = &s->item->message;
    const struct report *r = s->report;
    char id[16];
    if (!r || o != OUTCOME_DONE || r->refused)
        return;
    bool local = r->target.to == QUEUE_REPORT_LOCAL;
    queue_id_text(m->id, id);
    trace_note(TRACE_REPORT, trace_slice(TRACE_ID, m->trace), trace_text(TRACE_QUEUE, id),
        trace_slice(TRACE_TO, m->sender), trace_slice(TRACE_ALIAS, m->alias),
        trace_text(TRACE_WHAT, report_text(s)),
        local ? trace_number(TRACE_ACCOUNT, r->target.account) : (struct trace_field){0},
        local ? trace_number(TRACE_MAILBOX, r->target.mailbox) : (struct trace_field){0},
        local ? trace_number(TRACE_BLOB, r->blob.id) : (struct trace_field){0});
}

/* The report has entered the queue, or may have. */
static void wake(struct settle *s, enum outcome o)
{
    const struct report *r = s->report;
    if (!r || r->target.to != QUEUE_REPORT_REMOTE)
        return;
    if (o == OUTCOME_DONE)
        queue_wake(s->q, &r->new);
    else if (o == OUTCOME_UNKNOWN)
        shard_tell(s->q, r->recipient.route, r->new.message.account, s->now);
}

static bool idle(const struct settle *s)
{
    for (size_t i = 0; i < s->item->n; i++)
        if (s->action[i] != SETTLE_KEEP)
            return false;
    return true;
}

TASK_FN
static bool try_once(struct settle *s, bool again, deadline until)
{
    if (again) {
        enum outcome open = still_open(s, until);
        if (open != OUTCOME_DONE)
            return open == OUTCOME_REFUSED;
    }
    if (!report_make(s, &s->report, until))
        return false;
    enum outcome o = submit(s, until);
    trace_report(s, o);
    wake(s, o);
    report_destroy(s->report);
    s->report = NULL;
    return o == OUTCOME_DONE || o == OUTCOME_REFUSED;
}

TASK_FN
bool settle_run(struct settle *s, deadline until)
{
    int64_t gap = 1;
    if (idle(s))
        return true;
    for (bool again = false;; again = true) {
        if (try_once(s, again, until))
            return true;
        metric_add(&lost_tries, 1);
        if (deadline_in(gap * CLOCK_SEC) >= until || atomic_load(&s->q->stopping) ||
            task_sleep(deadline_in(gap * CLOCK_SEC)) == WAIT_CANCELLED)
            return false;
        gap = gap * 2 < TRY_GAP_MAX ? gap * 2 : TRY_GAP_MAX;
    }
}

/* ---- a courier's ---- */

static void tell_log(const struct queue_item *item, const struct queue_entry *e,
    const struct queue_settlement *v, int64_t next)
{
    static const char *const events[] = {[QUEUE_DELIVERED] = "delivered",
        [QUEUE_RELAYED] = "delivered",
        [QUEUE_DEFERRED] = "deferred",
        [QUEUE_FAILED] = "bounced"};
    char id[16];
    queue_id_text(item->message.id, id);
    log_info(events[v->verdict], log_slice("id", item->message.trace), log_text("queue", id),
        log_slice("to", e->recipient), log_text("status", v->status),
        log_slice("remote", v->remote), log_slice("reply", v->reply),
        log_int("attempts", e->attempts + 1),
        v->verdict == QUEUE_DEFERRED ? log_int("next", next) : (struct log_field){0});
}

static void tell_trace(const struct settle *s, const struct queue_entry *e,
    const struct queue_settlement *v, int64_t next)
{
    static const char *const words[] = {[QUEUE_DELIVERED] = "delivered",
        [QUEUE_RELAYED] = "relayed",
        [QUEUE_DEFERRED] = "deferred",
        [QUEUE_FAILED] = "failed"};
    char id[16];
    queue_id_text(s->item->message.id, id);
    trace_note_at(TRACE_ATTEMPT, s->heard, trace_slice(TRACE_ID, s->item->message.trace),
        trace_text(TRACE_QUEUE, id), trace_slice(TRACE_TO, e->recipient),
        trace_slice(TRACE_ROUTE, e->route), trace_text(TRACE_WHAT, words[v->verdict]),
        trace_text(TRACE_STATUS, v->status), trace_slice(TRACE_REMOTE, v->remote),
        trace_slice(TRACE_TLS, v->tls), trace_slice(TRACE_REPLY, v->reply.n ? v->reply : v->why),
        trace_number(TRACE_ATTEMPTS, e->attempts + 1),
        v->verdict == QUEUE_DEFERRED ? trace_number(TRACE_NEXT, (uint64_t)next)
                                     : (struct trace_field){0});
}

static void count(const struct queue_settlement *v)
{
    metric_add(&attempts, 1);
    metric_add(v->verdict == QUEUE_DEFERRED ? &deferred
               : v->verdict == QUEUE_FAILED ? &bounced
                                            : &delivered,
        1);
}

static void plan(struct settle *s, const struct schedule *schedule)
{
    uint32_t tries = 0;
    for (size_t i = 0; i < s->item->n; i++) {
        enum queue_verdict verdict = s->settlements[i].verdict;
        bool off = verdict == QUEUE_DEFERRED;
        s->action[i] = verdict == QUEUE_UNTRIED ? SETTLE_KEEP : off ? SETTLE_PUT_OFF : SETTLE_GONE;
        s->reached |= s->action[i] == SETTLE_GONE;
        if (off && s->item->entries[i].attempts >= tries)
            tries = s->item->entries[i].attempts + 1;
    }
    /* One time for all, so that they stay one transaction. */
    s->next = s->now + schedule_gap(schedule, tries);
}

/* The claim ends: nobody could read the entry as it was any more. */
static void close_entry(struct queue_batch *b, const struct settle *s, size_t i)
{
    const struct queue_entry *e = &s->item->entries[i];
    const struct queue_settlement *v = &s->settlements[i];
    struct claim *c = claim_of(&b->claims, e->message, e->index);
    int64_t next = s->next;
    if (s->action[i] == SETTLE_PUT_OFF && v->not_before > next)
        next = v->not_before;
    if (c && s->action[i] == SETTLE_KEEP) {
        c->next = s->now + UNTRIED_GAP; /* not to be met by this batch again */
        return;
    }
    if (c)
        claim_release(b->shard->q, c);
    if (s->action[i] != SETTLE_GONE)
        shard_tell(b->shard->q, e->route, s->item->message.account, next);
    count(v);
    tell_log(s->item, e, v, next);
    tell_trace(s, e, v, next);
}

TASK_FN
bool queue_settle(struct queue_batch *b, const struct queue_item *item,
    const struct queue_settlement *settlements, deadline until)
{
    struct shard *shard = b->shard;
    struct settle *s = calloc(1, sizeof *s);
    bool put_off = false;
    if (!s)
        return false;
    *s = (struct settle){.q = shard->q,
        .item = item,
        .settlements = settlements,
        .now = queue_now(),
        .heard = clock_wall()};
    plan(s, shard->schedule);
    bool ok = settle_run(s, until);
    for (size_t i = 0; i < item->n && ok; i++) {
        put_off |= s->action[i] == SETTLE_PUT_OFF;
        close_entry(b, s, i);
    }
    if (ok && s->reached)
        schedule_success(shard->schedule, b->route, s->now);
    else if (ok && put_off)
        schedule_deferred(shard->schedule, b->route);
    if (!ok) {
        shard_pause(shard);
        log_error("queue", log_text("text", "the store takes no settling: entries are tried again"),
            log_slice("id", item->message.trace));
    }
    free(s);
    return ok;
}

/* ---- a route that cannot be reached ---- */

struct down {
    struct slice route;
    struct queue_row_route row;
};

static enum outcome down_fn(struct store_txn *t, void *arg)
{
    const struct down *d = arg;
    char row[QUEUE_ROW_ROUTE];
    struct queue_row_key k = queue_row_key_route(d->route);
    store_put(t, queue_row_key_slice(&k), slice(row, queue_row_pack_route(&d->row, row)));
    return OUTCOME_DONE;
}

TASK_FN
void queue_route_down(struct queue_batch *b, const struct queue_settlement *why)
{
    struct shard *s = b->shard;
    int64_t now = queue_now(), until;
    schedule_down(s->schedule, b->route, now);
    struct down d = {.route = schedule_name(b->route)};
    d.row.failures = schedule_failures(b->route, &until);
    d.row.since = now;
    d.row.until = until;
    d.row.status = slice_str(why->status);
    d.row.reply = why->reply.n ? why->reply : why->why;
    d.row.remote = why->remote;
    log_info("route_down", log_slice("route", d.route), log_text("status", why->status),
        log_slice("remote", why->remote), log_slice("reply", d.row.reply),
        log_int("failures", d.row.failures), log_int("until", until));
    trace_note(TRACE_ROUTE_DOWN, trace_slice(TRACE_ROUTE, d.route),
        trace_text(TRACE_STATUS, why->status), trace_slice(TRACE_REMOTE, why->remote),
        trace_slice(TRACE_REPLY, d.row.reply), trace_number(TRACE_ATTEMPTS, d.row.failures),
        trace_number(TRACE_NEXT, (uint64_t)until));
    struct store_mutation m = {.partition = queue_row_partition(), .fn = down_fn, .arg = &d};
    /* Lost: the route is tried earlier after a restart. */
    store_mutate(s->q->options.store, &m, NULL, deadline_in(10 * CLOCK_SEC));
    list_for_safe(&b->claims, node)
    {
        struct claim *c = list_entry(node, struct claim, in);
        uint64_t account = c->account;
        int64_t next = c->next;
        claim_release(s->q, c);
        if (next != SCHEDULE_NEVER)
            shard_tell(s->q, d.route, account, next);
    }
}
