/* Reports leave: to whom a domain says, once for each day (RFC 8460 §5). */
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "delivery/remote.h"
#include "delivery/sts_private.h"
#include "delivery/tlsrpt_private.h"
#include "delivery/web.h"
#include "store/spool.h"
#include <stdio.h>
#include <stdlib.h>

#define DAY       INT64_C(86400)
#define ASK       (20 * CLOCK_SEC)
#define STORE     (30 * CLOCK_SEC)
#define POST      (60 * CLOCK_SEC)
#define RETRY_GAP INT64_C(900)  /* s, doubled with each try */
#define RETRY_MAX INT64_C(7200) /* s */
#define ROWS_MAX  ((size_t)1024 * 1024)
#define TEXT_MAX  4096

METRIC(sent_mail, METRIC_COUNTER, "barid_tlsrpt_reports_total", "by=\"mail\"",
    "Reports about TLS sent to other domains")
METRIC(sent_https, METRIC_COUNTER, "barid_tlsrpt_reports_total", "by=\"https\"",
    "Reports about TLS sent to other domains")
METRIC(given_up, METRIC_COUNTER, "barid_tlsrpt_reports_total", "by=\"none\"",
    "Reports about TLS sent to other domains")

struct sending {
    struct tlsrpt *t;
    const struct tlsrpt_options *o;
    uint32_t day;
    struct slice domain;
    int64_t now;
    struct buffer rows, gzip;
    char id[64], contact[330];
    struct tlsrpt_uri uris[TLSRPT_URIS_MAX];
    size_t uri_n;
};

/* ---- the rows of one report ---- */

static void read_fn(struct store_view *v, void *arg)
{
    struct sending *s = arg;
    struct tlsrpt_key prefix = tlsrpt_row_key_domain(s->day, s->domain);
    struct store_cursor c;
    struct slice key, row;
    buffer_reset(&s->rows);
    store_seek(v, tlsrpt_slice(&prefix), &c);
    while (store_next_with(&c, tlsrpt_slice(&prefix), &key, &row))
        tlsrpt_report_add(&s->rows, key, row);
}

/* The same rows go away, and the day that has no domain left. */
static enum outcome forget_fn(struct store_txn *t, void *arg)
{
    const struct sending *s = arg;
    struct tlsrpt_key prefix = tlsrpt_row_key_domain(s->day, s->domain);
    struct tlsrpt_key day = tlsrpt_row_key_day(s->day);
    struct tlsrpt_key retry = tlsrpt_row_key_retry(s->day, s->domain), found;
    struct store_view *v = store_txn_view(t);
    struct slice key, row;
    bool any = false;
    for (;;) {
        struct store_cursor c;
        store_seek(v, tlsrpt_slice(&prefix), &c);
        if (!store_next_with(&c, tlsrpt_slice(&prefix), &key, &row) || key.n > sizeof found.p)
            break;
        memcpy(found.p, key.p, key.n);
        found.n = key.n;
        store_del(t, tlsrpt_slice(&found));
        any = true;
    }
    store_del(t, tlsrpt_slice(&retry));
    if (!any)
        return OUTCOME_REFUSED; /* somebody has told it already */
    char header[8] = {TLSRPT_ROW_VERSION};
    uint32_t n = store_get(v, tlsrpt_slice(&day), &row) && row.n == 8 ? unpack_u32(row.p + 4) : 0;
    pack_u32(header + 4, n ? n - 1 : 0);
    if (n > 1)
        store_put(t, tlsrpt_slice(&day), slice(header, sizeof header));
    else
        store_del(t, tlsrpt_slice(&day));
    return OUTCOME_DONE;
}

TASK_FN
static bool forget(struct sending *s)
{
    struct store_mutation m = {.partition = tlsrpt_partition(), .fn = forget_fn, .arg = s};
    enum outcome o = store_mutate(s->o->remote->store, &m, NULL, deadline_in(STORE));
    return o == OUTCOME_DONE || o == OUTCOME_REFUSED;
}

