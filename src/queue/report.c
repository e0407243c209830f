/* Who is told what, and the message that says it. */
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "message/date.h"
#include "queue/dsn.h"
#include "queue/queue_private.h"
#include "store/spool.h"
#include <stdio.h>
#include <stdlib.h>

#define RATES 4096 /* senders counted at once; those that share a place share the count */

METRIC(made, METRIC_COUNTER, "barid_queue_reports_total", "what=\"made\"",
    "Reports to senders of queued mail")
METRIC(dropped, METRIC_COUNTER, "barid_queue_reports_total", "what=\"dropped\"",
    "Reports to senders of queued mail")

struct queue_rate {
    int64_t hour;
    unsigned n;
};

static bool action_of(const struct settle *s, size_t i, enum dsn_action *action)
{
    const struct queue_settlement *v = &s->settlements[i];
    uint8_t notify = s->item->entries[i].notify;
    bool success = notify & QUEUE_NOTIFY_SUCCESS, tell = v->tell && !(notify & QUEUE_NOTIFY_NEVER);
    *action = s->delayed[i]                         ? DSN_DELAYED
              : v->verdict == QUEUE_FAILED          ? DSN_FAILED
              : v->verdict == QUEUE_RELAYED || tell ? DSN_RELAYED
              : v->expanded                         ? DSN_EXPANDED
                                                    : DSN_DELIVERED;
    if (s->delayed[i])
        return true; /* a notice is only filed when it is wanted */
    switch (v->verdict) {
    case QUEUE_FAILED: /* RFC 3461 §4.1: without NOTIFY, failures are told */
        return !notify || notify & QUEUE_NOTIFY_FAILURE;
    case QUEUE_RELAYED:
        return success || tell;
    case QUEUE_DELIVERED:
        return (success && v->at_end) || tell;
    default:
        return false;
    }
}

bool report_wanted(const struct settle *s, size_t i)
{
    const struct queue_message *m = &s->item->message;
    enum dsn_action action;
    return !s->quiet && m->sender.n && !(m->flags & QUEUE_IS_REPORT) &&
           s->action[i] != SETTLE_KEEP && action_of(s, i, &action);
}

/* What reports to one reader have in common: forwarded mail has a sender of its own each time. */
static uint64_t reader_of(const struct queue_report_target *target, struct slice to)
{
    return target->to == QUEUE_REPORT_LOCAL
               ? hash_slice(slice(&target->account, sizeof target->account))
               : hash_slice(to);
}

/* Not more than so many an hour to one reader. */
static bool within_rate(struct queue *q, uint64_t reader, int64_t now)
{
    unsigned max =
        q->options.reporter->per_hour ? q->options.reporter->per_hour : QUEUE_REPORTS_PER_HOUR;
    bool ok = true;
    pthread_mutex_lock(&q->mutex);
    if (!q->rates)
        q->rates = calloc(RATES, sizeof *q->rates);
    if (q->rates) {
        struct queue_rate *rate = &q->rates[reader % RATES];
        if (rate->hour != now / 3600)
            *rate = (struct queue_rate){.hour = now / 3600};
        ok = rate->n < max;
        rate->n += ok;
    }
    pthread_mutex_unlock(&q->mutex);
    return ok;
}

/* ---- the original ---- */

/* Up to *n bytes of the message; NULL: it cannot be had, and the report goes without it. */
TASK_FN
static char *read_original(const struct settle *s, size_t *n, deadline until)
{
    struct store_blob *blob;
    char *bytes = NULL;
    size_t wanted = *n, got = 0;
    *n = 0;
    if (store_blob_open(s->q->options.store, s->item->message.blob, &blob, until) != OUTCOME_DONE)
        return NULL;
    if (wanted > store_blob_size(blob))
        wanted = (size_t)store_blob_size(blob);
    bytes = malloc(wanted ? wanted : 1);
    if (bytes && store_blob_read(blob, 0, bytes, wanted, &got, until) == OUTCOME_DONE) {
        *n = got;
    } else {
        free(bytes);
        bytes = NULL;
    }
    store_blob_close(blob);
    return bytes;
}

