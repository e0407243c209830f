/* Names. A source is one libunbound context; its pipe is watched by one reactor, which passes each
 * answer on to the reactor that asked. A question belongs to the source that was the present one
 * when it was asked; a source that was replaced goes when nobody asks it any more. */
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "dns/dns_private.h"
#include "dns/resolver.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define QUESTIONS 20000

METRIC(asked, METRIC_COUNTER, "barid_dns_questions_total", "", "Questions to the resolver")
METRIC(failed, METRIC_COUNTER, "barid_dns_failures_total", "", "Questions that got no answer")

struct source {
    struct list in; /* of dns.sources */
    struct dns *dns;
    struct ub_ctx *ctx;
    struct watcher watcher;
    bool watched;           /* home reactor */
    bool retired;           /* under the mutex, as questions */
    struct list questions;  /* under way */
    struct remote idle;     /* it has been replaced, and its last question has ended */
    struct offload_job end; /* ub_ctx_delete may take its time */
};

struct dns {
    pthread_mutex_t mutex; /* now; retired and questions of the sources */
    struct source *now;
    struct list sources; /* all that live; home reactor */
    struct reactor *home;
    size_t pending, pending_max; /* under the mutex */
};

/* A question under way: held by the asker and by libunbound. */
struct dns_question {
    struct source *source;
    struct list node;
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

/* ---- sources ---- */

static void readable(struct watcher *w, unsigned events)
{
    struct source *s = list_entry(w, struct source, watcher);
    int code = ub_process(s->ctx);
    if (code)
        log_error("dns.broken", log_text("error", ub_strerror(code)));
}

static void source_free(struct source *s)
{
    if (s->ctx)
        ub_ctx_delete(s->ctx);
    /* Those that libunbound never came to answer, and whose askers have gone. */
    list_for_safe(&s->questions, node) free(list_entry(node, struct dns_question, node));
    free(s);
}

static void end_work(struct offload_job *job)
{
    ub_ctx_delete(list_entry(job, struct source, end)->ctx);
}

static void end_done(struct offload_job *job)
{
    free(list_entry(job, struct source, end));
}

/* Home reactor, outside of ub_process. */
static void source_idle(struct remote *r)
{
    struct source *s = list_entry(r, struct source, idle);
    if (s->watched)
        watcher_stop(&s->watcher);
    list_remove(&s->in);
    if (!offload_submit(OFFLOAD_DISK, &s->end))
        source_free(s);
}

static struct source *source_create(struct dns *d, const struct dns_options *options, char why[256])
{
    struct source *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(why, 256, "out of memory");
        return NULL;
    }
    s->dns = d;
    list_init(&s->questions);
    s->idle.fn = source_idle;
    s->end.work = end_work;
    s->end.done = end_done;
    s->ctx = resolver_create(options, why);
    if (s->ctx)
        return s;
    free(s);
    return NULL;
}

struct dns *dns_create(const struct dns_options *options, char why[256])
{
    struct dns *d = calloc(1, sizeof *d);
    snprintf(why, 256, "out of memory");
    if (!d)
        return NULL;
    pthread_mutex_init(&d->mutex, NULL);
    list_init(&d->sources);
    d->pending_max = options->questions ? options->questions : QUESTIONS;
    d->now = source_create(d, options, why);
    if (d->now) {
        list_push_back(&d->sources, &d->now->in);
        return d;
    }
    dns_destroy(d);
    return NULL;
}