/* ---- again later ---- */

struct putting_off {
    const struct sending *s;
    uint32_t tries;
};

static enum outcome put_off_fn(struct store_txn *t, void *arg)
{
    struct putting_off *p = arg;
    struct tlsrpt_key k = tlsrpt_row_key_retry(p->s->day, p->s->domain);
    char row[16] = {TLSRPT_ROW_VERSION};
    struct slice old;
    p->tries = store_get(store_txn_view(t), tlsrpt_slice(&k), &old) && old.n == 16
                   ? unpack_u32(old.p + 4) + 1
                   : 1;
    int64_t gap = p->tries > 4 ? RETRY_MAX : RETRY_GAP << (p->tries - 1);
    pack_u32(row + 4, p->tries);
    pack_u64(row + 8, (uint64_t)(p->s->now + (gap < RETRY_MAX ? gap : RETRY_MAX)));
    store_put(t, tlsrpt_slice(&k), slice(row, sizeof row));
    return OUTCOME_DONE;
}

TASK_FN
static bool put_off(struct sending *s, const char *why)
{
    struct putting_off p = {.s = s};
    struct store_mutation m = {.partition = tlsrpt_partition(), .fn = put_off_fn, .arg = &p};
    if (!task_cancelled()) {
        store_mutate(s->o->remote->store, &m, NULL, deadline_in(STORE));
        log_info("tls report put off", log_slice("domain", s->domain), log_text("reason", why));
    }
    return false;
}

/* ---- by mail ---- */

struct filing {
    struct sending *s;
    struct queue_report_target target;
    struct queue_recipient recipient;
    struct queue_new new;
    struct store_new_blob blob;
};

static enum outcome file_fn(struct store_txn *t, void *arg)
{
    struct filing *f = arg;
    const struct queue_reporter *r = f->s->o->reporter;
    if (f->target.to == QUEUE_REPORT_LOCAL)
        return r->deliver(t, r->arg, &f->target, f->blob.id, f->blob.size, f->s->now);
    f->new.message.blob = f->blob.id;
    f->new.message.size = f->blob.size;
    return queue_put(t, &f->new) == OUTCOME_DONE ? OUTCOME_DONE : OUTCOME_FAILED;
}

TASK_FN
static struct spool *compose(struct sending *s, struct slice address)
{
    const struct spool_options options = {.tmp_dir = s->o->reporter->tmp_dir};
    const struct tlsrpt_report report = {.day = s->day,
        .domain = s->domain,
        .hostname = s->o->reporter->hostname,
        .contact = slice_str(s->contact),
        .id = slice_str(s->id),
        .now = s->now};
    struct buffer text;
    buffer_init(&text, TLSRPT_MAIL_MAX);
    bool ok = tlsrpt_report_mail(&report, address, buffer_slice(&s->gzip), &text);
    struct spool *spool = ok ? spool_create(&options) : NULL;
    struct slice rest = buffer_slice(&text);
    while (spool && rest.n && ok) {
        struct slice piece = slice_sub(rest, 0, (size_t)64 * 1024);
        enum spool_state state = spool_write(spool, piece);
        rest = slice_from(rest, piece.n);
        ok = state == SPOOL_OK ||
             (state == SPOOL_WAIT && spool_end(spool, deadline_in(STORE)) == OUTCOME_DONE);
    }
    if (spool && (!ok || spool_end(spool, deadline_in(STORE)) != OUTCOME_DONE)) {
        spool_destroy(spool);
        spool = NULL;
    }
    buffer_finish(&text);
    return spool;
}

/* The report and the end of its rows are one intent when it is the last. It goes whatever becomes
 * of TLS, and is not counted itself (RFC 8460 §3). */