/* ---- the message ---- */

static size_t recipients_of(const struct settle *s, struct dsn_recipient *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->item->n; i++) {
        const struct queue_entry *e = &s->item->entries[i];
        const struct queue_settlement *v = &s->settlements[i];
        if (!report_wanted(s, i))
            continue;
        out[n] = (struct dsn_recipient){
            .address = e->recipient,
            .orcpt = e->orcpt,
            .status = slice_str(v->status),
            .reply = v->reply,
            .remote = v->remote,
            .remote_said = v->remote_said,
            .why = v->why,
            .attempted =
                s->by_time ? 0 : s->now, /* RFC 3464 §2.3.7: when it is known, or not at all */
        };
        action_of(s, i, &out[n].action);
        n++;
    }
    return n;
}

static struct slice address_of(const struct report *r, const struct settle *s)
{
    return r->target.address[0] ? slice_str(r->target.address) : s->item->message.sender;
}

/* RFC 3461 §6.2: all of the message comes back only when it failed; RFC 8689 §5: not even then when
 * it was to be kept from others' eyes. */
static bool whole_message(const struct settle *s)
{
    const struct queue_message *m = &s->item->message;
    bool failed = false;
    for (size_t i = 0; i < s->item->n; i++)
        failed |= s->settlements[i].verdict == QUEUE_FAILED && report_wanted(s, i);
    return failed && m->flags & QUEUE_RET_FULL && !(m->flags & QUEUE_REQUIRETLS) &&
           m->size <= DSN_ORIGINAL_MAX;
}

/* RFC 4865 §5.1.2: as MAIL said it. */
static struct slice hold_text(const struct queue_message *m, char text[DSN_HOLD_MAX])
{
    char time[DATE_TEXT_MAX];
    if (!m->hold_until)
        return (struct slice){0};
    if (m->flags & QUEUE_HELD_FOR) {
        long long seconds = m->hold_until - m->created - 1;
        int n = snprintf(text, DSN_HOLD_MAX, "for;%lld", seconds);
        return slice(text, (size_t)n);
    }
    struct date date = date_from_unix(m->hold_until, 0);
    struct slice t = date_format_rfc3339(&date, time);
    return slice(text, (size_t)snprintf(text, DSN_HOLD_MAX, "until;" SLICE_FMT, SLICE_ARG(t)));
}

TASK_FN
static bool compose(const struct settle *s, struct slice reader, struct buffer *to, deadline until)
{
    const struct queue_message *m = &s->item->message;
    struct dsn_recipient *list = calloc(s->item->n, sizeof *list);
    bool whole = whole_message(s);
    size_t n = whole ? DSN_ORIGINAL_MAX : DSN_HEADER_MAX;
    char id[32], hold[DSN_HOLD_MAX];
    if (!list)
        return false;
    char *original = read_original(s, &n, until);
    queue_id_text(m->id, id);
    snprintf(id + strlen(id), sizeof id - strlen(id), ".%llx", (unsigned long long)clock_wall());
    const struct dsn d = {
        .hostname = s->q->options.reporter->hostname,
        .to = reader,
        .id = slice_str(id),
        .now = s->now,
        .arrived = m->created,
        .retry_until = m->expires,
        .deliver_by = m->deliver_by,
        .hold = hold_text(m, hold),
        .envid = m->envid,
        .utf8 = m->flags & QUEUE_UTF8,
        .whole = whole,
        .original = slice(original, n),
        .recipients = list,
        .n = recipients_of(s, list),
    };
    bool ok = dsn_compose(to, &d);
    free(original);
    free(list);
    return ok;
}

