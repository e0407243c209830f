/* One libunbound context with a thread of its own. Its pipe is watched by one reactor, which passes
 * each answer on to the reactor that asked. */
#include "base/log.h"
#include "base/metrics.h"
#include "dns/dns_private.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

#define PENDING_MAX 20000

METRIC(asked, METRIC_COUNTER, "barid_dns_questions_total", "", "Questions to the resolver")
METRIC(failed, METRIC_COUNTER, "barid_dns_failures_total", "", "Questions that got no answer")

/* RFC 7958: the root's key-signing keys of 2017 and 2024. */
static const char *const root_anchors[] = {
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

/* libunbound answers these by itself unless told not to; whoever is asked shall know them. */
static const char *const plain_zones[] = {"test.", "10.in-addr.arpa.", "168.192.in-addr.arpa.",
    "254.169.in-addr.arpa.", "127.in-addr.arpa.", "d.f.ip6.arpa.", "localhost.", "invalid."};

struct dns {
    struct ub_ctx *ctx;
    struct watcher watcher;
    bool started;
    atomic_uint pending;
};

/* A question under way: held by the asker and by libunbound. */
struct question {
    struct dns *dns;
    struct completion completion;
    struct event answered;
    struct ub_result *result; /* NULL: none */
    int error;
    atomic_uint holders;
};

const char *dns_status_name(enum dns_status status)
{
    static const char *const names[] = {
        "found", "empty", "absent", "temporary", "bogus", "bad name"};
    return names[status];
}

/* ---- the context ---- */

static int add_anchors(struct ub_ctx *ctx, struct slice anchor)
{
    char line[1024];
    while (anchor.n) {
        struct slice text = slice_trim(slice_cut(&anchor, '\n'));
        if (!text.n || text.p[0] == ';' || text.p[0] == '#')
            continue;
        if (!slice_to_cstr(text, line, sizeof line))
            return UB_SYNTAX;
        int code = ub_ctx_add_ta(ctx, line);
        if (code)
            return code;
    }
    return 0;
}

static int set_option(struct ub_ctx *ctx, const char *name, size_t bytes)
{
    char value[24];
    snprintf(value, sizeof value, "%zu", bytes);
    return ub_ctx_set_option(ctx, name, value);
}

static int set_up(struct ub_ctx *ctx, const struct dns_options *o)
{
    size_t cache = o->cache ? o->cache : (size_t)16 * 1024 * 1024;
    char server[128];
    int code = ub_ctx_async(ctx, 1);
    if (!code)
        code = set_option(ctx, "msg-cache-size:", cache / 3);
    if (!code)
        code = set_option(ctx, "rrset-cache-size:", cache / 3 * 2);
    if (!code)
        code = ub_ctx_set_option(ctx, "edns-buffer-size:", "1232");
    for (size_t i = 0; !code && i < o->server_n; i++) {
        snprintf(server, sizeof server, "%s", o->servers[i]);
        char *colon = strrchr(server, ':');
        if (colon)
            *colon = '@';
        size_t n = strlen(server);
        char *close = server[0] == '[' ? strstr(server, "]@") : NULL;
        if (close)
            memmove(close, close + 1, n - (size_t)(close - server));
        code = ub_ctx_set_fwd(ctx, close ? server + 1 : server);
    }
    for (size_t i = 0; !code && o->root_anchor && i < 2; i++)
        code = ub_ctx_add_ta(ctx, root_anchors[i]);
    if (!code)
        code = add_anchors(ctx, o->anchor);
    for (size_t i = 0; !code && i < sizeof plain_zones / sizeof *plain_zones; i++)
        code = ub_ctx_zone_add(ctx, plain_zones[i], "transparent");
    return code;
}

static void ignore(void *arg, int error, struct ub_result *result)
{
    ub_resolve_free(result);
}

/* Starts libunbound's thread, with all signals blocked, and answers from a zone of its own. */
static int warm(struct ub_ctx *ctx)
{
    sigset_t all, before;
    int id;
    sigfillset(&all);
    int code = ub_ctx_zone_add(ctx, "barid.invalid.", "static");
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!code)
        code = ub_resolve_async(ctx, "barid.invalid.", DNS_A, 1, NULL, ignore, &id);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code ? code : ub_wait(ctx);
}

struct dns *dns_create(const struct dns_options *options, char why[256])
{
    struct dns *d = calloc(1, sizeof *d);
    int code = UB_NOMEM;
    if (d)
        d->ctx = ub_ctx_create();
    if (d && d->ctx && !(code = set_up(d->ctx, options)))
        code = warm(d->ctx);
    if (!code)
        return d;
    snprintf(why, 256, "the resolver cannot be set up: %s", ub_strerror(code));
    dns_destroy(d);
    return NULL;
}

void dns_destroy(struct dns *d)
{
    if (d && d->ctx)
        ub_ctx_delete(d->ctx);
    free(d);
}

static void readable(struct watcher *w, unsigned events)
{
    struct dns *d = list_entry(w, struct dns, watcher);
    int code = ub_process(d->ctx);
    if (code)
        log_error("dns.broken", log_text("error", ub_strerror(code)));
}

bool dns_start(struct dns *d)
{
    d->started = watcher_start(&d->watcher, ub_fd(d->ctx), WATCH_READ, readable);
    return d->started;
}

void dns_stop(struct dns *d)
{
    if (d->started)
        watcher_stop(&d->watcher);
    d->started = false;
}