TASK_FN
static bool file(struct filing *f, bool last)
{
    struct sending *s = f->s;
    struct slice address = f->recipient.address;
    struct store_mutation m[2] = {
        {.fn = file_fn, .arg = f}, {.partition = tlsrpt_partition(), .fn = forget_fn, .arg = s}};
    m[0].partition =
        f->target.to == QUEUE_REPORT_LOCAL ? f->target.partition : queue_partition(NULL);
    f->recipient.route = slice_str(f->target.route);
    f->recipient.notify = QUEUE_NOTIFY_NEVER;
    f->new = (struct queue_new){.message = {.created = s->now,
                                    .expires = s->now + TLSRPT_TRY_FOR,
                                    .flags = QUEUE_IS_REPORT | QUEUE_TLS_OPTIONAL,
                                    .trace = slice_sub(slice_str(s->id), 0, QUEUE_TRACE_MAX)},
        .recipients = &f->recipient,
        .n = 1};
    f->blob = (struct store_new_blob){.body = compose(s, address), .date = s->now * 1000000};
    if (!f->blob.body)
        return false;
    enum outcome o =
        store_intent(s->o->remote->store, m, last ? 2 : 1, &f->blob, deadline_in(STORE));
    spool_destroy(f->blob.body);
    struct queue *queue = s->o->queue ? s->o->queue(s->o->arg) : NULL;
    if (o == OUTCOME_DONE && f->target.to == QUEUE_REPORT_REMOTE && queue)
        queue_wake(queue, &f->new);
    metric_add(&sent_mail, o == OUTCOME_DONE);
    if (o == OUTCOME_DONE)
        log_info("tls report", log_slice("domain", s->domain), log_slice("to", address),
            log_text("report", s->id));
    return o == OUTCOME_DONE;
}

/* Where mail can go, of the addresses that are named. */
TASK_FN
static size_t find_targets(struct sending *s, struct filing *list, bool *later)
{
    const struct queue_reporter *r = s->o->reporter;
    size_t n = 0;
    for (size_t i = 0; i < s->uri_n; i++) {
        if (!s->uris[i].mail)
            continue;
        list[n] = (struct filing){.s = s, .recipient = {.address = slice_str(s->uris[i].address)}};
        list[n].target.to = QUEUE_REPORT_LATER;
        r->find(r->arg, list[n].recipient.address, &list[n].target, deadline_in(STORE));
        *later |= list[n].target.to == QUEUE_REPORT_LATER;
        n += list[n].target.to == QUEUE_REPORT_LOCAL || list[n].target.to == QUEUE_REPORT_REMOTE;
    }
    return n;
}

/* ---- over HTTPS (RFC 8460 §5.4) ---- */

TASK_FN
static bool post(struct sending *s)
{
    for (size_t i = 0; i < s->uri_n; i++) {
        struct http_call call = {.host = s->uris[i].host,
            .port = s->uris[i].port,
            .path = slice_str(s->uris[i].path),
            .post = buffer_slice(&s->gzip),
            .post_type = S("application/tlsrpt+gzip")};
        if (s->uris[i].mail)
            continue;
        if (web_call(s->o->remote, &call, NULL, deadline_in(POST)) == HTTP_ANSWERED &&
            call.status / 100 == 2) {
            metric_add(&sent_https, 1);
            log_info("tls report", log_slice("domain", s->domain), log_text("to", call.host),
                log_text("report", s->id));
            return true;
        }
        log_info("tls report refused", log_slice("domain", s->domain), log_text("host", call.host),
            log_int("code", call.status), log_text("reason", call.why));
        if (task_cancelled())
            break;
    }
    return false;
}

/* ---- whom to tell ---- */

TASK_FN
static enum dns_status ask(struct sending *s)
{
    char name[300];
    struct arena arena;
    struct dns_answer answer;
    struct buffer text;
    size_t records = 0;
    int n = snprintf(name, sizeof name, "_smtp._tls." SLICE_FMT, SLICE_ARG(s->domain));
    if (n >= (int)sizeof name)
        return DNS_ABSENT;
    arena_init(&arena, 2 * DNS_ANSWER_MAX);
    buffer_init(&text, TEXT_MAX);
    dns_ask(s->o->remote->dns, slice(name, (size_t)n), DNS_TXT, &arena, &answer, deadline_in(ASK));
    for (size_t i = 0; answer.status == DNS_FOUND && i < answer.n; i++)
        if (sts_fetch_text(answer.records[i].data, &text) &&
            tlsrpt_record_is(buffer_slice(&text))) {
            records++;
            s->uri_n = tlsrpt_record_parse(buffer_slice(&text), s->uris);
        }
    if (records != 1) /* RFC 8460 §3 */
        s->uri_n = 0;
    buffer_finish(&text);
    arena_reset(&arena);
    return answer.status;
}