TASK_FN
static struct spool *spool_of(const struct settle *s, struct slice text, deadline until)
{
    const struct spool_options options = {.tmp_dir = s->q->options.reporter->tmp_dir};
    struct spool *spool = spool_create(&options);
    while (spool && text.n) {
        struct slice piece = slice_sub(text, 0, (size_t)64 * 1024);
        enum spool_state state = spool_write(spool, piece);
        text = slice_from(text, piece.n);
        if (state != SPOOL_OK && (state != SPOOL_WAIT || spool_end(spool, until) != OUTCOME_DONE))
            break;
    }
    if (spool && !text.n && spool_end(spool, until) == OUTCOME_DONE)
        return spool;
    spool_destroy(spool);
    return NULL;
}

static void fill(struct report *r, const struct settle *s, bool eight)
{
    const struct queue_message *m = &s->item->message;
    r->reporter = s->q->options.reporter;
    r->now = s->now;
    r->blob.date = s->now * 1000000;
    r->recipient = (struct queue_recipient){.address = address_of(r, s),
        .route = slice_str(r->target.route),
        .notify = QUEUE_NOTIFY_NEVER};
    r->new = (struct queue_new){
        .message = {.created = s->now,
            .flags = QUEUE_IS_REPORT | (eight ? QUEUE_8BIT : 0) |
                     (m->flags & (QUEUE_UTF8 | QUEUE_REQUIRETLS)),
            .priority = m->priority, /* RFC 6710 §4.6 */
            .trace = m->trace},
        .recipients = &r->recipient,
        .n = 1,
    };
}

TASK_FN
static bool make(const struct settle *s, struct report *r, deadline until)
{
    struct buffer text;
    bool eight = false;
    buffer_init(&text, DSN_MAX);
    bool ok = compose(s, address_of(r, s), &text, until);
    for (size_t i = 0; i < text.n && !eight; i++)
        eight = (unsigned char)text.p[i] >= 0x80;
    r->blob.body = ok ? spool_of(s, buffer_slice(&text), until) : NULL;
    buffer_finish(&text);
    fill(r, s, eight);
    return r->blob.body != NULL;
}

static void drop(const struct settle *s, const char *why)
{
    metric_add(&dropped, 1);
    log_warn("report_dropped", log_slice("id", s->item->message.trace),
        log_slice("to", s->item->message.sender), log_text("why", why));
}

/* Is there anybody to tell anything? */
static bool needed(const struct settle *s)
{
    bool wanted = false, failed = false;
    for (size_t i = 0; i < s->item->n; i++) {
        wanted |= report_wanted(s, i);
        failed |= s->action[i] == SETTLE_GONE && s->settlements[i].verdict == QUEUE_FAILED;
    }
    if (failed && !wanted && !s->quiet && !s->item->message.sender.n)
        drop(s, "a message without a sender failed");
    return wanted && s->q->options.reporter;
}

TASK_FN
bool report_make(const struct settle *s, struct report **report, deadline until)
{
    const struct queue_reporter *reporter = s->q->options.reporter;
    struct slice sender = s->item->message.sender;
    *report = NULL;
    if (!needed(s))
        return true;
    struct report *r = calloc(1, sizeof *r);
    if (!r)
        return false;
    r->target.to = QUEUE_REPORT_LATER;
    reporter->find(reporter->arg, sender, &r->target, until);
    bool ok = r->target.to != QUEUE_REPORT_LATER;
    if (ok && r->target.to == QUEUE_REPORT_NOWHERE) {
        drop(s, "there is no such sender");
    } else if (ok && !within_rate(s->q, reader_of(&r->target, address_of(r, s)), s->now)) {
        drop(s, "too many reports to this sender");
    } else if (ok && (ok = make(s, r, until))) {
        metric_add(&made, 1);
        *report = r;
        return true;
    }
    report_destroy(r);
    return ok;
}

void report_destroy(struct report *r)
{
    if (!r)
        return;
    spool_destroy(r->blob.body);
    free(r);
}