/* ---- a question ---- */

static void question_drop(struct question *q)
{
    if (atomic_fetch_sub_explicit(&q->holders, 1, memory_order_acq_rel) != 1)
        return;
    if (q->result)
        ub_resolve_free(q->result);
    atomic_fetch_sub_explicit(&q->dns->pending, 1, memory_order_relaxed);
    free(q);
}

/* On the reactor that asked; nobody is told when it has given up. */
static void arrived(void *arg, int64_t result)
{
    struct question *q = arg;
    event_raise(&q->answered);
}

/* On the reactor that watches. */
static void answered(void *arg, int error, struct ub_result *result)
{
    struct question *q = arg;
    struct completion c = q->completion;
    q->result = result;
    q->error = error;
    question_drop(q); /* the asker, if it still waits, holds it */
    completion_post(c, 0);
}

static struct question *question_create(struct dns *d)
{
    if (atomic_fetch_add_explicit(&d->pending, 1, memory_order_relaxed) >= PENDING_MAX) {
        atomic_fetch_sub_explicit(&d->pending, 1, memory_order_relaxed);
        return NULL;
    }
    struct question *q = calloc(1, sizeof *q);
    if (!q) {
        atomic_fetch_sub_explicit(&d->pending, 1, memory_order_relaxed);
        return NULL;
    }
    q->dns = d;
    event_init(&q->answered);
    atomic_init(&q->holders, 2);
    return q;
}

static enum dns_status status_of(const struct ub_result *r, const char **why)
{
    *why = NULL;
    if (r->bogus) {
        *why = "the DNSSEC signatures do not hold";
        return DNS_BOGUS;
    }
    if (r->havedata)
        return DNS_FOUND;
    if (r->nxdomain) {
        *why = "the name does not exist";
        return DNS_ABSENT;
    }
    if (r->rcode == 0) {
        *why = "the name has no such record";
        return DNS_EMPTY;
    }
    *why = r->rcode == 2 ? "the name servers do not answer" : "the name servers refuse to answer";
    return DNS_TEMPORARY;
}

static void copy(const struct ub_result *r, struct arena *arena, struct dns_answer *a)
{
    size_t n = 0, bytes = 0;
    while (r->data[n] && n < DNS_RECORDS_MAX)
        n++;
    a->records = arena_alloc(arena, arena_bytes(n ? n : 1, sizeof *a->records));
    for (size_t i = 0; a->records && i < n; i++) {
        struct slice data = slice(r->data[i], r->len[i] > 0 ? (size_t)r->len[i] : 0);
        bytes += data.n;
        struct slice own = arena_copy(arena, data);
        if (bytes > DNS_ANSWER_MAX || !own.p)
            break;
        a->records[a->n++].data = own;
    }
    if (!a->n) {
        a->status = DNS_TEMPORARY;
        a->why = "the answer is too large";
    }
}

static void read_result(
    const struct question *q, struct slice name, struct arena *arena, struct dns_answer *a)
{
    const struct ub_result *r = q->result;
    if (q->error || !r) {
        a->why = "the resolver failed";
        return;
    }
    a->status = status_of(r, &a->why);
    a->secure = r->secure && !r->bogus;
    a->ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0;
    struct slice canonical = r->canonname ? slice_str(r->canonname) : name;
    if (slice_ends(canonical, S(".")))
        canonical.n--;
    a->name = arena_copy(arena, canonical);
    for (size_t i = 0; i < a->name.n; i++)
        ((char *)a->name.p)[i] = ascii_lower(a->name.p[i]);
    if (a->status == DNS_FOUND)
        copy(r, arena, a);
}

static bool plausible(struct slice name)
{
    if (!name.n || name.n >= DNS_NAME_MAX)
        return false;
    for (size_t i = 0, label = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '.' && !label)
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63 || (c != '.' && !ascii_alnum(c) && c != '-' && c != '_'))
            return false;
    }
    return true;
}

/* libunbound has its own copy of all when this returns. */
static bool submit(struct question *q, struct slice name, enum dns_type type)
{
    char text[DNS_NAME_MAX + 1];
    int id;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return ub_resolve_async(q->dns->ctx, text, (int)type, 1, q, answered, &id) == 0;
}

TASK_FN
void dns_ask(struct dns *d, struct slice name, enum dns_type type, struct arena *arena,
    struct dns_answer *answer, deadline until)
{
    *answer = (struct dns_answer){.status = DNS_TEMPORARY, .why = "too many questions at once"};
    if (slice_ends(name, S(".")))
        name.n--;
    if (!plausible(name)) {
        answer->status = DNS_BAD_NAME;
        answer->why = "this is no domain name";
        return;
    }
    metric_add(&asked, 1);
    struct question *q = question_create(d);
    if (!q || !completion_reserve(&q->completion, arrived, q)) {
        if (q)
            atomic_store(&q->holders, 1);
        if (q)
            question_drop(q);
        return;
    }
    if (!submit(q, name, type)) {
        struct completion unused = q->completion;
        completion_abandon(unused);
        completion_post(unused, 0);
        question_drop(q);
    } else if (event_wait(&q->answered, until) == WAIT_OK) {
        read_result(q, name, arena, answer);
    } else {
        completion_abandon(q->completion);
        answer->why = "the resolver did not answer in time";
    }
    question_drop(q);
    metric_add(&failed, answer->status == DNS_TEMPORARY);
}