void dns_destroy(struct dns *d)
{
    if (!d)
        return;
    list_for_safe(&d->sources, node) source_free(list_entry(node, struct source, in));
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

static bool source_watch(struct source *s)
{
    s->watched = watcher_start(&s->watcher, ub_fd(s->ctx), WATCH_READ, readable);
    return s->watched;
}

bool dns_start(struct dns *d)
{
    d->home = reactor_self();
    return source_watch(d->now);
}

void dns_stop(struct dns *d)
{
    list_for(&d->sources, node)
    {
        struct source *s = list_entry(node, struct source, in);
        if (s->watched)
            watcher_stop(&s->watcher);
        s->watched = false;
    }
}

struct making {
    struct dns *dns;
    const struct dns_options *options;
    struct source *made;
    char *why;
};

static void make(void *arg)
{
    struct making *m = arg;
    m->made = source_create(m->dns, m->options, m->why);
}

TASK_FN
bool dns_replace(struct dns *d, const struct dns_options *options, char why[256])
{
    struct making m = {.dns = d, .options = options, .why = why};
    snprintf(why, 256, "too much to do: try again");
    if (!offload_run(OFFLOAD_DISK, make, &m) || !m.made)
        return false;
    if (!source_watch(m.made)) {
        snprintf(why, 256, "the resolver cannot be watched");
        source_free(m.made);
        return false;
    }
    list_push_back(&d->sources, &m.made->in);
    pthread_mutex_lock(&d->mutex);
    struct source *old = d->now;
    d->now = m.made;
    old->retired = true;
    bool idle = list_empty(&old->questions);
    pthread_mutex_unlock(&d->mutex);
    if (idle)
        reactor_send(d->home, &old->idle);
    return true;
}

/* ---- a question ---- */

/* False: too many. */
static bool question_enter(struct dns_question *q, struct dns *d)
{
    pthread_mutex_lock(&d->mutex);
    bool room = d->pending < d->pending_max;
    if (room) {
        d->pending++;
        q->source = d->now;
        list_push_back(&d->now->questions, &q->node);
    }
    pthread_mutex_unlock(&d->mutex);
    return room;
}

static void question_leave(struct dns_question *q)
{
    struct source *s = q->source;
    struct dns *d = s->dns;
    pthread_mutex_lock(&d->mutex);
    d->pending--;
    list_remove(&q->node);
    bool idle = s->retired && list_empty(&s->questions);
    pthread_mutex_unlock(&d->mutex);
    if (idle)
        reactor_send(d->home, &s->idle);
}

static void question_drop(struct dns_question *q)
{
    if (atomic_fetch_sub_explicit(&q->holders, 1, memory_order_acq_rel) != 1)
        return;
    if (q->result)
        ub_resolve_free(q->result);
    question_leave(q);
    free(q);
}

/* On the reactor that asked; nobody is told when it has given up. */
static void arrived(void *arg, int64_t result)
{
    struct dns_question *q = arg;
    event_raise(&q->answered);
}

/* On the reactor that watches. */
static void answered(void *arg, int error, struct ub_result *result)
{
    struct dns_question *q = arg;
    struct completion c = q->completion;
    q->result = result;
    q->error = error;
    question_drop(q); /* the asker, if it still waits, holds it */
    completion_post(c, 0);
}

static struct dns_question *question_create(struct dns *d)
{
    struct dns_question *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    event_init(&q->answered);
    atomic_init(&q->holders, 2);
    if (question_enter(q, d))
        return q;
    free(q);
    return NULL;
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
    const struct dns_question *q, struct slice name, struct arena *arena, struct dns_answer *a)
{
    const struct ub_result *r = q->result;
    if (q->error || !r) {
        a->status = DNS_TEMPORARY;
        a->why = "the resolver failed";
        return;
    }
    a->status = status_of(r, &a->why);
    if (r->bogus)
        log_info("dns.bogus", log_slice("name", name),
            log_text("why", r->why_bogus ? r->why_bogus : ""));
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
    if (!name.n || name.n >= DNS_NAME_MAX || slice_ends(name, S(".")))
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
static bool submit(struct dns_question *q, struct slice name, enum dns_type type)
{
    char text[DNS_NAME_MAX + 1];
    int id;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return ub_resolve_async(q->source->ctx, text, (int)type, 1, q, answered, &id) == 0;
}

struct dns_question *dns_begin(
    struct dns *d, struct slice name, enum dns_type type, struct dns_answer *answer)
{
    *answer = (struct dns_answer){.status = DNS_TEMPORARY, .why = "too many questions at once"};
    if (slice_ends(name, S(".")))
        name.n--;
    if (!plausible(name)) {
        answer->status = DNS_BAD_NAME;
        answer->why = "this is no domain name";
        return NULL;
    }
    metric_add(&asked, 1);
    struct dns_question *q = question_create(d);
    if (q && completion_reserve(&q->completion, arrived, q)) {
        if (submit(q, name, type))
            return q;
        struct completion unused = q->completion;
        completion_abandon(unused);
        completion_post(unused, 0);
    }
    if (q) {
        atomic_store(&q->holders, 1);
        question_drop(q);
    }
    metric_add(&failed, 1);
    return NULL;
}

TASK_FN
void dns_end(struct dns_question *q, struct slice name, struct arena *arena,
    struct dns_answer *answer, deadline until)
{
    if (!q)
        return;
    if (event_wait(&q->answered, until) == WAIT_OK) {
        read_result(q, name, arena, answer);
    } else {
        completion_abandon(q->completion);
        answer->why = "the resolver did not answer in time";
    }
    question_drop(q);
    metric_add(&failed, answer->status == DNS_TEMPORARY);
}

TASK_FN
void dns_ask(struct dns *d, struct slice name, enum dns_type type, struct arena *arena,
    struct dns_answer *answer, deadline until)
{
    struct dns_question *q = dns_begin(d, name, type, answer);
    dns_end(q, name, arena, answer, until);
}