TASK_FN
static bool make(struct sending *s)
{
    const struct tlsrpt_report report = {.day = s->day,
        .domain = s->domain,
        .hostname = s->o->reporter->hostname,
        .contact = slice_str(s->contact),
        .id = slice_str(s->id)};
    struct tlsrpt_report filled = report;
    struct buffer json;
    buffer_init(&json, TLSRPT_JSON_MAX);
    bool ok = store_read(s->o->remote->store, tlsrpt_partition(), read_fn, s, NULL,
                  deadline_in(STORE)) == OUTCOME_DONE &&
              !s->rows.overflow;
    filled.rows = buffer_slice(&s->rows);
    ok = ok && tlsrpt_report_json(&filled, &json) &&
         tlsrpt_report_gzip(buffer_slice(&json), &s->gzip);
    buffer_finish(&json);
    return ok;
}

TASK_FN
static bool deliver(struct sending *s, bool *sent)
{
    bool later = false;
    struct filing *list = calloc(TLSRPT_URIS_MAX, sizeof *list);
    if (!list || !make(s)) {
        free(list);
        return put_off(s, "it cannot be written now");
    }
    size_t n = find_targets(s, list, &later), done = 0;
    while (done < n && file(&list[done], done + 1 == n))
        done++;
    free(list);
    *sent = done > 0;
    if (n && done == n)
        return true;
    if (n || later)
        return put_off(s, "its addresses cannot be looked up, or the queue does not take it");
    *sent = post(s);
    return *sent ? forget(s) : put_off(s, "no one takes it");
}

static void begin(struct sending *s)
{
    struct slice host = slice_sub(s->o->reporter->hostname, 0, 255);
    s->now = clock_wall() / 1000000;
    buffer_init(&s->rows, ROWS_MAX);
    buffer_init(&s->gzip, TLSRPT_JSON_MAX + 1024);
    /* The same each time that it is sent (RFC 8460 §5.3). */
    snprintf(s->id, sizeof s->id, "tlsrpt.%u.%08x%08x", s->day, crc32c(0, s->domain.p, s->domain.n),
        crc32c(0, host.p, host.n));
    if (s->o->contact.n && s->o->contact.n < sizeof s->contact)
        slice_to_cstr(s->o->contact, s->contact, sizeof s->contact);
    else
        snprintf(s->contact, sizeof s->contact, "postmaster@%.*s", SLICE_ARG(host));
}

TASK_FN
bool tlsrpt_send(struct tlsrpt *t, uint32_t day, struct slice domain, bool *sent)
{
    struct sending *s = calloc(1, sizeof *s);
    bool done;
    *sent = false;
    if (!s)
        return false;
    s->t = t;
    s->o = tlsrpt_options(t);
    s->day = day;
    s->domain = domain;
    begin(s);
    const struct delivery_rules *rules = atomic_load(&s->o->remote->rules);
    bool old = s->now > (day + 1) * DAY + TLSRPT_SPREAD + TLSRPT_TRY_FOR;
    enum dns_status status = old || !rules->tls_reports ? DNS_ABSENT : ask(s);
    if (status == DNS_TEMPORARY || status == DNS_BOGUS) {
        done = put_off(s, "the record of the domain cannot be had");
    } else if (s->uri_n) {
        done = deliver(s, sent);
    } else {
        metric_add(&given_up, old);
        done = forget(s);
    }
    buffer_finish(&s->rows);
    buffer_finish(&s->gzip);
    free(s);
    return done;
}
